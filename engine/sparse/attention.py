"""Attention among the rows of each batch item; the items may differ in length.

Softmax(q k^T / sqrt(D)) v (arXiv:1706.03762), no mask, each batch item on its own. On CUDA the
networks call it in bfloat16, or in float32 where a GPU has no units for that: in float16 keys
overflow at high resolutions.

Which implementation is used where, and why, stands in the table ``ATTENTION`` at the end.
"""

import importlib
import importlib.util
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import lru_cache
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from engine.host.machine import AMPERE, HOPPER, VOLTA, Hardware
from engine.sparse.backends import HALF_DTYPES, Availability, Backend, Registry, Verdict

LONGEST_IN_FULL = 512
"""Up to this many keys, training on the CPU keeps all attention weights.

torch's own kernel recomputes them in the backward pass, which for items this short takes 1.5 times
as long in float32 and 7 times in bfloat16 (torch 2.13, 64 items of 64 tokens, 2 cores).
"""
SCORE_BYTES = 256 << 20
"""Bound on the attention weights that ``plain`` has in memory at a time."""


def attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    *,
    q_offsets: Sequence[int],
    k_offsets: Sequence[int],
    backend: str | None = None,
) -> Tensor:
    """Self- or cross-attention within each batch item.

    Args:
        q: (T_q, H, D) queries of all items, one item after the other.
        k: (T_k, H, D) keys, dtype and device of ``q``.
        v: (T_k, H, D) values.
        q_offsets: batch_size + 1 row numbers: item b has the queries q_offsets[b] to
            q_offsets[b + 1], as ``Topology.offsets``.
        k_offsets: the same for keys and values.
        backend: insist on this one (``available_backends``); None: the best one.

    Returns:
        (T_q, H, D), dtype of ``q``.

    Raises:
        ValueError: offsets that do not fit the tensors, or queries without a single key.
        EngineError: ``backend_unavailable``.
    """
    _check(q, k, v, q_offsets, k_offsets)
    chosen = ATTENTION.choose(q.device, q.dtype, backend, width=q.shape[-1])
    return chosen.run(q, k, v, tuple(q_offsets), tuple(k_offsets))


def available_backends(device: torch.device | str) -> list[Availability]:
    """(name, usable, reason) of every attention backend on a device, best first."""
    return ATTENTION.available(device)


def score_bytes(
    device: torch.device | Hardware, dtype: torch.dtype, *, heads: int, width: int, scores: int
) -> int:
    """Memory that attention takes beside its operands and its result: for weights, or nothing.

    Args:
        heads: how many.
        width: of a head.
        scores: queries times keys of the item where that is most.
    """
    if ATTENTION.choose(device, dtype, width=width).name != "plain":
        return 0  # fused kernels hold a tile of them
    # What goes into the softmax and what comes out of it.
    return 2 * min(SCORE_BYTES, 4 * heads * scores)


def _check(
    q: Tensor, k: Tensor, v: Tensor, q_offsets: Sequence[int], k_offsets: Sequence[int]
) -> None:
    if q.ndim != 3 or k.shape != v.shape or q.shape[1:] != k.shape[1:]:
        raise ValueError(
            f"attention needs q (T, H, D) and k, v (S, H, D), not {tuple(q.shape)}, "
            f"{tuple(k.shape)}, {tuple(v.shape)}"
        )
    if len(q_offsets) != len(k_offsets):
        raise ValueError("queries and keys name different numbers of batch items")
    if q_offsets[0] != 0 or q_offsets[-1] != len(q) or k_offsets[0] != 0 or k_offsets[-1] != len(k):
        raise ValueError("the offsets must run from 0 to the number of rows")
    for queries, keys in zip(_lengths(q_offsets), _lengths(k_offsets), strict=True):
        if queries > 0 and keys <= 0:
            raise ValueError("a batch item has queries but no keys")


def _lengths(offsets: Sequence[int]) -> list[int]:
    return [b - a for a, b in pairwise(offsets)]


