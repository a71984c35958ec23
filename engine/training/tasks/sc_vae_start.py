"""First weights of an SC-VAE for a short training: it begins as a mean over cells.

The layers that end a residual branch start at zero, as published. In a narrow network that leaves
the shortcuts alone, which carry next to nothing of a voxel into the latent and next to nothing of
the latent to a voxel: each level up hands an eighth of the channels to each child, and after four
of them all channels of a voxel are copies of one. The best such a network can do at first is the
mean of all data; it shrinks its output to that within a few steps, and the way out of there is long
(1,000 steps on materials, with no end in sight).

Here those of a material begin with the encoder averaging its inputs over each cell of the latent,
and the decoder handing the first channels of the latent to every voxel of the cell. Both pass
through the norms and activations of the blocks as pairs (x, -x), since silu(x) - silu(-x) = x,
beside a pair (c, -c) whose constant keeps the norms from dividing the size of x away. All other
weights are random and smaller than usual. A shape is no mean over cells, and learns faster without.
Figures: docs/decisions/0030-embedded-model.md.
"""

import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from engine.networks.material_vae import MaterialDecoder, MaterialEncoder
from engine.networks.sc_vae import ScVaeDecoder, ScVaeEncoder
from engine.networks.sc_vae_blocks import ConvNeXtBlock, DownBlock, SubmanifoldConv, UpBlock
from engine.networks.shape_vae import ShapeDecoder

FIRST_LOGVAR = -6.0
"""A narrow posterior: noise as strong as the latent would teach the decoder to do without it."""
MOST_CARRIED = 6
"""Inputs, and channels of the latent, that are carried: all that a voxel of a material has."""
CONSTANT = 2.0
RANDOM_SHARE = 0.3
"""How large the random weights are, as a share of the usual."""
GROWTH = 4.0
"""How much larger each level makes what it carries than what the shortcut adds to it."""
SPLIT = 6
"""Row of the split weight in a shape decoder's output."""
CENTRE = (1, 1, 1)
"""Of a 3x3x3 kernel."""


@torch.no_grad()
def initialise_sc_vae(network: ScVaeEncoder | ScVaeDecoder) -> None:
    """Put such first weights into a network, in place.

    Networks too narrow for a single pair keep random weights, without closed branches.
    """
    for module in network.modules():
        if isinstance(module, SubmanifoldConv | nn.Linear) and not module.weight.any():
            module.weight.normal_(std=1 / math.sqrt(module.weight[0].numel()))
    if isinstance(network, ScVaeEncoder):
        channels = network.config.latent_channels
        network.to_latent.weight[channels:] = 0
        network.to_latent.bias[channels:] = FIRST_LOGVAR
    if isinstance(network, ShapeDecoder):
        # Nothing in stage 1 teaches the split weights: they stay equal, and quads are cut evenly.
        network.output_layer.weight[SPLIT] = 0
        network.output_layer.bias[SPLIT] = 0
    carried = _carried(network) if isinstance(network, MaterialEncoder | MaterialDecoder) else 0
    if carried == 0:
        return
    for module in network.modules():
        if isinstance(module, ConvNeXtBlock):
            for parameter in module.mlp[2].parameters():
                parameter.mul_(RANDOM_SHARE)
    if isinstance(network, ScVaeEncoder):
        _average(network, carried)
    else:
        _hand_down(network, carried)


def _carried(network: ScVaeEncoder | ScVaeDecoder) -> int:
    """How many numbers, besides the constant, every level has room for."""
    config = network.config
    room = min(width // 2 for width in config.model_channels)
    if isinstance(network, ScVaeEncoder):
        # Each child has an eighth of the coarser level's channels, and no pairs.
        room = min([room, *(width // 8 for width in config.model_channels[1:])])
        ends = min(config.latent_channels, network.config.in_channels)
    else:
        ends = min(config.latent_channels, network.config.out_channels)
    return max(0, min(MOST_CARRIED, room - 1, ends))


def _average(encoder: ScVaeEncoder, carried: int) -> None:
    pairs = carried + 1
    _enter(encoder.input_layer, carried)
    for first, second, scale in _between(encoder):
        per_child = len(first.weight)
        for i in range(pairs):
            _join_pair(first.weight[i], i, pairs, 1.0)
            for row, sign in ((i, 1), (i + pairs, -1)):
                second.weight[row] = 0
                # About four of eight children exist.
                second.weight[row][CENTRE][i : 8 * per_child : per_child] = sign * scale / 4
    _leave(encoder.to_latent, carried)


def _hand_down(decoder: ScVaeDecoder, carried: int) -> None:
    pairs = carried + 1
    _enter(decoder.from_latent, carried)
    for first, second, scale in _between(decoder):
        width = len(second.weight)
        for i in range(pairs):
            for row, sign in ((i, 1.0), (i + pairs, -1.0)):
                for child in range(8):
                    _join_pair(first.weight[child * width + row], i, pairs, sign)
                _join_pair(second.weight[row], i, pairs, sign * scale)
    _leave(decoder.output_layer, carried)


def _between(
    network: ScVaeEncoder | ScVaeDecoder,
) -> Iterator[tuple[SubmanifoldConv, SubmanifoldConv, float]]:
    """The convolutions of each block between two levels, made softer, and the second's scale."""
    scale = 1.0
    for block in network.modules():
        if isinstance(block, DownBlock | UpBlock):
            scale *= GROWTH
            for layer, share in ((block.conv1, RANDOM_SHARE), (block.conv2, RANDOM_SHARE * scale)):
                layer.weight.mul_(share)
                layer.bias.zero_()
            yield block.conv1, block.conv2, scale


def _join_pair(kernel: Tensor, i: int, pairs: int, sign: float) -> None:
    """One output, (3, 3, 3, channels), becomes the difference of a pair in the same cell."""
    kernel.zero_()
    kernel[CENTRE][i] = sign
    kernel[CENTRE][i + pairs] = -sign


def _enter(layer: nn.Linear, carried: int) -> None:
    """The first inputs as pairs, then the pair of the constant; the rest is random."""
    pairs = carried + 1
    layer.weight.mul_(RANDOM_SHARE)
    layer.bias.mul_(RANDOM_SHARE)
    for row, sign in ((0, 1.0), (pairs, -1.0)):
        layer.weight[row : row + pairs] = 0
        layer.weight[range(row, row + carried), range(carried)] = sign
        layer.bias[row : row + carried] = 0
        layer.bias[row + carried] = sign * CONSTANT


def _leave(layer: nn.Linear, carried: int) -> None:
    """The first outputs are the pairs again; the rest is random."""
    layer.weight.mul_(RANDOM_SHARE)
    for i in range(carried):
        layer.weight[i] = 0
        layer.weight[i, i], layer.weight[i, i + carried + 1] = 1, -1
