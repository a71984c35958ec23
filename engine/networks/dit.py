"""The transformer that both flow networks share (TRELLIS.2, section 3.3 and its appendix).

The dense network holds its tokens as (B, L, C), the sparse one as rows (T, C) of items of different
lengths; ``Layout`` says which token belongs to which batch item, and nothing else differs between
the two. Parameter names are the published tensor names, which is why some of them look odd.
"""

import math
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor, nn

from engine.networks.norms import LayerNorm
from engine.sparse.attention import attention
from engine.sparse.layout import Layout
from engine.sparse.rows import gated_add, modulated_norm, normed_heads

NORM_EPSILON = 1e-6


@dataclass(frozen=True)
class FlowConfig:
    """Arguments of a flow network, under their published names and with the published defaults.

    ``resolution`` is the latent grid's size; the dense network covers exactly that grid, for the
    sparse one it is only a note, since positions are taken from the coords.
    """

    resolution: int
    in_channels: int
    out_channels: int
    model_channels: int
    cond_channels: int
    num_blocks: int
    num_heads: int | None = None
    num_head_channels: int = 64
    mlp_ratio: float = 4.0
    pe_mode: str = "ape"
    rope_freq: tuple[float, float] = (1.0, 10000.0)
    share_mod: bool = False
    qk_rms_norm: bool = False
    qk_rms_norm_cross: bool = False

    def __post_init__(self) -> None:
        if self.pe_mode not in ("ape", "rope"):
            raise ValueError(f"pe_mode is {self.pe_mode!r}; known are 'ape' and 'rope'")
        if len(self.rope_freq) != 2:
            raise ValueError(f"rope_freq is {self.rope_freq!r}, not a pair")
        if self.model_channels % self.heads:
            raise ValueError(
                f"model_channels {self.model_channels} is not a multiple of {self.heads} heads"
            )
        if self.pe_mode == "rope" and self.head_dim % 2:
            raise ValueError(f"rotary positions need an even head width, not {self.head_dim}")

    @property
    def heads(self) -> int:
        return self.num_heads or self.model_channels // self.num_head_channels

    @property
    def head_dim(self) -> int:
        return self.model_channels // self.heads


@dataclass(frozen=True)
class Context:
    """What one block's cross-attention needs of the picture: keys and values (S, H, D)."""

    keys: Tensor
    values: Tensor
    offsets: tuple[int, ...]


Entry = Context | Tensor
"""What one block's cross-attention needs of a picture. Of a picture of zeros that is the output
itself, a vector (C,): all values are then the same, and their weighted mean is the same whatever
the weights are."""
Entries: TypeAlias = "Entry | tuple[Entries, ...]"
"""Of a whole batch, or one for each of its items, which may be of both kinds."""


class HeadNorm(nn.Module):
    """``normed_heads`` with a learned gain. A module, since where blocks are streamed the gain
    travels with the call."""

    def __init__(self, config: FlowConfig) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(config.heads, config.head_dim))

    def forward(self, x: Tensor, phases: Tensor | None = None) -> Tensor:
        return normed_heads(x, self.gamma, phases)


class TimestepEmbedder(nn.Module):
    """1000 * t (B,) -> (B, C): 128 cosines and 128 sines, then two linear layers. Float32."""

    FREQUENCIES = 128

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.mlp = nn.Sequential(
            nn.Linear(2 * self.FREQUENCIES, channels), nn.SiLU(), nn.Linear(channels, channels)
        )

    def forward(self, t: Tensor) -> Tensor:
        index = torch.arange(self.FREQUENCIES, dtype=torch.float32, device=t.device)
        angles = t.float()[:, None] * torch.exp(-math.log(10000.0) * index / self.FREQUENCIES)
        return self.mlp(torch.cat([angles.cos(), angles.sin()], dim=-1))


class SelfAttention(nn.Module):
    """Attention among the tokens of each item: normalise, rotate, attend."""

    def __init__(self, config: FlowConfig) -> None:
        super().__init__()
        width = config.model_channels
        self.head_dim = config.head_dim
        self.to_qkv = nn.Linear(width, 3 * width)
        if config.qk_rms_norm:
            self.q_rms_norm = HeadNorm(config)
            self.k_rms_norm = HeadNorm(config)
        self.normalise = config.qk_rms_norm
        self.to_out = nn.Linear(width, width)

    def forward(self, x: Tensor, layout: Layout, phases: Tensor | None) -> Tensor:
        q, k, v = self.to_qkv(x).unflatten(-1, (3, -1, self.head_dim)).unbind(-3)
        if self.normalise:
            q, k = self.q_rms_norm(q, phases), self.k_rms_norm(k, phases)
        else:
            q, k = normed_heads(q, None, phases), normed_heads(k, None, phases)
        return self.to_out(attend(q, k, v, layout.offsets, layout.offsets).flatten(-2))


