"""Linear layers whose weights take one byte each, with a scale for every output.

The weight is widened to the dtype of what comes in, layer by layer, so that the result is the same
on every device but for rounding; no product of int8 or fp8 operands is used, since none has been
measured on a card. Errors: docs/decisions/0066-weights-of-one-byte.md.
"""

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


def row_scales(rows: Tensor, largest: float) -> Tensor:
    """(R,) float32 scales that stretch each of (R, C) float32 ``rows`` to ``largest``; a row of
    zeros stays one."""
    return rows.abs().amax(dim=1).clamp_min(torch.finfo(torch.float32).tiny) / largest


class ScaledLinear(nn.Module):
    """``nn.Linear`` with ``weight`` (outputs, inputs) of one byte and ``scale`` (outputs,) float32.

    Both are buffers: such a layer is for inference. ``bias`` keeps its dtype.
    """

    weight: Tensor
    scale: Tensor

    def __init__(self, linear: nn.Linear, scheme: Scheme) -> None:
        super().__init__()
        self.in_features, self.out_features = linear.in_features, linear.out_features
        dtype, largest = STORED[scheme]
        rows = linear.weight.detach().float()
        scale = row_scales(rows, largest)
        stretched = rows / scale[:, None]
        if scheme == "int8":
            stretched = stretched.round()
        # A quotient may round to just above the largest, which fp8 has no number for.
        self.register_buffer("weight", stretched.clamp(-largest, largest).to(dtype))
        self.register_buffer("scale", scale)
        self.bias = linear.bias

    def forward(self, x: Tensor) -> Tensor:
        """x (..., inputs) of the torso's dtype -> (..., outputs) of the same."""
        weight = (self.weight.float() * self.scale[:, None]).to(x.dtype)
        return F.linear(x, weight, self.bias)


def scale_linears(blocks: nn.Module, scheme: Scheme, *, modulation: bool = False) -> int:
    """Replace the linear layers inside ``blocks``, in place; returns how many.

    Args:
        blocks: a flow network's ``blocks``; what lies outside of them stays as it is.
        scheme: how weights are stored.
        modulation: those of ``adaLN_modulation`` too.
    """
    found = [
        (parent, name, child)
        for path, parent in blocks.named_modules()
        if modulation or "adaLN_modulation" not in path
        for name, child in parent.named_children()
        if isinstance(child, nn.Linear)
    ]
    for parent, name, child in found:
        setattr(parent, name, ScaledLinear(child, scheme))
    return len(found)
