"""A whole checkpoint with small random networks, a picture encoder and pictures, for pipelines.

Two resolutions, 64 and 128, on latent grids of 4 and 8; so the types 64, 128, 128_cascade and
192_cascade.
"""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw
from safetensors.torch import save_file
from torch import Tensor, nn

from engine.checkpoints.image_encoders import EncoderSource
from engine.residency.models import Models
from engine.systems.inputs import Inputs
from engine.systems.opening import load_checkpoint
from engine.systems.trellis2.networks import build_network
from protocol.references import Attached

COND, LATENT = 8, 4
INPUTS = Inputs()
"""What the jobs of tests are given, by ``given``."""
SAMPLERS = {
    "sparse_structure_sampler": (7.5, 0.7, 5.0),
    "shape_slat_sampler": (7.5, 0.5, 3.0),
    "tex_slat_sampler": (1.0, 0.0, 3.0),
}
BLOCK, UP, DOWN = "SparseConvNeXtBlock3d", "SparseResBlockC2S3d", "SparseResBlockS2C3d"
WIDTHS, TORSO = [16, 16, 8, 8, 8], [1, 1, 1, 1, 0]


def make_checkpoint(folder: Path) -> Path:
    """Write the checkpoint; the structures that it samples have about a dozen cells."""
    networks: dict[str, tuple[str, dict[str, Any]]] = {
        "sparse_structure_flow_model": ("SparseStructureFlowModel", _flow(4, LATENT)),
        "sparse_structure_decoder": (
            "SparseStructureDecoder",
            {"out_channels": 1, "latent_channels": LATENT, "num_res_blocks": 1, "channels": [8, 8]},
        ),
        "shape_slat_decoder": ("FlexiDualGridVaeDecoder", _decoder(7)),
        "tex_slat_decoder": ("SparseUnetVaeDecoder", _decoder(6) | {"pred_subdiv": False}),
    }
    for resolution, grid in ((64, 4), (128, 8)):
        networks[f"shape_slat_flow_model_{resolution}"] = "SLatFlowModel", _flow(grid, LATENT)
        networks[f"tex_slat_flow_model_{resolution}"] = (
            "SLatFlowModel",
            _flow(grid, LATENT) | {"in_channels": 2 * LATENT},
        )
    encoder = {
        "model_channels": WIDTHS[::-1],
        "latent_channels": LATENT,
        "num_blocks": TORSO[::-1],
        "block_type": [BLOCK] * 5,
        "down_block_type": [DOWN] * 4,
    }
    texturing = {name: networks[name] for name in networks if name.startswith("tex_")}
    texturing["shape_slat_encoder"] = "FlexiDualGridVaeEncoder", encoder
    (folder / "ckpts").mkdir(parents=True)
    generator = torch.Generator().manual_seed(7)
    for name, (kind, args) in (networks | texturing).items():
        network = build_network(kind, args).to_empty(device="cpu")
        _randomise(network, generator)
        if kind == "SparseStructureDecoder":
            _make_rare(network, generator)
        tensors = {key: value.clone() for key, value in network.state_dict().items()}
        save_file(tensors, folder / "ckpts" / f"{name}.safetensors")
        text = json.dumps({"name": kind, "args": args})
        (folder / "ckpts" / f"{name}.json").write_text(text)
    _write_pipeline(folder / "pipeline.json", networks)
    _write_pipeline(folder / "texturing_pipeline.json", texturing)
    return folder


def _flow(grid: int, channels: int) -> dict[str, Any]:
    return {
        "resolution": grid,
        "in_channels": channels,
        "out_channels": channels,
        "model_channels": 24,
        "cond_channels": COND,
        "num_blocks": 3,
        "num_heads": 2,
        "mlp_ratio": 2.0,
        "pe_mode": "rope",
        "share_mod": True,
        "qk_rms_norm": True,
        "qk_rms_norm_cross": True,
    }


def _decoder(out_channels: int) -> dict[str, Any]:
    return {
        "out_channels": out_channels,
        "model_channels": WIDTHS,
        "latent_channels": LATENT,
        "num_blocks": TORSO,
        "block_type": [BLOCK] * 5,
        "up_block_type": [UP] * 4,
    }


def _randomise(network: nn.Module, generator: torch.Generator) -> None:
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            values = torch.randn(parameter.shape, generator=generator)
            if parameter.ndim > 1:
                parameter.copy_(values / (parameter.numel() / len(parameter)) ** 0.5)
            else:
                parameter.copy_(0.1 * values + (0 if name.endswith("bias") else 1))


def _make_rare(decoder: Any, generator: torch.Generator) -> None:
    """Shift the logits so that few cells are occupied."""
    with torch.no_grad():
        logits = decoder(torch.randn(8, LATENT, 4, 4, 4, generator=generator))
        decoder.out_layer[-1].bias -= logits.quantile(0.98)


def _write_pipeline(path: Path, networks: dict[str, Any]) -> None:
    statistics = {"mean": [0.1] * LATENT, "std": [1.5] * LATENT}
    args: dict[str, Any] = {
        "models": {name: f"ckpts/{name}" for name in networks},
        "shape_slat_normalization": statistics,
        "tex_slat_normalization": statistics,
        "image_cond_model": {"name": "ToyEncoder", "args": {}},
    }
    for name, (strength, rescale, rescale_t) in SAMPLERS.items():
        args[name] = {
            "name": "FlowEulerGuidanceIntervalSampler",
            "args": {"sigma_min": 1e-5},
            "params": {
                "steps": 4,
                "guidance_strength": strength,
                "guidance_rescale": rescale,
                "guidance_interval": [0.6, 1.0],
                "rescale_t": rescale_t,
            },
        }
    path.write_text(json.dumps({"name": "Trellis2ImageTo3DPipeline", "args": args}))


class ToyEncoder(nn.Module):
    """Tokens that depend on the picture and on the size; counts its calls."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(1.0), requires_grad=False)
        self.calls = 0

    def tokens(self, image: Image.Image, size: int) -> Tensor:
        self.calls += 1
        small = np.asarray(image.resize((4, 4)), np.float32).reshape(1, 6, COND) / 255
        return torch.from_numpy(small).to(self.scale.device) * self.scale + size / 256


def toy_models(checkpoint: Path, **kwargs: Any) -> Models:
    """The checkpoint on the CPU, with a ``ToyEncoder``."""
    encoder = kwargs.pop("encoder", None) or ToyEncoder()
    kwargs["encoder"] = EncoderSource(4, lambda: encoder)
    return Models(load_checkpoint(checkpoint), **kwargs)


def given(value: Any) -> Attached:
    """A reference to a value, in ``INPUTS``."""
    return INPUTS.attach(value)


def picture(colour: tuple[int, int, int] = (200, 40, 30)) -> bytes:
    """A PNG of a disc on a transparent background."""
    image = Image.new("RGBA", (48, 40), (0, 0, 0, 0))
    ImageDraw.Draw(image).ellipse((8, 6, 40, 34), fill=(*colour, 255))
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()
