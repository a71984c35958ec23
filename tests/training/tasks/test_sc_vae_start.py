"""First weights of an SC-VAE: the latent reaches the voxels, almost without noise."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from engine.networks.material_vae import MaterialDecoder
from engine.networks.sc_vae_blocks import DownBlock, UpBlock
from engine.sparse import SparseTensor
from engine.training.config import config_from_json
from engine.training.data.build import build
from engine.training.data.dataset import VoxelBatch, collate
from engine.training.data.make_asset import BuildSettings
from engine.training.data.sources import find_sources
from engine.training.loop import train
from engine.training.tasks.sc_vae import MaterialVaeTask, ShapeVaeTask
from engine.training.tasks.sc_vae_start import (
    FIRST_LOGVAR,
    fit_read_out,
    initialise_as_mean,
    initialise_sc_vae,
)
from engine.training.tasks.table import make_task
from tests.training.shapes import ShapeSource, material_vae, shape_vae

CONFIG = Path(__file__).parents[3] / "configs" / "embedded" / "material_vae.json"


@pytest.fixture(scope="module")
def toys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("toys")
    sources = [s for s in find_sources("toybox:0-15") if s.split == "train"][:8]
    build(sources, folder, BuildSettings((64,), views=1, picture=24))
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_a_material_vae_leaves_the_plateau(toys: Path, tmp_path: Path, seed: int) -> None:
    """Untied children stay at the median of all data, for so long, or leave it late: 0.32."""
    content = json.loads(CONFIG.read_text()) | {"bf16": False, "quick_start": False}
    content["options"] |= {"resolutions": [64], "most_voxels": 4000, "block": 16}
    content["options"]["weights"] = {"materials": 1.0, "kl": 0.0}
    config = replace(config_from_json(content), seed=seed, steps=150, warmup_steps=20)
    task = make_task(config, toys, torch.device("cpu"))
    assert isinstance(task, MaterialVaeTask)
    train(task, config, tmp_path, device=torch.device("cpu"))
    batches = [task.batch(np.random.default_rng(number)).voxels for number in range(4)]
    with torch.no_grad():
        made = [_decoded(task, batch) for batch in batches]
    got, wanted = torch.cat(made), torch.cat([batch.materials for batch in batches])
    both = torch.stack([(values - values.mean(dim=0)).flatten() for values in (got, wanted)])
    assert float(torch.corrcoef(both)[0, 1]) > 0.4


def _decoded(task: MaterialVaeTask, batch: VoxelBatch) -> torch.Tensor:
    encoded = task.encoder(SparseTensor(batch.topology, batch.materials * 2 - 1))
    return task.decoder(encoded.mean, encoded.pyramid).raw.feats


def test_the_children_of_a_cell_start_as_one() -> None:
    for encoder, decoder in (shape_vae(), material_vae()):
        initialise_sc_vae(encoder)
        initialise_sc_vae(decoder)
        up = [block.conv1 for block in decoder.modules() if isinstance(block, UpBlock)]
        down = [block.conv2 for block in encoder.modules() if isinstance(block, DownBlock)]
        assert up and down
        for groups in [
            *(layer.weight.unflatten(0, (8, -1)) for layer in up),
            *(layer.weight.unflatten(4, (8, -1)).movedim(4, 0) for layer in down),
        ]:
            assert groups.any() and torch.equal(groups, groups[:1].expand_as(groups))
        for layer in (*up, *down):
            assert not layer.bias.any()


def test_a_read_out_is_the_best_linear_one() -> None:
    random = torch.Generator().manual_seed(0)
    inputs = torch.randn(500, 4, generator=random) + 3
    truth = torch.tensor([[1.0, 0, -2, 0], [0, 0.5, 0, 0]])
    layer = nn.Linear(4, 3)
    before = layer.weight[2].clone()
    fit_read_out(layer, inputs, inputs @ truth.T + 0.25)
    got = layer(inputs).detach()
    assert torch.allclose(got[:, :2], inputs @ truth.T + 0.25, atol=0.1)
    assert torch.equal(layer.weight[2], before)


@pytest.mark.parametrize("kind", ["material", "shape"])
def test_a_fitted_read_out_begins_with_a_smaller_loss(kind: str) -> None:
    options: dict[str, Any] = {"resolutions": (16,), "most_voxels": 4000}
    if kind == "material":
        task = MaterialVaeTask(*material_vae(), ShapeSource(), **options)
    else:
        task = ShapeVaeTask(*shape_vae(), ShapeSource(), **options)
    initialise_sc_vae(task.encoder)
    initialise_sc_vae(task.decoder)

    def losses() -> dict[str, float]:
        with torch.no_grad():
            batch = task.batch(np.random.default_rng(7))
            return task.loss(batch, torch.Generator().manual_seed(7))[1]

    before = losses()
    task.fit_read_out(np.random.default_rng(0))
    after = losses()
    for part in ("materials",) if kind == "material" else ("vertices", "edges"):
        assert after[part] < 0.8 * before[part], part


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
    for network in (encoder, decoder):
        initialise_sc_vae(network)
        initialise_as_mean(network)
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
