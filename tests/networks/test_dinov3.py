"""DINOv3 tokens: a tiny network with random weights against a second way to compute them."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from engine.networks.dinov3 import DinoV3, normalised_pixels
from engine.networks.image_encoder import ImageEncoder
from protocol.errors import EngineError


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A folder laid out as the published one, with lively weights."""
    from transformers import DINOv3ViTConfig, DINOv3ViTModel

    torch.manual_seed(0)
    config = DINOv3ViTConfig(
        hidden_size=48,
        intermediate_size=96,
        num_hidden_layers=3,
        num_attention_heads=3,
        num_register_tokens=4,
        pos_embed_rescale=2.0,
    )
    model = DINOv3ViTModel(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0, 0.2)
    path = tmp_path_factory.mktemp("dinov3")
    model.save_pretrained(path)
    return path


@pytest.fixture(scope="module")
def encoder(folder) -> DinoV3:
    return DinoV3.load(folder)


@pytest.fixture(scope="module")
def picture() -> Image.Image:
    values = np.random.default_rng(0).integers(0, 256, (70, 70, 3), dtype=np.uint8)
    return Image.fromarray(values)


def test_loading_draws_no_bars(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    from transformers.utils import logging as bars

    assert bars.is_progress_bar_enabled()
    DinoV3.load(folder)
    assert capfd.readouterr() == ("", "")
    assert bars.is_progress_bar_enabled()


@pytest.mark.parametrize(("size", "count"), [(512, 1029), (1024, 4101), (16, 6)])
def test_token_counts(encoder: ImageEncoder, picture, size, count):
    tokens = encoder.tokens(picture, size)
    assert tokens.shape == (1, count, 48)
    assert tokens.dtype == torch.float32
    assert not tokens.requires_grad


def test_tokens_are_the_state_before_the_final_norm_normalised_without_weights(
    folder, encoder, picture
):
    from transformers import DINOv3ViTModel

    original = DINOv3ViTModel.from_pretrained(folder).eval()
    before: list[torch.Tensor] = []
    original.norm.register_forward_pre_hook(lambda _module, inputs: before.append(inputs[0]))
    with torch.no_grad():
        after = original(pixel_values=normalised_pixels(picture, 64)).last_hidden_state
    state = before[0].double().numpy()
    centred = state - state.mean(axis=-1, keepdims=True)
    expected = centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + 1e-5)
    tokens = encoder.tokens(picture, 64).numpy()
    np.testing.assert_allclose(tokens, expected, atol=2e-5)
    # The norm of this network has weights of its own, so the two are far apart.
    assert np.abs(tokens - after.numpy()).max() > 0.5


def test_tokens_against_a_computation_from_the_files_tensors(folder, encoder, picture):
    """Patches, registers, rotary positions, attention, layer scale: written out in float64."""
    tensors = {name: t.double() for name, t in load_file(folder / "model.safetensors").items()}
    config = json.loads((folder / "config.json").read_text())
    expected = tokens_by_hand(tensors, config, normalised_pixels(picture, 48).double())
    torch.testing.assert_close(encoder.tokens(picture, 48).double(), expected, atol=2e-5, rtol=0)


