"""Linear layers whose weights take one byte each, with a scale for every output.

The weight is widened to the dtype of what comes in, layer by layer, so that the result is the same
on every device but for rounding; no product of int8 or fp8 operands is used, since none has been
measured on a card. Errors: docs/decisions/0066-weights-of-one-byte.md.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Scheme = Literal["int8", "fp8"]
STORED: dict[Scheme, tuple[torch.dtype, float]] = {
    "int8": (torch.int8, 127.0),
    "fp8": (torch.float8_e4m3fn, 448.0),
}
"""For each scheme its dtype and the largest number that a row is stretched to."""
WEIGHT, WEIGHT_SCALE = "weight", "weight_scale"
WIDENED_BYTES = 8
"""Most bytes a number of the one layer that is wide at a time: float32, and what it becomes."""


@dataclass(frozen=True)
class Stored:
    """How a layer's weights are kept.

    Attributes:
        group: inputs that were rotated together before the weights were rounded, a power of 4
            (ConvRot); 0: they were not.
    """

    scheme: Scheme
    group: int = 0


class ScaledLinear(nn.Module):
    """``nn.Linear`` with ``weight`` (outputs, inputs) of one byte and ``weight_scale`` (outputs,)
    float32: what was stored is their product.

    Such a layer is for inference. ``bias`` keeps its dtype.

    Args:
        linear: whose place it takes, on whose device it is made, without values.
        rotation: (group, group), shared by all layers of a group.
    """

    weight_scale: Tensor
    rotation: Tensor | None

    def __init__(self, linear: nn.Linear, scheme: Scheme, rotation: Tensor | None = None) -> None:
        super().__init__()
        self.in_features, self.out_features = linear.in_features, linear.out_features
        empty = torch.empty_like(linear.weight, dtype=STORED[scheme][0])
        # A parameter, so that it is streamed as any other weight.
        self.weight = nn.Parameter(empty, requires_grad=False)
        scale = torch.empty(linear.out_features, device=linear.weight.device)
        self.register_buffer(WEIGHT_SCALE, scale)
        self.register_buffer("rotation", rotation, persistent=False)
        self.bias = linear.bias

    def forward(self, x: Tensor) -> Tensor:
        """x (..., inputs) of the torso's dtype -> (..., outputs) of the same."""
        weight = self.weight.float().mul_(self.weight_scale[:, None]).to(x.dtype)
        if self.rotation is not None:
            groups = x.unflatten(-1, (-1, len(self.rotation)))
            x = (groups @ self.rotation.to(x.dtype)).flatten(-2)
        return F.linear(x, weight, self.bias)


def place_scaled(network: nn.Module, layers: Mapping[str, Stored]) -> None:
    """Put layers without values where linear layers are, in place.

    Args:
        layers: paths of linear layers of the network.

    Raises:
        LookupError: the path of a layer that the network does not have, or that is not linear.
        ValueError: a group that does not fit the layer's inputs.
    """
    modules = dict(network.named_modules())
    rotations: dict[int, Tensor] = {}
    for path, stored in layers.items():
        linear = modules.get(path)
        if not isinstance(linear, nn.Linear):
            raise LookupError(path)
        if stored.group and linear.in_features % stored.group:
            raise ValueError(f"{path} has {linear.in_features} inputs, no multiple of a group")
        if stored.group and stored.group not in rotations:
            rotations[stored.group] = rotation_of(stored.group, linear.weight.device)
        parent, _, name = path.rpartition(".")
        layer = ScaledLinear(linear, stored.scheme, rotations.get(stored.group))
        setattr(modules[parent], name, layer)


def rotation_of(group: int, device: torch.device | str = "cpu") -> Tensor:
    """The symmetric regular Hadamard matrix (group, group) of ConvRot, over its norm, float32.

    It is its own inverse: x @ rotation goes with a weight that was stored as weight @ rotation.

    Raises:
        ValueError: ``group`` is no power of 4.
    """
    # Every row and column of four has one -1, on the diagonal from the lower left.
    four = 1 - 2 * torch.eye(4, device=device).flip(0)
    rotation = four
    while len(rotation) < group:
        rotation = torch.kron(rotation, four)
    if len(rotation) != group:
        raise ValueError(f"{group} is no power of 4")
    return rotation / group**0.5


def finish_rotations(network: nn.Module, device: torch.device | str) -> None:
    """Give layers that were placed on the meta device the values of their rotations."""
    made: dict[int, Tensor] = {}
    for module in network.modules():
        if isinstance(module, ScaledLinear) and module.rotation is not None:
            group = len(module.rotation)
            made.setdefault(group, rotation_of(group, device))
            module.rotation = made[group]


def block_linears(network: nn.Module) -> list[str]:
    """Paths of the linear layers in a flow's ``blocks`` that may take one byte a weight.

    Those of the modulation stay whole: they are small, and what they scale is everything.
    """
    return [
        path
        for path, module in network.named_modules()
        if isinstance(module, nn.Linear)
        and path.startswith("blocks.")
        and "adaLN_modulation" not in path
    ]


def to_one_byte(weight: Tensor, scheme: Scheme) -> tuple[Tensor, Tensor]:
    """(O, I) weights -> the same at one byte each, and (O,) float32 scales.

    Infinite or missing numbers must not be among them.
    """
    dtype, largest = STORED[scheme]
    rows = weight.float()
    scale = row_scales(rows, largest)
    stretched = rows / scale[:, None]
    if scheme == "int8":
        stretched = stretched.round()
    # A quotient may round to just above the largest, which fp8 has no number for.
    return stretched.clamp(-largest, largest).to(dtype), scale


def row_scales(rows: Tensor, largest: float) -> Tensor:
    """(R,) float32 scales that stretch each of (R, C) float32 ``rows`` to ``largest``; a row of
    zeros stays one."""
    return rows.abs().amax(dim=1).clamp_min(torch.finfo(torch.float32).tiny) / largest


def widened_bytes(network: nn.Module) -> int:
    """Most bytes that widening one layer of a network takes; 0 where there is none to widen."""
    sizes = (m.weight.numel() for m in network.modules() if isinstance(m, ScaledLinear))
    return WIDENED_BYTES * max(sizes, default=0)


def schemes_of(network: nn.Module) -> list[Scheme]:
    """How layers of a network are kept, sorted; nothing where all are whole."""
    found = {m.weight.dtype for m in network.modules() if isinstance(m, ScaledLinear)}
    return sorted(scheme for scheme, (dtype, _) in STORED.items() if dtype in found)
