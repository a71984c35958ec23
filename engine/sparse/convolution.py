"""3x3x3 convolution on the occupied cells of a sparse grid, over several backends.

Submanifold sparse convolution (Graham et al., arXiv:1711.10275, section 3): outputs live exactly
where inputs do. A backend changes neither the layout of weights nor the names of parameters.
"""

import torch
from torch import Tensor

from engine.host.machine import Hardware
from engine.sparse import conv_spconv, conv_torch
from engine.sparse.backends import (
    Availability,
    Backend,
    Registry,
    Verdict,
    learns,
    triton_backend,
)
from engine.sparse.tensor import SparseTensor


def submanifold_conv3d(
    x: SparseTensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    rows: Tensor | None = None,
    backend: str | None = None,
) -> Tensor:
    """Cross-correlation with zero padding, evaluated at occupied cells.

    ``out[p] = bias + sum over k of weight[:, k] @ x[p + k - 1]``; absent neighbours add nothing.

    Args:
        x: (N, Ci) features.
        weight: [Co, 3, 3, 3, Ci], the kernel axes along x, y, z; dtype and device of the features.
        bias: (Co,) or None.
        rows: (M,) int64: the rows to compute, in this order; None: all of them.
        backend: insist on this one (``available_backends``); None: the best one.

    Returns:
        (N, Co), or (M, Co) of those rows, dtype of the features.

    Raises:
        ValueError: shapes or dtypes that do not fit.
        EngineError: ``backend_unavailable``.
    """
    feats, weight, bias = under_autocast(x.feats, weight, bias)
    if weight.ndim != 5 or weight.shape[1:] != (3, 3, 3, feats.shape[1]):
        raise ValueError(
            f"a kernel for {feats.shape[1]} channels must be [Co, 3, 3, 3, {feats.shape[1]}], "
            f"not {list(weight.shape)}"
        )
    if weight.dtype != feats.dtype:
        raise ValueError(f"features are {feats.dtype}, the kernel is {weight.dtype}")
    chosen = _choose(feats, weight, backend)
    return chosen.run(x.topology, feats, weight, bias, rows)


def under_autocast(
    feats: Tensor, weight: Tensor, bias: Tensor | None
) -> tuple[Tensor, Tensor, Tensor | None]:
    """In autocast's dtype where that is on, as torch does it for its own convolutions."""
    kind = feats.device.type
    if not torch.is_autocast_enabled(kind) or feats.dtype == torch.float64:
        return feats, weight, bias
    dtype = torch.get_autocast_dtype(kind)
    return feats.to(dtype), weight.to(dtype), None if bias is None else bias.to(dtype)


def available_backends(device: torch.device | str) -> list[Availability]:
    """(name, usable, reason) of every convolution backend on a device, best first."""
    return CONVOLUTION.available(device)


def gains_by_rows(x: SparseTensor, weight: Tensor) -> bool:
    """Whether asking for some ``rows`` only saves time.

    It does where the products outweigh the gathering: in torch by direction (11 to 30 % of an up
    block's first convolution, float32 on CPU), not by row (up to 40 % slower in bfloat16 there).
    Nor in torch's training: the backward pass would go through all cells eight times. Triton takes
    all children in one launch.
    """
    chosen = _choose(x.feats, weight).name
    if chosen == "triton":
        return True
    if learns(x.feats, weight):
        return False
    return chosen == "torch" and conv_torch.goes_by_direction(x.feats)


def _choose(feats: Tensor, weight: Tensor, backend: str | None = None) -> Backend:
    learning = learns(feats, weight)
    return CONVOLUTION.choose(feats.device, feats.dtype, backend, learning=learning)


def _probe_torch(_: Hardware) -> Verdict:
    return Verdict(True, "gather and matrix products, works everywhere")


CONVOLUTION = Registry(
    "sparse convolution",
    [
        triton_backend("convolution", "convolve", learns=True),
        Backend(
            "spconv",
            conv_spconv.probe,
            conv_spconv.convolve,
            dtypes=(torch.float32, torch.float16),
            learns=False,
        ),
        Backend("torch", _probe_torch, conv_torch.convolve),
    ],
)
