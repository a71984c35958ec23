"""The published networks with random weights, whole or reduced, made on the device itself."""

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from engine.checkpoints.checkpoint import Checkpoint
from engine.networks.sc_vae import Pyramid
from engine.networks.sc_vae_blocks import UpBlock
from engine.systems.trellis2.names import (
    MATERIAL_DECODER,
    SHAPE_DECODER,
    SHAPE_ENCODER,
    STRUCTURE_DECODER,
    STRUCTURE_FLOW,
)
from engine.systems.trellis2.networks import NETWORKS, build_network
from engine.weights.hub import Folder
from engine.weights.hub_names import TRELLIS, TRELLIS2
from engine.weights.manifest import NetworkFacts, manifests
from protocol.errors import EngineError

PUBLISHED_WIDTH = 1536
HEAD = 128
SCALES = "1, 0.5, 0.25, 0.125, 0.0625 or 0.03125"
FLOW_STEMS = {
    STRUCTURE_FLOW: "ckpts/ss_flow_img_dit_1_3B_64_bf16",
    "shape_slat_flow_model_512": "ckpts/slat_flow_img2shape_dit_1_3B_512_bf16",
    "shape_slat_flow_model_1024": "ckpts/slat_flow_img2shape_dit_1_3B_1024_bf16",
    "tex_slat_flow_model_512": "ckpts/slat_flow_imgshape2tex_dit_1_3B_512_bf16",
    "tex_slat_flow_model_1024": "ckpts/slat_flow_imgshape2tex_dit_1_3B_1024_bf16",
}
DECODER_STEMS = {
    SHAPE_DECODER: "ckpts/shape_dec_next_dc_f16c32_fp16",
    MATERIAL_DECODER: "ckpts/tex_dec_next_dc_f16c32_fp16",
}
STRUCTURE_DECODER_STEM = "ckpts/ss_dec_conv3d_16l8_fp16"
STEMS = (
    FLOW_STEMS
    | DECODER_STEMS
    | {
        STRUCTURE_DECODER: STRUCTURE_DECODER_STEM,
        SHAPE_ENCODER: "ckpts/shape_enc_next_dc_f16c32_fp16",
    }
)
"""Published name in pipeline.json -> stem of the network's files."""


