"""What StructureFlow and LatentFlow share: all of a flow network but how its tokens come in."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Any, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from engine.networks.dit import Block, CrossAttention, Entries, FlowConfig, TimestepEmbedder
from engine.networks.norms import LayerNorm
from engine.sparse.layout import Layout


@dataclass(frozen=True)
class Condition:
    """Pictures, prepared for one network: an entry per block."""

    blocks: tuple[Entries, ...]
    batch: int


Pictures: TypeAlias = Tensor | Sequence[Tensor] | Condition
"""image_tokens (B, L, cond_channels), or one (L_i, cond_channels) per item, or what ``prepare``
made of them."""


@dataclass(frozen=True)
class Tokens:
    """What a network makes of a state: its tokens, and where they are.

    Attributes:
        values: (B, L, in_channels) or (T, in_channels) float32, as the layout says.
        layout: see ``Layout``.
        phases: rotations (L or T, head_dim / 2), complex64, or None.
        pos_emb: position embedding (L or T, model_channels), float32, or None.
    """

    values: Tensor
    layout: Layout
    phases: Tensor | None = None
    pos_emb: Tensor | None = None

    def twice(self) -> "Tokens":
        """Those of one item as a batch of two that share their positions: (2, L, in_channels)."""
        values = self.values.reshape(1, -1, self.values.shape[-1]).expand(2, -1, -1)
        count = values.shape[1]
        return replace(self, values=values, layout=Layout((0, count, 2 * count)))


class FlowTransformer(nn.Module):
    """All of a flow network but how tokens come in and go out.

    Args:
        config: see ``FlowConfig``.
        torso_dtype: dtype of the linear layers inside the blocks and of what runs through them.
            Norms, rotations, the timestep path, the layers in and out, and every other parameter
            stay float32.

    Attributes:
        checkpointing: in training, recompute what is inside the blocks in the backward pass instead
            of keeping it: about a third more time, a small part of the memory.
    """

    checkpointing = False

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
        """Compute once what cross-attention needs of a picture, for ``forward`` at every step.

        Args:
            cond: image_tokens (B, L, cond_channels), or one (L_i, cond_channels) per batch item.
            zero_shortcut: replace cross-attention to an all-zero picture by the vector that it
                gives. Exact but for rounding, since softmax weights sum to one. Looking for it
                waits for the device.

        Memory: 2 * S * model_channels values per block (0.75 GB for 4101 tokens in the published
            networks, bf16).
        """
        lengths = tuple(len(item) for item in cond)
        tokens = cond.flatten(0, 1) if isinstance(cond, Tensor) else torch.cat(list(cond))
        if tokens.ndim != 2 or tokens.shape[-1] != self.config.cond_channels or 0 in lengths:
            raise ValueError(
                f"image_tokens of shape {tuple(tokens.shape)} and lengths {lengths} do not fit a "
                f"network for at least one token of {self.config.cond_channels} channels per item"
            )
        if zero_shortcut and not tokens.any():
            return self.prepare_zeros(len(lengths))
        tokens = tokens.to(self.torso_dtype)
        offsets = (0, *accumulate(lengths))
        entries = (attention.context(tokens, offsets) for attention in self._cross_attentions())
        return Condition(tuple(entries), len(lengths))

    def prepare_zeros(self, batch: int) -> Condition:
        """``prepare`` of all-zero pictures, which need not be there nor be looked at."""
        entries = (attention.output_of_zeros() for attention in self._cross_attentions())
        return Condition(tuple(entries), batch)

    def _cross_attentions(self) -> list[CrossAttention]:
        return [m for m in self.blocks.modules() if isinstance(m, CrossAttention)]

    def both(
        self, x: Any, t: Tensor, positive: Pictures, negative: Pictures, *more: Any
    ) -> tuple[Any, Any]:
        """The velocities of one state under two conditions, computed as a batch of two.

        Args:
            x: a single item, as ``forward`` takes it.
            t: 1000 * t, (1,).
            positive, negative: one picture each, as ``forward`` takes it.
            more: further arguments of ``forward``.

        Returns:
            Two of what ``forward`` returns, equal but for rounding.

        Raises:
            ValueError: more than one item, and as ``forward``.
        """
        tokens = self._tokens(x, *more)
        conditions = self._prepared(positive), self._prepared(negative)
        if len(tokens.layout.offsets) != 2 or {each.batch for each in conditions} != {1}:
            raise ValueError("only a single item can be taken twice, each time with one picture")
        entries = zip(*(each.blocks for each in conditions), strict=True)
        first, second = self.run(tokens.twice(), t, Condition(tuple(entries), 2)).split(1)
        return self._state(x, first), self._state(x, second)

    _tokens: Callable[..., Tokens]
    """What ``run`` takes, of the arguments of ``forward`` but t and cond."""
    _state: Callable[[Any, Tensor], Any]
    """What ``forward`` returns, of its ``x`` and of what ``run`` gave."""

    def _prepared(self, cond: Pictures) -> Condition:
        return cond if isinstance(cond, Condition) else self.prepare(cond, zero_shortcut=False)

    def run(self, tokens: Tokens, t: Tensor, cond: Pictures) -> Tensor:
        """Tokens -> their velocities, (B, L, out_channels) or (T, out_channels) float32.

        Args:
            tokens: of B items.
            t: 1000 * t, (B,) or (1,).
            cond: as ``prepare`` takes or gives it.

        Raises:
            ValueError: batch sizes that do not fit, or a condition that another network prepared.
        """
        cond = self._prepared(cond)
        layout = tokens.layout
        batch = len(layout.offsets) - 1
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
        h = self.input_layer(tokens.values)
        if tokens.pos_emb is not None:
            h = h + tokens.pos_emb
        h = h.to(self.torso_dtype)
        for block, context in zip(self.blocks, cond.blocks, strict=True):
            if self.checkpointing and torch.is_grad_enabled():
                h = checkpoint(block, h, mod, layout, tokens.phases, context, use_reentrant=False)
            else:
                h = block(h, mod, layout, tokens.phases, context)
        return self.out_layer(self.norm_out(h.to(tokens.values.dtype)))


def position_embedding(positions: Tensor, channels: int) -> Tensor:
    """Sines and cosines of integer positions (N, 3): (N, channels) float32, zeros at the end."""
    per_axis = channels // 6
    exponents = torch.arange(per_axis, dtype=torch.float32, device=positions.device) / per_axis
    angles = positions.float()[:, :, None] * (1.0 / 10000.0**exponents)
    waves = torch.cat([angles.sin(), angles.cos()], dim=-1).flatten(1)
    return F.pad(waves, (0, channels - waves.shape[1]))
