"""Weights at one byte each, and the way through a file."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from engine.checkpoints.int8_weights import SCALE, from_int8, to_int8
from engine.checkpoints.tensors import load_tensors, read_what_fits
from protocol.errors import EngineError


def weights() -> dict[str, Tensor]:
    torch.manual_seed(0)
    kernel = torch.randn(40, 3, 3, 3, 8) * torch.logspace(-6, 3, 40).view(-1, 1, 1, 1, 1)
    kernel[7] = 0
    return {"weight": kernel, "bias": torch.randn(5000), "few": torch.randn(10, 10)}


def test_every_output_keeps_its_own_precision() -> None:
    tensors = weights()
    small = to_int8(tensors)
    assert small.keys() == {"weight", "weight" + SCALE, "bias", "few"}
    assert small["bias"] is tensors["bias"] and small["few"] is tensors["few"]
    whole = small["weight"]
    assert whole.dtype == torch.int8 and whole.shape == tensors["weight"].shape
    again = from_int8(whole, small["weight" + SCALE])
    error = (again - tensors["weight"]).abs().flatten(1).amax(1)
    largest = tensors["weight"].abs().flatten(1).amax(1)
    assert (error <= largest / 253).all() and not again[7].any()


class Layer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(512, 256, device="meta"))
        self.bias = nn.Parameter(torch.empty(512, device="meta"))


def test_a_file_of_them_is_loaded_as_any_other(tmp_path: Path) -> None:
    torch.manual_seed(0)
    tensors = {"weight": torch.randn(512, 256), "bias": torch.randn(512).half()}
    save_file(to_int8(tensors), tmp_path / "small.safetensors")
    layer = Layer()
    load_tensors(layer, tmp_path / "small.safetensors")
    assert layer.weight.dtype == torch.float32
    assert float((layer.weight - tensors["weight"]).abs().max()) < 0.02
    assert torch.equal(layer.bias, tensors["bias"].float())


def test_what_fits_another_network_is_read(tmp_path: Path) -> None:
    torch.manual_seed(0)
    weight, other = torch.randn(512, 256), torch.randn(512, 128)
    path = tmp_path / "first.safetensors"
    save_file({**to_int8({"weight": weight}), "bias": torch.randn(3), "more": torch.ones(2)}, path)
    found = read_what_fits(Layer(), path)
    assert found.keys() == {"weight"} and float((found["weight"] - weight).abs().max()) < 0.02
    save_file({**to_int8({"weight": other}), "bias": weight[:, 0].half()}, path)
    found = read_what_fits(Layer(), path)
    assert found.keys() == {"bias"} and torch.equal(found["bias"], weight[:, 0].half().float())
    save_file({"weight": to_int8({"weight": weight})["weight"]}, path)
    assert not read_what_fits(Layer(), path)  # whole numbers without scales are no weights
    with pytest.raises(EngineError) as caught:
        read_what_fits(Layer(), tmp_path / "nowhere.safetensors")
    assert caught.value.code == "tensors_missing_file"


WRONG = {
    "no scale": "tensor_dtype",
    "short scale": "tensor_shape",
    "half scale": "tensor_dtype",
    "no number": "tensor_not_finite",
    "scale of a float": "tensor_extra",
}


@pytest.mark.parametrize("wrong", WRONG)
def test_scales_that_do_not_fit_are_refused(tmp_path: Path, wrong: str) -> None:
    tensors = to_int8({"weight": torch.randn(512, 256), "bias": torch.randn(512)})
    if wrong == "no scale":
        del tensors["weight" + SCALE]
    elif wrong == "short scale":
        tensors["weight" + SCALE] = tensors["weight" + SCALE][:3].clone()
    elif wrong == "half scale":
        tensors["weight" + SCALE] = tensors["weight" + SCALE].half()
    elif wrong == "no number":
        tensors["weight" + SCALE][5] = torch.nan
    else:
        tensors["bias" + SCALE] = torch.ones(512)
    save_file(tensors, tmp_path / "wrong.safetensors")
    with pytest.raises(EngineError) as caught:
        load_tensors(Layer(), tmp_path / "wrong.safetensors")
    assert caught.value.code == WRONG[wrong]