@dataclass(frozen=True)
class Reduction:
    """How networks and grids are made smaller, for machines that cannot run them whole.

    Attributes:
        width: of the flows (published: 1536); decoders shrink in proportion.
        blocks: at most this many blocks in each network or level; None: all.
        scale: of all grids along an axis, above 0 to 1.

    Raises:
        EngineError: ``bench_reduction``.
    """

    width: int = PUBLISHED_WIDTH
    blocks: int | None = None
    scale: float = 1.0

    def __post_init__(self) -> None:
        whole_heads = self.width < HEAD or self.width % HEAD == 0
        if self.width < 8 or self.width % 8 or not whole_heads:
            raise _refusal(
                f"A width of {self.width}", "a multiple of 8 up to 128, or a multiple of 128"
            )
        if self.blocks is not None and self.blocks < 1:
            raise _refusal(f"{self.blocks} blocks", "1 or more")
        if not 0 < self.scale <= 1:
            raise _refusal(f"A scale of {self.scale:g}", SCALES)

    def grid(self, size: int, multiple: int) -> int:
        """A grid size, scaled; it must be a whole multiple of what a latent cell spans."""
        scaled = size * self.scale
        if scaled % multiple:
            raise _refusal(f"A scale of {self.scale:g}", SCALES)
        return int(scaled)

    def args(self, name: str) -> tuple[str, dict[str, Any]]:
        """Class name and arguments of a network, reduced."""
        facts = facts_of(name)
        args = dict(facts.args)
        if name in FLOW_STEMS:
            args |= {
                "model_channels": self.width,
                "num_heads": max(1, self.width // HEAD),
                "num_blocks": self._few(args["num_blocks"]),
                "resolution": max(1, int(args["resolution"] * self.scale)),
            }
        elif name in (*DECODER_STEMS, SHAPE_ENCODER):
            finest = self._narrow(min(args["model_channels"]))
            widths = [finest << level for level in range(5)]
            args["model_channels"] = widths if name == SHAPE_ENCODER else widths[::-1]
            args["num_blocks"] = [self._few(count) for count in args["num_blocks"]]
        else:
            args["channels"] = [self._narrow(width) for width in args["channels"]]
            for key in ("num_res_blocks", "num_res_blocks_middle"):
                args[key] = self._few(args[key])
        return facts.name, args

    def _few(self, count: int) -> int:
        return count if self.blocks is None else min(count, self.blocks)

    def _narrow(self, width: int) -> int:
        return max(8, width * self.width // PUBLISHED_WIDTH // 8 * 8)


def facts_of(name: str) -> NetworkFacts:
    """What is published about a network."""
    repository = TRELLIS if name == STRUCTURE_DECODER else TRELLIS2
    return manifests()[repository].networks[STEMS[name]]


class RandomCheckpoint(Checkpoint):
    """The published checkpoint, reduced, with random weights instead of files.

    Args:
        drawn_on: where weights are drawn, wherever they are wanted: a GPU is done in a moment.
    """

    def __init__(self, reduction: Reduction, drawn_on: torch.device) -> None:
        self.drawn_on = drawn_on
        self.home = Folder(Path("random weights"))
        self.models = STEMS
        self.kinds = NETWORKS
        self.texturing = None
        self.reduction = reduction

    def description(self, name: str) -> tuple[str, dict[str, Any]]:
        return self.reduction.args(name)

    def skeleton(self, name: str, *, torso_dtype: torch.dtype | None) -> nn.Module:
        return build_network(*self.reduction.args(name), torso_dtype=torso_dtype)

    def load(
        self,
        name: str,
        *,
        device: torch.device | str,
        torso_dtype: torch.dtype | None,
        check: Callable[[], None] = lambda: None,
    ) -> nn.Module:
        check()
        kind, args = self.reduction.args(name)
        seed = list(STEMS).index(name)
        # As weights from files: tensors that may be used in and out of inference mode.
        with torch.inference_mode(False):
            network = random_network(
                kind, args, device=self.drawn_on, torso_dtype=torso_dtype, seed=seed
            )
            return network.to(device)


def random_network(
    name: str,
    args: Mapping[str, Any],
    *,
    device: torch.device | str,
    torso_dtype: torch.dtype | None,
    seed: int = 0,
) -> nn.Module:
    """A network whose weights are drawn on the device, in their dtypes: never held twice.

    Matrices keep the size of what they multiply; no branch is zero, as branches of new networks
    are, since zeros are multiplied faster and hide what is not finite.
    """
    network = build_network(name, args, torso_dtype=torso_dtype)
    network.to_empty(device=device)
    device = torch.device(device)
    compute = getattr(network, "derived_buffers", None)
    for key, value in (compute(device) if compute else {}).items():
        network.register_buffer(key, value, persistent=False)
    generator = torch.Generator(device).manual_seed(seed)
    for key, parameter in network.named_parameters():
        _fill(key, parameter.data, generator)
    return network.requires_grad_(False).eval()


def _fill(name: str, values: Tensor, generator: torch.Generator) -> None:
    if values.ndim > 1 and not name.endswith("gamma"):
        bound = math.sqrt(3 * values.shape[0] / values.numel())
        values.uniform_(-bound, bound, generator=generator)
    elif name.endswith((".weight", "gamma")):
        values.uniform_(0.9, 1.1, generator=generator)
    else:
        values.uniform_(-0.05, 0.05, generator=generator)


class _Given(nn.Module):
    """Stands in for a layer that predicts which children survive: says what it was told."""

    def __init__(self, mask: Tensor) -> None:
        super().__init__()
        self.mask = mask

    def forward(self, x: Tensor) -> Tensor:
        return self.mask.to(x.dtype) * 2 - 1


@contextmanager
def predicting(decoder: nn.Module, pyramid: Pyramid) -> Iterator[None]:
    """Inside the block the decoder predicts these subdivisions: random weights know none."""
    ups = [module for module in decoder.modules() if isinstance(module, UpBlock)]
    before = [up.to_subdiv for up in ups]
    try:
        for up, link in zip(ups, pyramid, strict=True):
            up.to_subdiv = _Given(link.mask)  # pyright: ignore[reportAttributeAccessIssue]
        yield
    finally:
        for up, layer in zip(ups, before, strict=True):
            up.to_subdiv = layer


def _refusal(what: str, wanted: str) -> EngineError:
    return EngineError("bench_reduction", f"{what} is not possible.", f"Give {wanted}.")
