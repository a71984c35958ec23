"""The sparse compression VAE (SC-VAE) of TRELLIS.2, what shape and material have in common.

A U-net without skip connections over sparse grids: the encoder halves the grid level by level, the
decoder doubles it and prunes the children that are not needed. Levels are counted from where the
data enter. Weights inside ``blocks`` follow the torso's dtype, all else is float32.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.networks.sc_vae_blocks import (
    ConvNeXtBlock,
    DownBlock,
    SubmanifoldConv,
    UpBlock,
    some_rows,
)
from engine.networks.slabs import Block, Slabs, in_slabs, whole
from engine.sparse import SparseTensor, Subdivision, Topology
from engine.sparse.backends import learns

END_EPSILON = 1e-5
TORSO_BLOCK = "SparseConvNeXtBlock3d"
DOWN_BLOCK = "SparseResBlockS2C3d"
UP_BLOCK = "SparseResBlockC2S3d"
NOTHING_PREDICTED = "this decoder predicts no subdivisions and needs a guide"

Pyramid = tuple[Subdivision, ...]
"""Which children exist on every level of a decoder, the coarsest first."""


@dataclass(frozen=True, kw_only=True)
class LevelsConfig:
    """Arguments that all networks of the SC-VAE share.

    Args:
        model_channels: width of each level, from where the data enter.
        latent_channels: channels of the latent.
        num_blocks: ConvNeXt blocks of each level.
        block_type: published class of each level's blocks; only one is known.
        block_args: of each level; ``mlp_ratio`` counts, ``use_checkpoint`` does not matter here.
    """

    model_channels: Sequence[int]
    latent_channels: int
    num_blocks: Sequence[int]
    block_type: Sequence[str]
    block_args: Sequence[Mapping[str, Any]] = field(default_factory=list)

    def check(self, between: Sequence[str], known: str) -> None:
        """Refuse lists of different lengths and unknown blocks with a ValueError."""
        levels = len(self.model_channels)
        arguments = self.block_args or self.num_blocks
        lengths = {len(self.num_blocks), len(self.block_type), len(arguments)}
        if levels == 0 or lengths != {levels} or len(between) != levels - 1:
            raise ValueError(f"the lists of {levels} levels do not have the same length")
        for names, expected in ((self.block_type, TORSO_BLOCK), (between, known)):
            for name in set(names) - {expected}:
                raise ValueError(f"the block {name!r} is not known, only {expected!r}")

    def torso(self, level: int) -> list[nn.Module]:
        """The ConvNeXt blocks of a level."""
        ratio = self.block_args[level].get("mlp_ratio", 4.0) if self.block_args else 4.0
        width = self.model_channels[level]
        return [ConvNeXtBlock(width, ratio) for _ in range(self.num_blocks[level])]


@dataclass(frozen=True, kw_only=True)
class EncoderConfig(LevelsConfig):
    """``in_channels`` per cell; levels finest first."""

    down_block_type: Sequence[str]
    in_channels: int = 6


@dataclass(frozen=True, kw_only=True)
class DecoderConfig(LevelsConfig):
    """``out_channels`` per cell; ``pred_subdiv``: says which children survive; coarsest first."""

    up_block_type: Sequence[str]
    out_channels: int
    pred_subdiv: bool = True


@dataclass(frozen=True)
class Encoded:
    """What an encoder makes of a grid.

    Args:
        mean: (M, latent_channels) float32, the latent.
        logvar: (M, latent_channels) float32, logarithm of the variance around it.
        pyramid: the parents of each level; decoding along it gives the encoded cells in their
            order.
    """

    mean: SparseTensor
    logvar: SparseTensor
    pyramid: Pyramid


@dataclass(frozen=True)
class Decoded:
    """What a decoder makes of a latent.

    Args:
        raw: (N, out_channels) float32 on the finest level.
        logits: (N, 8) of each level but the finest, above 0 where a child survives; empty when the
            network does not predict them.
        pyramid: the subdivisions that were followed; guides another decoder to the same cells.
    """

    raw: SparseTensor
    logits: tuple[SparseTensor, ...]
    pyramid: Pyramid


def pyramid_of(topology: Topology, logits: Sequence[Tensor]) -> Pyramid:
    """The subdivisions that (N, 8) logits (above 0: survives) of every level, coarsest first, mean.

    Raises:
        ValueError: logits that do not have a row for each cell of their level.
    """
    links: list[Subdivision] = []
    for level in logits:
        links.append(topology.subdivide(level > 0))
        topology = links[-1].children
    return tuple(links)


class ScVaeNetwork(nn.Module):
    """What encoder and decoder share: the dtype of the torso."""

    blocks: nn.ModuleList
    torso_dtype: torch.dtype

    def set_torso_dtype(self, dtype: torch.dtype) -> None:
        """Convolutions and linear layers inside the blocks to a dtype; all else stays float32."""
        self.torso_dtype = dtype
        for module in self.blocks.modules():
            if isinstance(module, SubmanifoldConv | nn.Linear):
                module.to(dtype)


class ScVaeEncoder(ScVaeNetwork):
    """Cells with ``in_channels`` each to a latent on a grid smaller by 2^(levels - 1).

    Args:
        config: widths and blocks of the levels.
        torso_dtype: of the blocks.

    Raises:
        ValueError: a config that describes no network.
    """

    def __init__(self, config: EncoderConfig, *, torso_dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        config.check(config.down_block_type, DOWN_BLOCK)
        widths = config.model_channels
        self.config = config
        self.input_layer = nn.Linear(config.in_channels, widths[0])
        self.to_latent = nn.Linear(widths[-1], 2 * config.latent_channels)
        self.blocks = nn.ModuleList()
        for level in range(len(widths)):
            blocks = config.torso(level)
            if level + 1 < len(widths):
                blocks.append(DownBlock(widths[level], widths[level + 1]))
            self.blocks.append(nn.ModuleList(blocks))
        self.set_torso_dtype(torso_dtype)

    def encode(self, x: SparseTensor, *, slabs: Slabs = whole) -> Encoded:
        """(N, in_channels) float32 cells to mean, variance and pyramid.

        Args:
            slabs: asked on each level, in how many parts the way to the next one is computed; more
                take less memory. The result depends on it by rounding only.
        """
        h = x
        links: list[Subdivision] = []
        for level in range(len(self.blocks) - 1):
            rest, down = self._rest(level), self._down(level)
            links.append(h.topology.coarsen())
            count = slabs(level, links[-1])
            if count > 1 and len(h) > 0:
                h = in_slabs(
                    lambda h, part, rest=rest, down=down: down(_through(rest, h), part),
                    h, links, count, blocks=self.config.num_blocks[level],
                )  # fmt: skip
            else:
                # In this frame, so that nothing holds what a block has replaced.
                for block in rest:
                    h = block(h)
                h = down(h, links[-1])
        h = _through(self._rest(len(self.blocks) - 1), h)
        mean, logvar = self.to_latent(_end_norm(h.feats)).chunk(2, dim=1)
        return Encoded(h.replace(mean), h.replace(logvar), tuple(reversed(links)))

    def _rest(self, level: int) -> list[Block]:
        """What is done on a level but the way up from it; on the finest from the input on."""
        entry: list[Block] = [lambda x: x.replace(self._enter(x.feats))] if level == 0 else []
        return entry + [
            block for block in self.blocks[level].children() if not isinstance(block, DownBlock)
        ]

    def _down(self, level: int) -> DownBlock:
        """The last block of a level that is not the coarsest."""
        (down,) = (block for block in self.blocks[level].children() if isinstance(block, DownBlock))
        return down

    def _enter(self, feats: Tensor) -> Tensor:
        """The cells at the torso's width and dtype."""
        if learns(feats, *self.input_layer.parameters()):
            return self.input_layer(feats).to(self.torso_dtype)
        width = self.config.model_channels[0]
        out = feats.new_empty(len(feats), width, dtype=self.torso_dtype)
        for rows in some_rows(feats, width):
            out[rows] = self.input_layer(feats[rows]).to(self.torso_dtype)
        return out


