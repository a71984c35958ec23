"""A shape VAE with smaller cells out of a trained one: its coarsest level is left out.

The levels that stay keep their weights. What is missing is a latent in their middle: a linear map
of the features that the encoder has on these cells, to which the decoder's features on the same
cells are linear again. Both maps come from a regression of reduced rank (Izenman 1975), so that the
new networks reconstruct about as well as the trained ones before their first step.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from engine.networks.sc_vae_blocks import ConvNeXtBlock
from engine.networks.shape_vae import ShapeDecoder, ShapeEncoder
from engine.training.data.dataset import VoxelBatch
from engine.training.reconstruct import encode_shape

RIDGE = 1e-3
"""Of the regression, as a share of the features' mean square."""
LOGVAR = -4.0
"""A narrow posterior, beside latents of variance 1."""


@dataclass(frozen=True)
class ShapeVae:
    """An encoder and a decoder that belong together, in float32."""

    encoder: ShapeEncoder
    decoder: ShapeDecoder


@torch.no_grad()
def without_coarsest_level(
    trained: ShapeVae, finer: ShapeVae, batches: Iterable[VoxelBatch]
) -> float:
    """Give ``finer`` the weights of ``trained``, in place.

    Args:
        trained: its levels but the coarsest are those of ``finer``.
        finer: initialised; may have more blocks on its coarsest level, which begin as identities.
        batches: some voxels, for the regression.

    Returns:
        Which share of the variance of the decoder's features the latent explains.

    Raises:
        ValueError: levels that do not fit.
    """
    _copy_levels(trained, finer)
    given, wanted = _features(trained, finer.encoder, batches)
    given_mean, wanted_mean = given.mean(dim=0), wanted.mean(dim=0)
    x, y = given - given_mean, wanted - wanted_mean
    gram = x.T @ x
    gram.diagonal().add_(RIDGE * gram.diagonal().mean())
    solution = torch.linalg.solve(gram, x.T @ y)
    fitted = x @ solution
    rank = finer.encoder.config.latent_channels
    main = torch.linalg.svd(fitted, full_matrices=False).Vh[:rank]
    to_latent = solution @ main.T
    spread = (x @ to_latent).std(dim=0)
    encode, decode = finer.encoder.to_latent, finer.decoder.from_latent
    encode.weight[:rank] = (to_latent / spread).T.to(encode.weight)
    encode.bias[:rank] = (-given_mean @ to_latent / spread).to(encode.bias)
    encode.weight[rank:] = 0
    encode.bias[rank:] = LOGVAR
    decode.weight.copy_((main * spread[:, None]).T)
    decode.bias.copy_(wanted_mean)
    rest = y - fitted @ main.T @ main
    return 1 - float(rest.square().sum() / y.square().sum())


def _copy_levels(trained: ShapeVae, finer: ShapeVae) -> None:
    ends = (
        (trained.encoder.input_layer, finer.encoder.input_layer),
        (trained.decoder.output_layer, finer.decoder.output_layer),
    )
    levels = len(finer.encoder.blocks)
    if len(trained.encoder.blocks) != levels + 1 or len(trained.decoder.blocks) != levels + 1:
        raise ValueError(f"the trained networks do not have one level more than {levels}")
    pairs = [
        *zip(trained.encoder.blocks[: levels - 1], finer.encoder.blocks[:-1], strict=True),
        *zip(trained.decoder.blocks[2:], finer.decoder.blocks[1:], strict=True),
        *ends,
    ]
    try:
        for one, other in pairs:
            other.load_state_dict(one.state_dict())
        # The last level of the encoder no longer leads down; the first of the decoder still leads
        # up, and its additional blocks come before the trained ones.
        last = list(trained.encoder.blocks[levels - 1].children())[:-1]
        _fill(last, list(finer.encoder.blocks[-1].children()), 0)
        first, there = (
            list(level.children()) for level in (trained.decoder.blocks[1], finer.decoder.blocks[0])
        )
        _fill(first, there, len(there) - len(first))
    except RuntimeError as error:  # shapes that differ
        raise ValueError(f"the levels of the trained networks do not fit: {error}") from error


def _fill(blocks: list[nn.Module], there: list[nn.Module], start: int) -> None:
    """Blocks of a trained level to places from ``start`` on; all others become identities."""
    if start < 0 or start + len(blocks) > len(there):
        raise ValueError(f"a level of {len(there)} blocks has no room for {len(blocks)}")
    for number, block in enumerate(there):
        if start <= number < start + len(blocks):
            block.load_state_dict(blocks[number - start].state_dict())
        elif isinstance(block, ConvNeXtBlock):
            for parameter in block.mlp[2].parameters():
                parameter.zero_()


def _features(
    trained: ShapeVae, encoder: ShapeEncoder, batches: Iterable[VoxelBatch]
) -> tuple[Tensor, Tensor]:
    """What the new encoder's last layer is given, and what the trained decoder has on these cells.

    Both (cells, width) float64.
    """
    given: list[Tensor] = []
    wanted: list[Tensor] = []
    first = next(trained.decoder.blocks[1].children())
    hooks = (
        encoder.to_latent.register_forward_pre_hook(lambda _, x: given.append(x[0].double())),
        first.register_forward_pre_hook(lambda _, x: wanted.append(x[0].feats.double())),
    )
    with hooks[0], hooks[1]:
        for batch in batches:
            encode_shape(encoder, batch)
            encoded = encode_shape(trained.encoder, batch)
            trained.decoder(encoded.mean, encoded.pyramid)
    return torch.cat(given), torch.cat(wanted)
