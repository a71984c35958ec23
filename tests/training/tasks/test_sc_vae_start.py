"""First weights of an SC-VAE: the latent reaches the voxels, almost without noise."""

import numpy as np
import torch

from engine.networks.material_vae import MaterialDecoder
from engine.sparse import SparseTensor
from engine.training.data.dataset import collate
from engine.training.tasks.sc_vae_start import FIRST_LOGVAR, initialise_sc_vae
from tests.training.shapes import ShapeSource, material_vae


def spread_of_the_result(decoder: MaterialDecoder, latent: SparseTensor, pyramid) -> float:
    """How far the result moves when the latent does, on average."""
    before = decoder(latent, pyramid).raw.feats
    after = decoder(latent.replace(-latent.feats), pyramid).raw.feats
    return float((after - before).abs().mean())


def test_the_latent_reaches_the_voxels_from_the_first_step_on() -> None:
    torch.manual_seed(0)
    encoder, decoder = material_vae()
    batch = collate([ShapeSource(2).voxels(0, 16)])
    x = SparseTensor(batch.topology, batch.materials * 2 - 1)
    with torch.no_grad():
        initialise_sc_vae(encoder)
        encoded = encoder(x)
        closed = spread_of_the_result(decoder, encoded.mean, encoded.pyramid)
        initialise_sc_vae(decoder)
        opened = spread_of_the_result(decoder, encoded.mean, encoded.pyramid)
    assert opened > 0.1 and opened > 1.5 * closed
    assert torch.equal(encoded.logvar.feats, torch.full_like(encoded.logvar.feats, FIRST_LOGVAR))


def test_a_material_begins_as_the_mean_over_cells() -> None:
    """What a voxel gets follows the mean of its cell, channel by channel."""
    encoder, decoder = material_vae(widths=(16, 64, 64))
    initialise_sc_vae(encoder)
    initialise_sc_vae(decoder)
    batch = collate([ShapeSource(1).voxels(0, 32)])
    coords = batch.topology.coords
    cells, rows = torch.unique(coords[:, 1:] // 4, dim=0, return_inverse=True)
    random = torch.Generator().manual_seed(0)
    of_cell = torch.rand(len(cells), 6, generator=random)[rows] * 2 - 1
    value = of_cell + torch.randn(len(rows), 6, generator=random) / 2
    sums = torch.zeros(len(cells), 6).index_add_(0, rows, value)
    mean = (sums / torch.bincount(rows)[:, None])[rows]
    with torch.no_grad():
        encoded = encoder(SparseTensor(batch.topology, value))
        got = decoder(encoded.mean, encoded.pyramid).raw.feats
    for channel in range(6):
        correlation = np.corrcoef(got[:, channel], mean[:, channel])[0, 1]
        assert correlation > 0.5, channel