def tokens_by_hand(tensors: dict, config: dict, pixels: torch.Tensor) -> torch.Tensor:
    def linear(name: str, x: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.linear(x, tensors[f"{name}.weight"], tensors.get(f"{name}.bias"))

    def norm(x: torch.Tensor, name: str) -> torch.Tensor:
        weight, bias = tensors[f"{name}.weight"], tensors[f"{name}.bias"]
        return torch.nn.functional.layer_norm(x, x.shape[-1:], weight, bias, 1e-5)

    def turn(x: torch.Tensor) -> torch.Tensor:
        half = x.shape[-1] // 2
        turned = x * cos + torch.cat([-x[..., half:], x[..., :half]], -1) * sin
        return torch.cat([x[..., :prefix, :], turned[..., prefix:, :]], dim=-2)

    width, heads = config["hidden_size"], config["num_attention_heads"]
    head, side = width // heads, pixels.shape[-1] // 16
    patches = torch.nn.functional.conv2d(
        pixels,
        tensors["embeddings.patch_embeddings.weight"],
        tensors["embeddings.patch_embeddings.bias"],
        stride=16,
    ).flatten(2)
    x = torch.cat(
        [
            tensors["embeddings.cls_token"],
            tensors["embeddings.register_tokens"],
            patches.transpose(1, 2),
        ],
        dim=1,
    )
    prefix = 1 + config["num_register_tokens"]
    centres = 2 * (torch.arange(side).double() + 0.5) / side - 1
    grid = torch.cartesian_prod(centres, centres)  # y, x
    frequencies = 100.0 ** -(torch.arange(head // 4).double() / (head // 4))
    angles = (2 * torch.pi * grid[:, :, None] * frequencies).flatten(1).repeat(1, 2)
    still = torch.zeros(prefix, head).double()
    angles = torch.cat([still, angles])
    cos, sin = angles.cos(), angles.sin()
    for i in range(config["num_hidden_layers"]):
        block = f"layer.{i}"
        y = norm(x, f"{block}.norm1")
        q, k, v = (
            linear(f"{block}.attention.{p}_proj", y).unflatten(-1, (heads, head)).transpose(1, 2)
            for p in "qkv"
        )
        weights = (turn(q) @ turn(k).transpose(-1, -2) / head**0.5).softmax(-1)
        y = linear(f"{block}.attention.o_proj", (weights @ v).transpose(1, 2).flatten(2))
        x = x + y * tensors[f"{block}.layer_scale1.lambda1"]
        y = torch.nn.functional.gelu(linear(f"{block}.mlp.up_proj", norm(x, f"{block}.norm2")))
        x = x + linear(f"{block}.mlp.down_proj", y) * tensors[f"{block}.layer_scale2.lambda1"]
    return torch.nn.functional.layer_norm(x, x.shape[-1:])


def test_pixels_are_resized_by_pillow_and_normalised(picture):
    pixels = normalised_pixels(picture, 32)
    resized = np.asarray(picture.resize((32, 32), Image.Resampling.LANCZOS)) / 255
    expected = (resized - (0.485, 0.456, 0.406)) / (0.229, 0.224, 0.225)
    np.testing.assert_allclose(pixels[0].permute(1, 2, 0), expected, atol=1e-6)
    assert pixels.shape == (1, 3, 32, 32)


def test_the_result_repeats_itself(encoder, picture):
    # In training mode positions would be jittered.
    assert torch.equal(encoder.tokens(picture, 64), encoder.tokens(picture, 64))


def test_tokens_follow_the_dtype_of_the_weights_and_come_back_in_single(folder, encoder, picture):
    half = DinoV3.load(folder, dtype=torch.bfloat16)
    assert {p.dtype for p in half.parameters()} == {torch.bfloat16}
    tokens = half.tokens(picture, 64)
    assert tokens.dtype == torch.float32
    assert (tokens - encoder.tokens(picture, 64)).abs().mean() < 0.05


@pytest.mark.parametrize("size", [0, -16, 500, 8])
def test_sizes_that_are_no_whole_patches_are_refused(encoder, picture, size):
    with pytest.raises(EngineError) as caught:
        encoder.tokens(picture, size)
    assert caught.value.code == "image_size"


def refused(name, **options) -> EngineError:
    with pytest.raises(EngineError) as caught:
        DinoV3.load(name, **options)
    assert "\n" not in caught.value.message
    assert caught.value.hint
    return caught.value


def copy(folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(folder, tmp_path / "copy"))


def test_a_missing_tensor_is_named(folder, tmp_path):
    broken = copy(folder, tmp_path)
    tensors = load_file(broken / "model.safetensors")
    del tensors["layer.1.mlp.up_proj.weight"]
    save_file(tensors, broken / "model.safetensors", metadata={"format": "pt"})
    error = refused(broken)
    assert error.code == "image_encoder_invalid"
    assert "layer.1.mlp.up_proj.weight" in error.message


def test_a_misshapen_tensor_is_refused(folder, tmp_path):
    broken = copy(folder, tmp_path)
    tensors = load_file(broken / "model.safetensors")
    tensors["norm.weight"] = torch.zeros(47)
    save_file(tensors, broken / "model.safetensors", metadata={"format": "pt"})
    assert refused(broken).code == "image_encoder_invalid"


def test_junk_instead_of_safetensors_is_refused(folder, tmp_path):
    broken = copy(folder, tmp_path)
    (broken / "model.safetensors").write_bytes(b"not a safetensors file at all")
    assert refused(broken).code == "image_encoder_invalid"


def test_pickled_weights_are_never_opened(folder, tmp_path):
    broken = copy(folder, tmp_path)
    (broken / "model.safetensors").rename(broken / "pytorch_model.bin")
    assert refused(broken).code == "image_encoder_invalid"


def test_another_architecture_and_an_empty_folder_are_refused(folder, tmp_path):
    broken = copy(folder, tmp_path)
    config = json.loads((broken / "config.json").read_text())
    (broken / "config.json").write_text(json.dumps({**config, "model_type": "dinov2"}))
    error = refused(broken)
    assert error.code == "image_encoder_invalid"
    assert "dinov2" in error.message
    (tmp_path / "empty").mkdir()
    assert refused(tmp_path / "empty").code == "image_encoder_invalid"


def test_a_hub_id_without_the_network_names_a_mirror():
    error = refused("facebook/dinov3-vitl16-pretrain-lvd1689m", local_files_only=True)
    assert error.code == "image_encoder_offline"
    assert "camenduru/dinov3" in error.hint


def test_a_folder_that_does_not_exist_is_no_hub_id(tmp_path):
    assert refused(tmp_path / "nowhere", local_files_only=True).code == "image_encoder_missing"


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("GatedRepoError", "image_encoder_gated"),
        ("RepositoryNotFoundError", "image_encoder_missing"),
    ],
)
def test_what_the_hub_refuses_is_explained(monkeypatch, kind, code):
    """As transformers passes it on: an OSError caused by the hub's error."""
    import huggingface_hub.errors
    from transformers import DINOv3ViTConfig

    def refuse(*args, **kwargs):
        # Not initialised, since that needs a response of whatever transport the hub uses.
        error = getattr(huggingface_hub.errors, kind)
        cause = error.__new__(error)
        raise OSError("You are trying to access a gated repo.\nMake sure ...") from cause

    monkeypatch.setattr(DINOv3ViTConfig, "get_config_dict", refuse)
    error = refused("facebook/dinov3-vitl16-pretrain-lvd1689m")
    assert error.code == code
    assert "camenduru/dinov3" in error.hint


@pytest.mark.parametrize("config", ["[]", '{"model_type": "dinov3_vit", "hidden_size": "x"}', "{"])
def test_a_config_that_makes_no_sense_is_refused(folder, tmp_path, config):
    broken = copy(folder, tmp_path)
    (broken / "config.json").write_text(config)
    assert refused(broken).code == "image_encoder_invalid"