def _item_by_item(equal: Callable[[Tensor, Tensor, Tensor], Tensor]) -> Callable[..., Tensor]:
    """Attention of items of any lengths out of that of items of equal length, (B, T, H, D)."""

    def run(
        q: Tensor, k: Tensor, v: Tensor, q_offsets: tuple[int, ...], k_offsets: tuple[int, ...]
    ) -> Tensor:
        items = len(q_offsets) - 1
        if items == 1:
            return equal(q[None], k[None], v[None])[0]
        queries, keys = _lengths(q_offsets), _lengths(k_offsets)
        if len(set(queries)) == 1 and len(set(keys)) == 1:
            q, k, v = (x.unflatten(0, (items, -1)) for x in (q, k, v))
            return equal(q, k, v).flatten(0, 1)
        # Not slices, each of which would get a gradient as long as all rows.
        rows = zip(q.split(queries), k.split(keys), v.split(keys), strict=True)
        parts = [equal(a[None], b[None], c[None])[0] for a, b, c in rows if len(a)]
        return torch.cat(parts) if parts else torch.empty_like(q)

    return run


def _sdpa_equal(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """(B, T, H, D) attention of items of equal length."""
    if q.device.type == "cpu" and q.requires_grad and k.shape[1] <= LONGEST_IN_FULL:
        return _in_full(q, k, v)
    # cuDNN makes a plan for each length, about 0.4 s each, and every object has its own length.
    kernels = [SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH]
    preference = sdpa_kernel(kernels, set_priority=True) if q.is_cuda else nullcontext()
    with preference:
        out = F.scaled_dot_product_attention(
            q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2)
        )
    return out.transpose(1, 2)