class ScVaeDecoder(ScVaeNetwork):
    """A latent to cells with ``out_channels`` each on a grid larger by 2^(levels - 1).

    Args:
        config: widths and blocks of the levels.
        torso_dtype: of the blocks.

    Raises:
        ValueError: a config that describes no network.
    """

    def __init__(self, config: DecoderConfig, *, torso_dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        config.check(config.up_block_type, UP_BLOCK)
        widths = config.model_channels
        self.config = config
        self.from_latent = nn.Linear(config.latent_channels, widths[0])
        self.output_layer = nn.Linear(widths[-1], config.out_channels)
        self.blocks = nn.ModuleList()
        for level in range(len(widths)):
            blocks = config.torso(level)
            if level + 1 < len(widths):
                up = UpBlock(widths[level], widths[level + 1], pred_subdiv=config.pred_subdiv)
                blocks.append(up)
            self.blocks.append(nn.ModuleList(blocks))
        self.set_torso_dtype(torso_dtype)

    def forward(
        self,
        latent: SparseTensor,
        guide: Pyramid | None = None,
        *,
        prune: bool | None = None,
        slabs: Slabs = whole,
    ) -> Decoded:
        """Decode a latent.

        Args:
            latent: (M, latent_channels) float32.
            guide: follow these subdivisions (an encoder's, another decoder's, ``pyramid_of``)
                and their row order, whatever this network predicts; None: its own predictions.
            prune: as in ``convolve_to_children``; the result does not depend on it.
            slabs: asked on each level, in how many parts the next one is computed; more take less
                memory. Features depend on it by rounding only.

        Raises:
            ValueError: a guide for another latent, or none where nothing is predicted.
        """
        return Decoded(*self._descend(latent, guide, len(self.blocks) - 1, slabs, prune))

    def upsample(self, latent: SparseTensor, levels: int, *, slabs: Slabs = whole) -> Topology:
        """Where the decoder puts its cells ``levels`` subdivisions down, for the cascade.

        Args:
            latent: (M, latent_channels) float32.
            levels: 1 to the number of levels less one.
            slabs: as in ``forward``.

        Returns:
            The cells in the decoder's order. Their features are not computed: the last
            subdivision follows from its parents alone. On the way only children that exist are
            computed where the backend gains by it, as in ``forward`` without ``prune``.

        Raises:
            ValueError: no such level, or nothing is predicted.
        """
        if not 1 <= levels < len(self.blocks):
            raise ValueError(f"levels must be 1 to {len(self.blocks) - 1}, not {levels}")
        h, _, _ = self._descend(latent, None, levels - 1, slabs, None)
        return _predicted(self._up(levels - 1).logits(h)).children

    def _descend(
        self,
        latent: SparseTensor,
        guide: Pyramid | None,
        levels: int,
        slabs: Slabs,
        prune: bool | None,
    ) -> tuple[SparseTensor, tuple[SparseTensor, ...], Pyramid]:
        """So many levels down: what the last one ends with, logits and subdivisions on the way."""
        h, rest = self._enter(latent, guide), self._rest(0)
        links: list[Subdivision] = []
        predictions: list[SparseTensor] = []
        for level in range(levels):
            # In this frame, so that nothing holds what a block has replaced.
            for block in rest:
                h = block(h)
            up, rest = self._up(level), self._rest(level + 1)
            logits = up.logits(h)
            if logits is not None:
                predictions.append(logits)
            links.append(guide[level] if guide is not None else _predicted(logits))
            count = slabs(level, links[-1])
            if count > 1 and len(links[-1].children) > 0:
                h = in_slabs(
                    lambda h, part, up=up, rest=rest: _through(rest, up(h, part)),
                    h, links, count, blocks=self.config.num_blocks[level + 1],
                )  # fmt: skip
                rest = []
            else:
                h = up(h, links[-1], prune=prune)
        for block in rest:
            h = block(h)
        return h, tuple(predictions), tuple(links)

    def _rest(self, level: int) -> list[Block]:
        """What is done on a level but the way down from it; on the finest up to the raw output."""
        blocks = self.blocks[level].children()
        rest: list[Block] = [block for block in blocks if not isinstance(block, UpBlock)]
        if level + 1 == len(self.blocks):
            rest.append(lambda x: x.replace(self._head(x.feats)))
        return rest

    def _up(self, level: int) -> UpBlock:
        """The last block of a level that is not the finest."""
        (up,) = (block for block in self.blocks[level].children() if isinstance(block, UpBlock))
        return up

    def _head(self, feats: Tensor) -> Tensor:
        if learns(feats, *self.output_layer.parameters()):
            return self.output_layer(_end_norm(feats))
        out = feats.new_empty(len(feats), self.config.out_channels, dtype=torch.float32)
        for rows in some_rows(feats, 3 * feats.shape[1]):
            out[rows] = self.output_layer(_end_norm(feats[rows]))
        return out

    def _enter(self, latent: SparseTensor, guide: Pyramid | None) -> SparseTensor:
        """The latent at the torso's width and dtype, on the guide's own cells if there is one."""
        if guide is None:
            if not self.config.pred_subdiv:
                raise ValueError(NOTHING_PREDICTED)
        elif len(guide) != len(self.blocks) - 1:
            raise ValueError(
                f"the guide has {len(guide)} levels, the decoder subdivides "
                f"{len(self.blocks) - 1} times"
            )
        top = guide[0].parents if guide else latent.topology
        if top is not latent.topology and not torch.equal(top.coords, latent.coords):
            raise ValueError("the guide belongs to another latent")
        return SparseTensor(top, self.from_latent(latent.feats).to(self.torso_dtype))


def _through(blocks: Sequence[Block], h: SparseTensor) -> SparseTensor:
    for block in blocks:
        h = block(h)
    return h


def _predicted(logits: SparseTensor | None) -> Subdivision:
    if logits is None:
        raise ValueError(NOTHING_PREDICTED)
    return logits.topology.subdivide(logits.feats > 0)


def _end_norm(feats: Tensor) -> Tensor:
    feats = feats.float()
    return F.layer_norm(feats, feats.shape[1:], eps=END_EPSILON)
