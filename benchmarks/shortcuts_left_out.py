"""SC-VAE networks without their residual shortcuts, to see what these are worth (TRELLIS.2).

Nothing else changes: weights have the same names and shapes. Without a shortcut the last
convolution of a block must not start at zero, for nothing would get through; it gets the start of
any other convolution.
"""

import math

import torch.nn.functional as F
from torch import nn

from engine.networks.sc_vae import ScVaeNetwork
from engine.networks.sc_vae_blocks import DownBlock, UpBlock
from engine.sparse import SparseTensor, Subdivision
from engine.sparse.resample import convolve_to_children, space_to_channel


def without_shortcuts(network: ScVaeNetwork) -> None:
    """Take the shortcuts out of an encoder or decoder; its other weights stay unchanged."""
    for level in network.blocks:
        for place, block in enumerate(level.children()):
            plain = _plain(block)
            if plain is not None:
                level[place] = plain  # pyright: ignore[reportIndexIssue]


class PlainDownBlock(DownBlock):
    """A down block that is only its convolutions."""

    def forward(self, x: SparseTensor, link: Subdivision) -> SparseTensor:
        h = self.conv1(x.replace(F.silu(self.norm1(x.feats))))
        h = F.silu(self.norm2(space_to_channel(h, link)))
        return SparseTensor(link.parents, self.conv2(SparseTensor(link.parents, h)))


class PlainUpBlock(UpBlock):
    """An up block that is only its convolutions."""

    def forward(
        self, x: SparseTensor, link: Subdivision, *, prune: bool | None = None
    ) -> SparseTensor:
        h = x.replace(F.silu(self.norm1(x.feats)))
        h = convolve_to_children(h, self.conv1.weight, self.conv1.bias, link, prune=prune)
        h = SparseTensor(link.children, F.silu(self.norm2(h)))
        return h.replace(self.conv2(h))


def _plain(block: nn.Module) -> nn.Module | None:
    if isinstance(block, DownBlock):
        plain = PlainDownBlock(*_widths(block))
    elif isinstance(block, UpBlock):
        plain = PlainUpBlock(*_widths(block), pred_subdiv=block.to_subdiv is not None)
    else:
        return None
    plain.load_state_dict(block.state_dict())
    for parameter in plain.conv2.parameters():
        bound = 1 / math.sqrt(27 * plain.conv2.weight.shape[4])
        nn.init.uniform_(parameter, -bound, bound)
    return plain


def _widths(block: DownBlock | UpBlock) -> tuple[int, int]:
    return block.norm1.normalized_shape[0], block.norm2.normalized_shape[0]