def _in_full(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """The same with all weights in memory, B * H * T * S of them."""
    q, k, v = (x.transpose(1, 2) for x in (q, k, v))
    scores = (q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2)
    return (scores.softmax(dim=-1) @ v).transpose(1, 2)


def _plain_equal(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """(B, T, H, D) attention in float32 by two products, a chunk of the queries at a time."""
    dtype = torch.promote_types(q.dtype, torch.float32)
    keys, values = k.permute(0, 2, 3, 1).to(dtype), v.transpose(1, 2).to(dtype)
    row_bytes = q.shape[0] * q.shape[2] * k.shape[1] * keys.element_size()
    parts: list[Tensor] = []
    for part in q.split(max(1, SCORE_BYTES // max(1, row_bytes)), dim=1):
        scores = (part.transpose(1, 2).to(dtype) * q.shape[-1] ** -0.5) @ keys
        parts.append((scores.softmax(dim=-1) @ values).transpose(1, 2).to(q.dtype))
    return torch.cat(parts, dim=1)


@lru_cache(maxsize=32)
def _cumulative(offsets: tuple[int, ...], device: torch.device) -> Tensor:
    # Made while sampling, it must also serve a later training step.
    with torch.inference_mode(False):
        return torch.tensor(offsets, dtype=torch.int32, device=device)


def _varlen(
    q: Tensor, k: Tensor, v: Tensor, q_offsets: tuple[int, ...], k_offsets: tuple[int, ...]
) -> Tensor:
    from torch.nn.attention.varlen import varlen_attn

    out = varlen_attn(
        q, k, v,
        _cumulative(q_offsets, q.device), _cumulative(k_offsets, k.device),
        max(_lengths(q_offsets)), max(_lengths(k_offsets)),
    )  # fmt: skip
    return out if isinstance(out, Tensor) else out[0]


def _flash_package(module: str) -> Callable[..., Tensor]:
    """Attention by the packages of flash attention, which have the same function in two modules."""

    def run(
        q: Tensor, k: Tensor, v: Tensor, q_offsets: tuple[int, ...], k_offsets: tuple[int, ...]
    ) -> Tensor:
        out = importlib.import_module(module).flash_attn_varlen_func(
            q, k, v,
            _cumulative(q_offsets, q.device), _cumulative(k_offsets, k.device),
            max(_lengths(q_offsets)), max(_lengths(k_offsets)),
        )  # fmt: skip
        # Some releases of the third generation give the sums of the softmax too.
        return out if isinstance(out, Tensor) else out[0]

    return run


def _flash_capable(hardware: Hardware) -> Verdict:
    if hardware.kind not in ("cuda", "rocm"):
        return Verdict(False, "needs a GPU of NVIDIA's or AMD's")
    if hardware.before(AMPERE):
        return Verdict(False, "needs a GPU of the Ampere generation or newer")
    return Verdict(True, "flash attention over all batch items at once")


def flash_width(head_dim: int) -> bool:
    """Whether flash attention's kernels take heads of that width."""
    return head_dim % 8 == 0 and head_dim <= 256


def _probe_flash_attn_3(hardware: Hardware) -> Verdict:
    # The generations after Hopper have capabilities from 10.0 on, and no code in it.
    if hardware.kind != "cuda" or hardware.capability != HOPPER:
        return Verdict(False, "its kernels are for the Hopper generation")
    if importlib.util.find_spec("flash_attn_interface") is None:
        return Verdict(False, "the package flash-attn-3 is not installed")
    return Verdict(True, "flash attention over all batch items at once, made for Hopper")


def _probe_flash_attn(hardware: Hardware) -> Verdict:
    capable = _flash_capable(hardware)
    if capable.usable and importlib.util.find_spec("flash_attn") is None:
        return Verdict(False, "the package flash-attn is not installed")
    return capable


def _probe_varlen(hardware: Hardware) -> Verdict:
    capable = _flash_capable(hardware)
    if not capable.usable:
        return capable
    if importlib.util.find_spec("torch.nn.attention.varlen") is None:
        return Verdict(False, f"torch {torch.__version__} does not have it, 2.10 and newer do")
    if not torch.backends.cuda.is_flash_attention_available():
        return Verdict(False, "this build of torch has no flash attention")
    return capable


def _probe_plain(hardware: Hardware) -> Verdict:
    if not hardware.before(VOLTA):
        return Verdict(False, "for GPUs before the Volta generation")
    return Verdict(True, "torch has no fast fused kernel for a GPU this old")


def _probe_sdpa(_: Hardware) -> Verdict:
    return Verdict(True, "part of torch, one call per batch item")


ATTENTION = Registry(
    "attention",
    [
        Backend(
            "flash-attn-3", _probe_flash_attn_3, _flash_package("flash_attn_interface"),
            HALF_DTYPES, widths=flash_width,
            where="Hopper, in half precision, where the package flash-attn-3 is installed",
            why="one call for items of all lengths, with the instructions that only Hopper has",
        ),
        Backend(
            "flash-attn", _probe_flash_attn, _flash_package("flash_attn"),
            HALF_DTYPES, widths=flash_width,
            where="Ampere and newer, ROCm, in half precision, where flash-attn is installed",
            why="one call for items of all lengths",
        ),
        Backend(
            "varlen", _probe_varlen, _varlen, HALF_DTYPES, widths=flash_width,
            where="Ampere and newer, ROCm, in half precision, with torch 2.10 or newer",
            why="the same kernels as flash-attn's, built into torch",
        ),
        Backend(
            "plain", _probe_plain, _item_by_item(_plain_equal),
            where="Pascal and older",
            why="torch's memory-efficient kernel took 14 times as long there (others, GTX 1070)",
        ),
        Backend(
            "sdpa", _probe_sdpa, _item_by_item(_sdpa_equal),
            where="everywhere else: Volta and Turing, float32, odd widths of heads, Metal, CPU",
            why="torch's fused kernels, never cuDNN's: it plans 0.4 s for each new length",
        ),
    ],
)  # fmt: skip
"""Which attention is used where and why: the first that can be. ``maquette doctor`` prints it."""
