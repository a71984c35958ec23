"""Between the levels of a sparse grid: eight children are eight groups of their parent's channels.

Child s of a parent has the channels s * C to (s + 1) * C of it (SC-VAE of TRELLIS.2, residual
space-to-channel shortcuts).
"""

from torch import Tensor

from engine.sparse.backends import (
    EVERY_DTYPE,
    Backend,
    Registry,
    learns,
    probe_torch,
    triton_backend,
)
from engine.sparse.convolution import gains_by_rows, submanifold_conv3d, under_autocast
from engine.sparse.tensor import SparseTensor
from engine.sparse.topology import Subdivision


def space_to_channel(feats: Tensor, link: Subdivision) -> Tensor:
    """Gather children into their parents.

    Args:
        feats: (len(link.children), C).

    Returns:
        (len(link.parents), 8 C); zeros for children that do not exist.
    """
    chosen = SPACE_TO_CHANNEL.choose(feats.device, feats.dtype, learning=learns(feats))
    return chosen.run(feats, link)


def channel_to_space(feats: Tensor, link: Subdivision, repeats: int = 1) -> Tensor:
    """Split the channels of parents among the children that exist.

    Args:
        feats: (len(link.parents), 8 C).
        repeats: how often each channel comes, one beside the other.

    Returns:
        (len(link.children), C * repeats).
    """
    chosen = CHANNEL_TO_SPACE.choose(feats.device, feats.dtype, learning=learns(feats))
    return chosen.run(feats, link, repeats)


def convolve_to_children(
    x: SparseTensor,
    weight: Tensor,
    bias: Tensor,
    link: Subdivision,
    *,
    prune: bool | None = None,
) -> Tensor:
    """``channel_to_space(submanifold_conv3d(x, weight, bias), link)``.

    Args:
        x: (len(link.parents), Ci) on ``link.parents``.
        weight: [8 C, 3, 3, 3, Ci], the kernel of child s at s * C to (s + 1) * C.
        bias: (8 C,).
        link: which children exist.
        prune: compute only the children that exist (about 5 of 8 do); the result is the same.
            None: where the backend gains by it.

    Returns:
        (len(link.children), C).
    """
    if prune is None:
        prune = gains_by_rows(x, weight)
    if not prune:
        return channel_to_space(submanifold_conv3d(x, weight, bias), link)
    feats, weight, cast_bias = under_autocast(x.feats, weight, bias)
    learning = learns(feats, weight)
    chosen = TO_CHILDREN.choose(feats.device, feats.dtype, learning=learning)
    return chosen.run(x.replace(feats), weight, cast_bias, link)


def space_to_channel_in_torch(feats: Tensor, link: Subdivision) -> Tensor:
    """The twin of the kernel."""
    table = feats.new_zeros(len(link.parents) * 8, feats.shape[1])
    return table.index_copy_(0, link.places, feats).view(len(link.parents), 8 * feats.shape[1])


def channel_to_space_in_torch(feats: Tensor, link: Subdivision, repeats: int) -> Tensor:
    """The twin of the kernel."""
    table = feats.reshape(len(link.parents) * 8, feats.shape[1] // 8)
    children = table.index_select(0, link.places)
    return children if repeats == 1 else children.repeat_interleave(repeats, dim=1)


def to_children_in_torch(
    x: SparseTensor, weight: Tensor, bias: Tensor, link: Subdivision
) -> Tensor:
    """The twin of the kernel, slot by slot."""
    kernels = weight.unflatten(0, (8, -1)).unbind(0)
    biases = bias.view(8, -1).unbind(0)
    out = x.feats.new_empty(len(link.children), len(kernels[0]))
    for slot, (kernel, own_bias) in enumerate(zip(kernels, biases, strict=True)):
        member = (link.slots == slot).nonzero().squeeze(1)
        part = submanifold_conv3d(x, kernel, own_bias, rows=link.parent_rows[member])
        # Into its place at once: all parts side by side would take as much as the result again.
        out = out.index_copy_(0, member, part)
    return out


SPACE_TO_CHANNEL = Registry(
    "space to channel",
    [
        triton_backend("levels", "space_to_channel", dtypes=EVERY_DTYPE),
        Backend("torch", probe_torch, space_to_channel_in_torch),
    ],
)
CHANNEL_TO_SPACE = Registry(
    "channel to space",
    [
        triton_backend("levels", "channel_to_space", dtypes=EVERY_DTYPE),
        Backend("torch", probe_torch, channel_to_space_in_torch),
    ],
)
TO_CHILDREN = Registry(
    "convolution to surviving children",
    [
        triton_backend("convolution", "convolve_to_children", learns=True),
        Backend("torch", probe_torch, to_children_in_torch),
    ],
)
