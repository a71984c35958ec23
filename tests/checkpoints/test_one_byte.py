"""Flows whose files keep weights at one byte each: layouts, memory, streaming, refusals."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from engine.networks.scaled_linear import ScaledLinear, Scheme, rotation_of
from engine.residency.memory import network_bytes
from engine.residency.models import Models
from engine.residency.streaming import BlockStream, streamed_bytes
from engine.systems.opening import load_checkpoint
from engine.systems.trellis2 import needs
from engine.systems.trellis2.names import STRUCTURE_FLOW
from engine.systems.trellis2.networks import load_network
from protocol.errors import EngineError
from tests.checkpoints import tiny
from tests.checkpoints.one_byte_files import LAYOUTS, one_byte, turned, write_one_byte
from tests.residency.copies import CPU, LateCopies

ARGS = (
    tiny.FLOW_ARGS
    | {"model_channels": 32, "cond_channels": 16, "mlp_ratio": 2.0}
    | {"num_blocks": 3}
)
BOUNDS: dict[tuple[str, Scheme], float] = {
    ("ours", "int8"): 0.02, ("one_number", "int8"): 0.03, ("older", "int8"): 0.03,
    ("convrot", "int8"): 0.02, ("ours", "fp8"): 0.08, ("older", "fp8"): 0.08,
}  # fmt: skip
"""Largest relative error of a velocity of random weights, root mean square."""


@pytest.fixture
def stem(tmp_path: Path) -> Path:
    tiny.write_network(tmp_path / "flow", "SparseStructureFlowModel", ARGS)
    return tmp_path / "flow"


def small_file(stem: Path, scheme: Scheme = "int8", layout: str = "ours") -> Path:
    whole = stem.with_suffix(".safetensors")
    return write_one_byte(whole, stem.with_name("small.safetensors"), scheme, layout)


def velocity(flow: Any) -> Tensor:
    torch.manual_seed(0)
    x, tokens = torch.randn(1, 4, 2, 2, 2), torch.randn(1, 5, 16)
    with torch.inference_mode():
        return flow(x, torch.tensor([600.0]), tokens)


def scaled(flow: Any) -> list[ScaledLinear]:
    return [module for module in flow.modules() if isinstance(module, ScaledLinear)]


@pytest.mark.parametrize(("layout", "scheme"), BOUNDS)
def test_every_layout_means_the_same_network(stem: Path, layout: str, scheme: Scheme):
    whole: Any = load_network(stem)
    small = load_network(stem, weights=small_file(stem, scheme, layout))
    assert len(scaled(small)) == 7 * len(whole.blocks) and not scaled(whole)
    expected = velocity(whole)
    error = float((velocity(small) - expected).norm() / expected.norm())
    assert 1e-5 < error < BOUNDS[layout, scheme]


def test_weights_are_never_there_in_full(stem: Path):
    small = load_network(stem, weights=small_file(stem), torso_dtype=torch.bfloat16)
    assert {layer.weight.dtype for layer in scaled(small)} == {torch.int8}
    assert {layer.weight_scale.dtype for layer in scaled(small)} == {torch.float32}
    assert {layer.bias.dtype for layer in scaled(small)} == {torch.bfloat16}


def test_the_rotation_undoes_itself():
    for group in (4, 16, 256):
        matrix = rotation_of(group)
        assert torch.equal(matrix @ matrix, torch.eye(group))
        weight = torch.randn(3, 2 * group)
        torch.testing.assert_close(
            (weight.view(3, 2, group) @ matrix).view(3, -1), turned(weight, group)
        )
    with pytest.raises(ValueError):
        rotation_of(32)


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    folder = tiny.write_checkpoint(tmp_path / "ours")
    tiny.write_network(folder / "ckpts/flow", "SparseStructureFlowModel", ARGS)
    return folder


def models_of(folder: Path, layout: str | None) -> Models:
    flow = folder / "ckpts/flow.safetensors"
    if layout is not None:
        tensors = one_byte(load_file(flow), "int8", layout)
        save_file(tensors, flow)
    return Models(load_checkpoint(folder), dtypes=(torch.bfloat16, torch.float16))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_plan_counts_what_is_there(checkpoint: Path, layout: str):
    whole = models_of(checkpoint, None).weights(STRUCTURE_FLOW)
    models = models_of(checkpoint, layout)
    planned = models.weights(STRUCTURE_FLOW)
    loaded: Any = models.checkpoint.load(STRUCTURE_FLOW, device="cpu", torso_dtype=torch.bfloat16)
    derived = sum(tensor.nbytes for tensor in loaded.derived_buffers("cpu").values())
    assert planned.whole == network_bytes(loaded)
    numbers = sum(layer.weight.numel() for layer in scaled(loaded))
    assert whole.whole - numbers < planned.whole < whole.whole - numbers / 2 + derived
    assert planned.streamed == streamed_bytes(loaded) < planned.whole
    # One layer at a time is wide: the largest, in float32 and in what it becomes.
    largest = max(layer.weight.numel() for layer in scaled(loaded))
    use = needs.exact_flow_use(models, STRUCTURE_FLOW, 8, 5)
    plain = needs.exact_flow_use(Models(load_checkpoint(checkpoint)), STRUCTURE_FLOW, 8, 5)
    assert use.working_bytes >= 8 * largest and plain.working_bytes > 0


@pytest.mark.parametrize("layout", ["ours", "convrot"])
def test_blocks_of_one_byte_are_streamed(stem: Path, layout: str):
    weights = small_file(stem, layout=layout)
    expected = velocity(load_network(stem, weights=weights))
    flow = load_network(stem, weights=weights)
    before = [layer.weight for layer in scaled(flow)]
    stream = BlockStream(flow, CPU, LateCopies())
    assert torch.equal(velocity(flow), expected)
    assert stream.peak == streamed_bytes(load_network(stem, weights=weights))
    stream.close()
    assert [layer.weight.dtype for layer in scaled(flow)] == [weight.dtype for weight in before]


Q = "blocks.0.cross_attn.to_q"


def note(**changes: Any) -> Tensor:
    said = {"format": "int8_tensorwise", "convrot": True, "convrot_groupsize": 4} | changes
    return torch.tensor(list(json.dumps(said).encode()), dtype=torch.uint8)


SCALE, ONE = f"{Q}.weight_scale", torch.ones(1)
SMALL = torch.ones(8, 8).char()
WRONG: dict[str, tuple[str, str, dict[str, Tensor | None]]] = {
    "a bare cast": ("weights_without_scales", "become zero", {SCALE: None}),
    "blocks of weights": ("weights_layout", "one number", {SCALE: torch.ones(4, 4)}),
    "both names": ("weights_layout", "one number", {f"{Q}.scale_weight": ONE}),
    "no number": ("tensor_not_finite", "not finite", {SCALE: torch.tensor(float("nan"))}),
    "another format": ("weights_layout", "nvfp4", {f"{Q}.comfy_quant": note(format="nvfp4")}),
    "odd groups": (
        "weights_layout", "groups of 8", {f"{Q}.comfy_quant": note(convrot_groupsize=8)}
    ),
    "no note": ("weights_layout", "not understood", {f"{Q}.comfy_quant": ONE.byte()}),
    "no such layer": (
        "weights_layout", "no linear layer",
        {"blocks.7.to_q.weight": SMALL, "blocks.7.to_q.weight_scale": ONE},
    ),
    "another shape": ("tensor_shape", "instead of", {f"{Q}.weight": SMALL, SCALE: ONE}),
    "something more": ("tensor_extra", "zero_point", {f"{Q}.zero_point": ONE}),
    "a plain weight missing": ("tensor_missing", "bias", {f"{Q}.bias": None}),
}  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG)
def test_what_cannot_be_told_apart_is_refused(stem: Path, wrong: str):
    code, word, changes = WRONG[wrong]
    tensors = one_byte(load_file(stem.with_suffix(".safetensors")))
    for name, tensor in changes.items():
        if tensor is None:
            del tensors[name]
        else:
            tensors[name] = tensor
    save_file(tensors, stem.with_suffix(".safetensors"))
    with pytest.raises(EngineError) as caught:
        load_network(stem)
    assert caught.value.code == code and word in caught.value.message, caught.value
    assert "flow.safetensors" in caught.value.message and caught.value.hint.endswith(".")


def test_fp8_that_is_no_number_and_a_bare_cast_of_it(stem: Path):
    path = stem.with_suffix(".safetensors")
    tensors = load_file(path)
    save_file(
        {n: t.to(torch.float8_e4m3fn) if n == f"{Q}.weight" else t for n, t in tensors.items()},
        path,
    )
    with pytest.raises(EngineError, match="fp8 without a scale"):
        load_network(stem)
    small = one_byte(tensors, "fp8")
    small[f"{Q}.weight"].view(torch.uint8)[0, 0] = 0xFF
    save_file(small, path)
    with pytest.raises(EngineError) as caught:
        load_network(stem)
    assert caught.value.code == "tensor_not_finite" and Q in caught.value.message


def test_decoders_stay_whole(tmp_path: Path):
    tiny.write_network(tmp_path / "decoder", "SparseStructureDecoder", tiny.DECODER_ARGS)
    path = tmp_path / "decoder.safetensors"
    tensors = load_file(path)
    name = next(name for name in tensors if name.endswith(".weight") and tensors[name].ndim > 1)
    tensors[name] = tensors[name].char()
    save_file(tensors | {f"{name}_scale": torch.ones(1)}, path)
    with pytest.raises(EngineError) as caught:
        load_network(tmp_path / "decoder")
    assert caught.value.code in ("tensor_dtype", "tensor_extra")
