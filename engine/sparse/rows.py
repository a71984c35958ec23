"""What transformers do to each row between their matrix products.

Layer norm with shift and scale of the row's batch item, a gated addition, and the norm and rotation
of queries and keys. Each is one pass over memory in Triton, and some passes in plain torch.
"""

import math

import torch.nn.functional as F
from torch import Tensor

from engine.sparse.backends import Backend, Registry, learns, probe_torch, triton_backend
from engine.sparse.layout import Layout
from engine.sparse.rope import apply_rope


def modulated_norm(
    x: Tensor, shift: Tensor, scale: Tensor, layout: Layout, *, epsilon: float
) -> Tensor:
    """``norm(x) * (1 + scale) + shift``, the norm over channels without weights, in float32.

    Args:
        x: (B, L, C) or (T, C) tokens of ``layout``, float.
        shift, scale: (B, C), of each batch item, dtype of ``x``.
        epsilon: added to the variance.

    Returns:
        Shape and dtype of ``x``.
    """
    chosen = MODULATED_NORM.choose(x.device, x.dtype, learning=learns(x, shift, scale))
    return chosen.run(x, shift, scale, layout, epsilon)


def gated_add(h: Tensor, x: Tensor, gate: Tensor, layout: Layout) -> Tensor:
    """``h + gate * x``.

    Args:
        h, x: (B, L, C) or (T, C) tokens of ``layout``, of one dtype.
        gate: (B, C), of each batch item, dtype of ``h``.

    Returns:
        Shape and dtype of ``h``.
    """
    chosen = GATED_ADD.choose(h.device, h.dtype, learning=learns(h, x, gate))
    return chosen.run(h, x, gate, layout)


def normed_heads(x: Tensor, gamma: Tensor | None, phases: Tensor | None) -> Tensor:
    """Vectors of heads with length sqrt(D) times a gain, turned by the phases of their row.

    Args:
        x: (..., N, H, D) queries or keys, may be a view.
        gamma: (H, D) float32 gain; None: they keep their length.
        phases: (N, D / 2) complex64 as of ``rope_phases``; None: they are not turned.

    Returns:
        Shape and dtype of ``x``; ``x`` itself where nothing is done.
    """
    if gamma is None and phases is None:
        return x
    learning = learns(x, x if gamma is None else gamma)
    return NORMED_HEADS.choose(x.device, x.dtype, learning=learning).run(x, gamma, phases)


def modulated_norm_in_torch(
    x: Tensor, shift: Tensor, scale: Tensor, layout: Layout, epsilon: float
) -> Tensor:
    """The twin of the kernel; rounds to the dtype after each step."""
    normed = F.layer_norm(x.float(), x.shape[-1:], eps=epsilon).to(x.dtype)
    return normed * layout.spread(1 + scale) + layout.spread(shift)


def gated_add_in_torch(h: Tensor, x: Tensor, gate: Tensor, layout: Layout) -> Tensor:
    """The twin of the kernel."""
    return h + layout.spread(gate) * x


def normed_heads_in_torch(x: Tensor, gamma: Tensor | None, phases: Tensor | None) -> Tensor:
    """The twin of the kernel; rounds to the dtype between norm and rotation."""
    if gamma is not None:
        length = math.sqrt(x.shape[-1])
        x = (F.normalize(x.float(), dim=-1) * gamma * length).to(x.dtype)
    return x if phases is None else apply_rope(x, phases)


MODULATED_NORM = Registry(
    "layer norm with shift and scale",
    [
        triton_backend("rows", "modulated_norm"),
        Backend("torch", probe_torch, modulated_norm_in_torch),
    ],
)
GATED_ADD = Registry(
    "gated addition",
    [triton_backend("rows", "gated_add"), Backend("torch", probe_torch, gated_add_in_torch)],
)
NORMED_HEADS = Registry(
    "norm and rotation of queries and keys",
    [triton_backend("rows", "normed_heads"), Backend("torch", probe_torch, normed_heads_in_torch)],
)
