"""First weights of an SC-VAE: the eight children of a cell start as one.

With independent kernels for the eight children, four levels make 8^4 different random maps from a
latent to the voxels of its cell, and one output layer has to read them all. What a colour does to
the features differs in sign from voxel to voxel and averages out of every shared gradient; what is
easiest to gain is to say nothing, and the output shrinks to the median of all data. The encoder has
the same fault mirrored: eight random slices into one cell. Sub-pixel convolutions are known for it
(ICNR, arXiv:1707.02937). Here the kernels of the eight children start equal, in both directions.

Three more things keep the first steps from drowning the latent: residual branches that are open,
and louder than the shortcuts, which hand each child other channels; kernels that start at their
centre tap; and a narrow posterior. ``fit_read_out`` then gives the output layer the weights that
read most out of the features there are.

TRELLIS.2 starts otherwise. Its ``initialize_weights`` gives every linear layer Xavier weights and
zero biases, those that end a ConvNeXt branch included; of all branches only the second convolution
of a down or up block starts at zero, and the kernels of the children are independent. At its width
and length that may do. In the widths of ``configs/embedded`` it stays at the median for 150 steps.

A short training of a material can begin nearer still (``initialise_as_mean``): the encoder averages
its inputs over each cell of the latent, and the decoder hands the first channels of the latent to
every voxel of the cell. Both pass through norms and activations as pairs (x, -x), since
silu(x) - silu(-x) = x, beside a pair (c, -c) whose constant keeps the norms from dividing the size
of x away. A shape is not a mean over cells. Figures: docs/decisions/0033-tied-children.md.
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
"""How large the random weights are beside the pairs, as a share of the usual."""
GROWTH = 4.0
"""How much louder each level's branch is than the level before, which the shortcut adds to it."""
RIDGE = 0.01
"""Of the fitted output layer, as a share of the features' mean square."""
SPLIT = 6
"""Row of the split weight in a shape decoder's output."""
CENTRE = (1, 1, 1)
"""Of a 3x3x3 kernel."""


@torch.no_grad()
def initialise_sc_vae(network: ScVaeEncoder | ScVaeDecoder) -> None:
    """Put first weights with tied children into a network, in place, from torch's generator."""
    for module in network.modules():
        if isinstance(module, nn.Linear):
            module.weight.normal_(std=1 / math.sqrt(module.in_features))
            module.bias.zero_()
        elif isinstance(module, SubmanifoldConv):
            _centre_tap(module)
    scale = 1.0
    for module in network.modules():
        if isinstance(module, UpBlock):
            _tie(module.conv1.weight, dim=0)
        elif isinstance(module, DownBlock):
            _tie(module.conv2.weight, dim=4)
        if isinstance(module, DownBlock | UpBlock):
            scale *= GROWTH
            module.conv2.weight.mul_(scale)
    if isinstance(network, ScVaeEncoder):
        channels = network.config.latent_channels
        network.to_latent.weight[channels:] = 0
        network.to_latent.bias[channels:] = FIRST_LOGVAR
    if isinstance(network, ShapeDecoder):
        _even_split(network)


def _centre_tap(layer: SubmanifoldConv) -> None:
    inputs = layer.weight.shape[4]
    layer.weight.zero_()
    layer.weight[:, *CENTRE].normal_(std=1 / math.sqrt(inputs))
    layer.bias.zero_()


def _tie(weight: Tensor, *, dim: int) -> None:
    """Make the eight groups of a dimension, one for each child, equal to the first."""
    groups = weight.unflatten(dim, (8, -1))
    groups.copy_(groups.narrow(dim, 0, 1).clone().expand_as(groups))


def _even_split(decoder: ShapeDecoder) -> None:
    """Nothing in stage 1 teaches the split weights: they stay equal, and quads are cut evenly."""
    decoder.output_layer.weight[SPLIT] = 0
    decoder.output_layer.bias[SPLIT] = 0


@torch.no_grad()
def fit_read_out(layer: nn.Linear, inputs: Tensor, targets: Tensor) -> None:
    """Give a linear layer the weights of a ridge regression, in place.

    Args:
        layer: its last outputs, those that ``targets`` has no columns for, stay what they are.
        inputs: (N, in_features) what it is given.
        targets: (N, at most out_features) what it should make of them.
    """
    x, y = inputs.double(), targets.double()
    x_mean, y_mean = x.mean(dim=0), y.mean(dim=0)
    x, y = x - x_mean, y - y_mean
    gram = x.T @ x
    gram.diagonal().add_(RIDGE * gram.diagonal().mean())
    weight = torch.linalg.solve(gram, x.T @ y).T
    rows = y.shape[1]
    layer.weight[:rows] = weight.to(layer.weight)
    layer.bias[:rows] = (y_mean - weight @ x_mean).to(layer.bias)


@torch.no_grad()
def initialise_as_mean(network: MaterialEncoder | MaterialDecoder) -> None:
    """Let a network of ``initialise_sc_vae`` begin as the mean over cells, in place.

    Networks too narrow for a single pair stay what they are.
    """
    carried = _carried(network)
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
            block.conv1.weight.mul_(RANDOM_SHARE)
            block.conv2.weight.mul_(RANDOM_SHARE)
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