class CrossAttention(nn.Module):
    """Attention from tokens to the picture, whose half (``context``) can be kept for a run."""

    def __init__(self, config: FlowConfig) -> None:
        super().__init__()
        width = config.model_channels
        self.head_dim = config.head_dim
        self.to_q = nn.Linear(width, width)
        self.to_kv = nn.Linear(config.cond_channels, 2 * width)
        if config.qk_rms_norm_cross:
            self.q_rms_norm = HeadNorm(config)
            self.k_rms_norm = HeadNorm(config)
        self.normalise = config.qk_rms_norm_cross
        self.to_out = nn.Linear(width, width)

    def context(self, tokens: Tensor, offsets: tuple[int, ...]) -> Context:
        """Keys and values of picture tokens (S, cond_channels)."""
        k, v = self.to_kv(tokens).unflatten(-1, (2, -1, self.head_dim)).unbind(-3)
        return Context(self.k_rms_norm(k) if self.normalise else k, v, offsets)

    def output_of_zeros(self) -> Tensor:
        """The output (C,) for a picture that is zero everywhere: every value is then the bias."""
        return self.to_out(self.to_kv.bias[self.to_kv.out_features // 2 :])

    def forward(self, x: Tensor, layout: Layout, context: Entries) -> Tensor:
        if isinstance(context, tuple):
            items = zip(x.split(1), context, strict=True)
            return torch.cat([self(item, Layout((0, item.shape[1])), own) for item, own in items])
        if isinstance(context, Tensor):
            return context.expand_as(x)
        q = self.to_q(x).unflatten(-1, (-1, self.head_dim))
        if self.normalise:
            q = self.q_rms_norm(q)
        mixed = attend(q, context.keys, context.values, layout.offsets, context.offsets)
        return self.to_out(mixed.flatten(-2))


class FeedForward(nn.Module):
    """Linear, GELU (tanh form), linear."""

    def __init__(self, config: FlowConfig) -> None:
        super().__init__()
        width = config.model_channels
        hidden = int(width * config.mlp_ratio)
        self.mlp = nn.Sequential(
            nn.Linear(width, hidden), nn.GELU(approximate="tanh"), nn.Linear(hidden, width)
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.mlp(x)


class Block(nn.Module):
    """Self-attention, cross-attention, feed-forward; the first and last modulated by time."""

    def __init__(self, config: FlowConfig) -> None:
        super().__init__()
        width = config.model_channels
        self.norm2 = LayerNorm(width, eps=NORM_EPSILON)
        self.self_attn = SelfAttention(config)
        self.cross_attn = CrossAttention(config)
        self.mlp = FeedForward(config)
        self.share_mod = config.share_mod
        if config.share_mod:
            self.modulation = nn.Parameter(torch.randn(6 * width) / width**0.5)
        else:
            self.adaLN_modulation = nn.Sequential(nn.SiLU(), nn.Linear(width, 6 * width))

    def forward(
        self,
        h: Tensor,
        mod: Tensor,
        layout: Layout,
        phases: Tensor | None,
        context: Entries,
    ) -> Tensor:
        """h tokens; mod (B, 6C) if shared, else the timestep embedding (B, C)."""
        if self.share_mod:
            # The parameter stays float32: added there, rounded once.
            mod = (self.modulation + mod).to(mod.dtype)
        else:
            mod = self.adaLN_modulation(mod)
        shift_a, scale_a, gate_a, shift_m, scale_m, gate_m = mod.chunk(6, dim=-1)
        x = modulated_norm(h, shift_a, scale_a, layout, epsilon=NORM_EPSILON)
        h = gated_add(h, self.self_attn(x, layout, phases), gate_a, layout)
        h = h + self.cross_attn(self.norm2(h), layout, context)
        x = modulated_norm(h, shift_m, scale_m, layout, epsilon=NORM_EPSILON)
        return gated_add(h, self.mlp(x), gate_m, layout)


def attend(
    q: Tensor, k: Tensor, v: Tensor, q_offsets: tuple[int, ...], k_offsets: tuple[int, ...]
) -> Tensor:
    """Attention within each batch item, (B, L, H, D) or (T, H, D); returns the shape of q."""
    rows = (x.reshape(-1, *x.shape[-2:]) for x in (q, k, v))
    return attention(*rows, q_offsets=q_offsets, k_offsets=k_offsets).reshape(q.shape)
