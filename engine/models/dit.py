"""The transformer that both flow networks share (TRELLIS.2, section 3.3 and its appendix).

The dense network holds its tokens as (B, L, C), the sparse one as rows (T, C) of items of different lengths;
``Layout`` says which token belongs to which batch item, and nothing else differs between the two.
Parameter names are the published tensor names, which is why some of them look odd.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.sparse.rope import apply_rope


@dataclass(frozen=True)
class FlowConfig:
    """Arguments of a flow network, under their published names and with the published defaults.

    ``resolution`` is the latent grid's size; the dense network covers exactly that grid, for the sparse one it
    is only a note, since positions are taken from the coords.
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
        if self.model_channels % self.heads:
            raise ValueError(
                f"model_channels {self.model_channels} is no multiple of {self.heads} heads"
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
class Layout:
    """How tokens (B, L, C) or (T, C) divide into batch items.

    Args:
        lengths: tokens per batch item; items lie one after another.
        spread: turns one vector per item, (B, C), into something that broadcasts with the tokens.
    """

    lengths: tuple[int, ...]
    spread: Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Context:
    """What one block's cross-attention needs of the picture: keys and values (S, H, D), ``lengths`` rows an item."""

    keys: Tensor
    values: Tensor
    lengths: tuple[int, ...]


@dataclass(frozen=True)
class Condition:
    """A picture, made ready for one network: an entry per block.

    An entry is a ``Context``, or, where every context token is zero, the block's cross-attention output itself,
    a vector (C,): all values are then the same, so their weighted mean does not depend on the weights.
    """

    blocks: tuple[Context | Tensor, ...]
    batch: int


class LayerNorm(nn.LayerNorm):
    """Layer norm over the last dimension, in float32 whatever comes in, returned in the dtype that came in."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.float()).to(x.dtype)


class HeadRMSNorm(nn.Module):
    """Scales each head's vector to length sqrt(d), times a learned gain per head and channel; float32 inside."""

    def __init__(self, heads: int, head_dim: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(heads, head_dim))
        self.length = math.sqrt(head_dim)

    def forward(self, x: Tensor) -> Tensor:
        """x (..., H, D)."""
        return (F.normalize(x.float(), dim=-1) * self.gamma * self.length).to(x.dtype)


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
            self.q_rms_norm = HeadRMSNorm(config.heads, config.head_dim)
            self.k_rms_norm = HeadRMSNorm(config.heads, config.head_dim)
        self.normalise = config.qk_rms_norm
        self.to_out = nn.Linear(width, width)

    def forward(self, x: Tensor, layout: Layout, phases: Tensor | None) -> Tensor:
        q, k, v = self.to_qkv(x).unflatten(-1, (3, -1, self.head_dim)).unbind(-3)
        if self.normalise:
            q, k = self.q_rms_norm(q), self.k_rms_norm(k)
        if phases is not None:
            q, k = apply_rope(q, phases), apply_rope(k, phases)
        return self.to_out(attend(q, k, v, layout.lengths, layout.lengths).flatten(-2))


class CrossAttention(nn.Module):
    """Attention from the tokens to the picture's; the picture's half (``context``) can be kept for a whole run."""

    def __init__(self, config: FlowConfig) -> None:
        super().__init__()
        width = config.model_channels
        self.head_dim = config.head_dim
        self.to_q = nn.Linear(width, width)
        self.to_kv = nn.Linear(config.cond_channels, 2 * width)
        if config.qk_rms_norm_cross:
            self.q_rms_norm = HeadRMSNorm(config.heads, config.head_dim)
            self.k_rms_norm = HeadRMSNorm(config.heads, config.head_dim)
        self.normalise = config.qk_rms_norm_cross
        self.to_out = nn.Linear(width, width)

    def context(self, tokens: Tensor, lengths: tuple[int, ...]) -> Context:
        """Keys and values of picture tokens (S, cond_channels)."""
        k, v = self.to_kv(tokens).unflatten(-1, (2, -1, self.head_dim)).unbind(-3)
        return Context(self.k_rms_norm(k) if self.normalise else k, v, lengths)

    def output_of_zeros(self) -> Tensor:
        """The output (C,) for a picture that is zero everywhere: every value is then the bias."""
        return self.to_out(self.to_kv.bias[self.to_kv.out_features // 2 :])

    def forward(self, x: Tensor, layout: Layout, context: Context | Tensor) -> Tensor:
        if isinstance(context, Tensor):
            return context.expand_as(x)
        q = self.to_q(x).unflatten(-1, (-1, self.head_dim))
        if self.normalise:
            q = self.q_rms_norm(q)
        mixed = attend(q, context.keys, context.values, layout.lengths, context.lengths)
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
    """Self-attention, cross-attention and feed-forward, the first and last modulated by the timestep."""

    def __init__(self, config: FlowConfig) -> None:
        super().__init__()
        width = config.model_channels
        self.norm1 = LayerNorm(width, eps=1e-6, elementwise_affine=False)
        self.norm2 = LayerNorm(width, eps=1e-6)
        self.norm3 = LayerNorm(width, eps=1e-6, elementwise_affine=False)
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
        context: Context | Tensor,
    ) -> Tensor:
        """h tokens; mod (B, 6C) if shared, else the timestep embedding (B, C)."""
        if self.share_mod:
            # The parameter stays float32: added there, rounded once.
            mod = (self.modulation + mod).to(mod.dtype)
        else:
            mod = self.adaLN_modulation(mod)
        shift_a, scale_a, gate_a, shift_m, scale_m, gate_m = map(layout.spread, mod.chunk(6, dim=-1))
        h = h + gate_a * self.self_attn(self.norm1(h) * (1 + scale_a) + shift_a, layout, phases)
        h = h + self.cross_attn(self.norm2(h), layout, context)
        return h + gate_m * self.mlp(self.norm3(h) * (1 + scale_m) + shift_m)


class FlowTransformer(nn.Module):
    """Everything of a flow network but how tokens come in and go out.

    Args:
        config: see ``FlowConfig``.
        torso_dtype: dtype of the linear layers inside the blocks and of what runs through them. Norms,
            rotations, the timestep path, the layers in and out, and every other parameter stay float32.
    """

    def __init__(self, config: FlowConfig, *, torso_dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.config = config
        width = config.model_channels
        self.t_embedder = TimestepEmbedder(width)
        if config.share_mod:
            self.adaLN_modulation = nn.Sequential(nn.SiLU(), nn.Linear(width, 6 * width))
        self.input_layer = nn.Linear(config.in_channels, width)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.num_blocks))
        self.norm_out = LayerNorm(width, eps=1e-5, elementwise_affine=False)
        self.out_layer = nn.Linear(width, config.out_channels)
        self.set_torso_dtype(torso_dtype)

    def set_torso_dtype(self, dtype: torch.dtype) -> None:
        """Convert the blocks' linear layers, and nothing else."""
        self.torso_dtype = dtype
        for module in self.blocks.modules():
            if isinstance(module, nn.Linear):
                module.to(dtype)

    def prepare(self, cond: Tensor | Sequence[Tensor], *, zero_shortcut: bool = True) -> Condition:
        """Compute once what cross-attention needs of a picture; hand the result to ``forward`` at every step.

        Args:
            cond: image_tokens (B, L, cond_channels), or one (L_i, cond_channels) per batch item.
            zero_shortcut: replace cross-attention to an all-zero picture by the vector that it gives. Exact but
                for rounding, since softmax weights sum to one.

        Memory: 2 * S * model_channels values per block (0.75 GB for 4101 tokens in the published networks, bf16).
        """
        lengths = tuple(len(item) for item in cond)
        tokens = cond.flatten(0, 1) if isinstance(cond, Tensor) else torch.cat(list(cond))
        if tokens.ndim != 2 or tokens.shape[-1] != self.config.cond_channels or 0 in lengths:
            raise ValueError(
                f"image_tokens of shape {tuple(tokens.shape)} and lengths {lengths} do not fit a network "
                f"that wants at least one token of {self.config.cond_channels} channels per item"
            )
        attentions = [block.get_submodule("cross_attn") for block in self.blocks]
        if zero_shortcut and not tokens.any():
            entries = (a.output_of_zeros() for a in attentions)  # type: ignore[operator]
        else:
            tokens = tokens.to(self.torso_dtype)
            entries = (a.context(tokens, lengths) for a in attentions)  # type: ignore[operator]
        return Condition(tuple(entries), len(lengths))

    def run(
        self,
        tokens: Tensor,
        layout: Layout,
        t: Tensor,
        cond: Tensor | Sequence[Tensor] | Condition,
        *,
        phases: Tensor | None = None,
        pos_emb: Tensor | None = None,
    ) -> Tensor:
        """Tokens (B, L, in_channels) or (T, in_channels) float32 -> their velocities, float32.

        Args:
            tokens: what the layout says.
            layout: see ``Layout``.
            t: 1000 * t, (B,) or (1,).
            cond: as ``prepare`` takes or gives it.
            phases: rotations (L or T, head_dim / 2), complex64, or None.
            pos_emb: position embedding (L or T, model_channels), float32, or None.

        Raises:
            ValueError: batch sizes that do not fit, or a condition that another network prepared.
        """
        if not isinstance(cond, Condition):
            cond = self.prepare(cond, zero_shortcut=False)
        batch = len(layout.lengths)
        if cond.batch != batch or t.shape not in ((batch,), (1,)):
            raise ValueError(
                f"{batch} latents do not go with {cond.batch} conditions and timesteps of shape "
                f"{tuple(t.shape)}"
            )
        if len(cond.blocks) != len(self.blocks):
            raise ValueError("this condition was prepared by another network")
        mod = self.t_embedder(t).expand(batch, -1)
        if self.config.share_mod:
            mod = self.adaLN_modulation(mod)
        mod = mod.to(self.torso_dtype)
        h = self.input_layer(tokens)
        if pos_emb is not None:
            h = h + pos_emb
        h = h.to(self.torso_dtype)
        for block, context in zip(self.blocks, cond.blocks, strict=True):
            h = block(h, mod, layout, phases, context)
        return self.out_layer(self.norm_out(h.to(tokens.dtype)))


def position_embedding(positions: Tensor, channels: int) -> Tensor:
    """Sines and cosines of integer positions (N, 3): (N, channels) float32; what is left over is zero."""
    per_axis = channels // 6
    exponents = torch.arange(per_axis, dtype=torch.float32, device=positions.device) / per_axis
    angles = positions.float()[:, :, None] * (1.0 / 10000.0**exponents)
    waves = torch.cat([angles.sin(), angles.cos()], dim=-1).flatten(1)
    return F.pad(waves, (0, channels - waves.shape[1]))


def attend(
    q: Tensor, k: Tensor, v: Tensor, q_lengths: tuple[int, ...], k_lengths: tuple[int, ...]
) -> Tensor:
    """softmax(q k^T / sqrt(D)) v within each batch item; q, k, v (B, L, H, D) or (T, H, D); returns q's shape."""
    shape = q.shape
    q, k, v = (x.reshape(-1, *x.shape[-2:]) for x in (q, k, v))
    if len(set(q_lengths)) == 1 and len(set(k_lengths)) == 1:
        q, k, v = (x.unflatten(0, (len(q_lengths), -1)).transpose(1, 2) for x in (q, k, v))
        return F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(shape)
    items = zip(q.split(q_lengths), k.split(k_lengths), v.split(k_lengths), strict=True)
    outs = [
        F.scaled_dot_product_attention(*(x.transpose(0, 1)[None] for x in item)) for item in items
    ]
    return torch.cat([out[0].transpose(0, 1) for out in outs]).reshape(shape)
