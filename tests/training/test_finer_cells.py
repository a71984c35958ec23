"""A shape VAE with the levels of a trained one, less its coarsest."""

import numpy as np
import pytest
import torch

from engine.networks.sc_vae import DOWN_BLOCK, UP_BLOCK
from engine.networks.sc_vae_blocks import ConvNeXtBlock
from engine.networks.shape_vae import (
    ShapeDecoder,
    ShapeDecoderConfig,
    ShapeEncoder,
    ShapeEncoderConfig,
)
from engine.training.data.dataset import VoxelBatch, collate
from engine.training.finer_cells import ShapeVae, without_coarsest_level
from engine.training.reconstruct import encode_shape
from engine.training.tasks.sc_vae_start import initialise_sc_vae
from tests.training.shapes import ShapeSource, levels


def _vae(widths: tuple[int, ...], top: int, seed: int) -> ShapeVae:
    """One block on each level but the finest, ``top`` on the coarsest."""
    torch.manual_seed(seed)
    count = len(widths)
    blocks = [0, *[1] * (count - 2), top]
    down, up = [DOWN_BLOCK] * (count - 1), [UP_BLOCK] * (count - 1)
    one, other = levels(list(widths), blocks, 8), levels(list(widths[::-1]), blocks[::-1], 8)
    vae = ShapeVae(
        ShapeEncoder(ShapeEncoderConfig(**one, down_block_type=down)),
        ShapeDecoder(ShapeDecoderConfig(**other, up_block_type=up)),
    )
    for network in (vae.encoder, vae.decoder):
        initialise_sc_vae(network)
    return vae


def _batches() -> list[VoxelBatch]:
    source = ShapeSource(4)
    return [collate([source.voxels(index, 32)], "cpu") for index in range(4)]


def test_the_levels_stay_and_the_latent_explains_what_lies_between() -> None:
    trained, finer = _vae((16, 32, 32, 64), 1, 1), _vae((16, 32, 32), 2, 2)
    batches = _batches()
    explained = without_coarsest_level(trained, finer, batches)
    _the_same(list(trained.encoder.blocks[:2]), list(finer.encoder.blocks[:2]))
    _the_same(list(trained.decoder.blocks[2:]), list(finer.decoder.blocks[1:]))
    _the_same([trained.decoder.output_layer], [finer.decoder.output_layer])
    # One block of two is new on the cells of the latent, and does nothing yet.
    new = next(finer.decoder.blocks[0].children())
    assert isinstance(new, ConvNeXtBlock) and not any(p.any() for p in new.mlp[2].parameters())
    _the_same(
        list(trained.decoder.blocks[1].children()), list(finer.decoder.blocks[0].children())[1:]
    )

    wanted: list[torch.Tensor] = []
    got: list[torch.Tensor] = []
    first = next(trained.decoder.blocks[1].children())
    with (
        torch.no_grad(),
        first.register_forward_pre_hook(lambda _, x: wanted.append(x[0].feats)),
    ):
        for batch in batches:
            latent = encode_shape(finer.encoder, batch)
            encoded = encode_shape(trained.encoder, batch)
            trained.decoder(encoded.mean, encoded.pyramid)
            got.append(finer.decoder.from_latent(latent.mean.feats))
            np.testing.assert_allclose(latent.logvar.feats.numpy(), -4.0)
    all_wanted = torch.cat(wanted)
    missed = float((torch.cat(got) - all_wanted).square().sum())
    total = float((all_wanted - all_wanted.mean(dim=0)).square().sum())
    assert explained == pytest.approx(1 - missed / total, abs=1e-3)
    assert explained > 0.1  # of random networks; of trained ones 0.85


def test_levels_that_do_not_fit_are_refused() -> None:
    trained = _vae((16, 32, 32, 64), 1, 1)
    with pytest.raises(ValueError, match="one level more"):
        without_coarsest_level(trained, _vae((16, 32), 1, 2), _batches())
    with pytest.raises(ValueError, match="do not fit"):
        without_coarsest_level(trained, _vae((16, 32, 64), 1, 2), _batches())
    with pytest.raises(ValueError, match="has no room for"):
        without_coarsest_level(trained, _vae((16, 32, 32), 0, 2), _batches())


def _the_same(some: list[torch.nn.Module], others: list[torch.nn.Module]) -> None:
    for one, other in zip(some, others, strict=True):
        tensors = other.state_dict()
        assert all(torch.equal(value, tensors[name]) for name, value in one.state_dict().items())
