"""MaterialEncoder and MaterialDecoder against recordings of the reference."""

from pathlib import Path

import pytest
import torch

from engine.networks.sc_vae import pyramid_of
from engine.sparse import SparseTensor
from tests.parity.recorded import (
    FIRST_ROWS,
    assert_cells,
    assert_rows,
    case_network,
    cases,
    cells,
    need_tensors,
    recording,
)
from tests.tolerances import assert_parity


@pytest.fixture(scope="module", params=cases("tex_vae*/io*.safetensors"))
def file(request, goldens: Path) -> Path:
    return goldens / request.param


@pytest.fixture(scope="module")
def io(file: Path):
    return recording(file)


@pytest.fixture(scope="module")
def encoder(file: Path):
    return case_network(file.parent / "encoder")


@pytest.fixture(scope="module")
def decoder(file: Path):
    return case_network(file.parent / "decoder")


def recorded_latent(io) -> SparseTensor:
    need_tensors(io, "out.z_coords", "out.z_mean")
    return SparseTensor(cells(io["out.z_coords"]), io["out.z_mean"])


def recorded_guide(topology, io, levels: int):
    names = [f"in.guide_sub{number}" for number in range(levels)]
    need_tensors(io, *(f"{name}_logits" for name in names))
    logits = [io[f"{name}_logits"] for name in names]
    if any(len(level) == FIRST_ROWS for level in logits):
        pytest.skip("the guide was not recorded in full")
    pyramid = pyramid_of(topology, logits)
    for name, link in zip(names, pyramid, strict=True):
        if f"{name}_coords" in io:
            assert_cells(link.parents, io[f"{name}_coords"], name)
    return pyramid


@torch.inference_mode()
def test_encoder(encoder, io):
    need_tensors(io, "in.coords", "in.attrs", "out.z_coords", "out.z_mean", "out.z_logvar")
    encoded = encoder(SparseTensor(cells(io["in.coords"]), io["in.attrs"]))
    assert_cells(encoded.mean, io["out.z_coords"], "latent")
    assert_parity(encoded.mean.feats, io["out.z_mean"], "mean")
    assert_parity(encoded.logvar.feats, io["out.z_logvar"], "logvar")


@torch.inference_mode()
@pytest.mark.parametrize("prune", [True, False])
def test_guided_by_the_shape_decoder(decoder, io, prune):
    need_tensors(io, "out.guided_coords", "out.guided_feats", "out.guided_pbr")
    latent = recorded_latent(io)
    guide = recorded_guide(latent.topology, io, len(decoder.blocks) - 1)
    decoded = decoder(latent, guide, prune=prune)
    assert_cells(decoded.raw, io["out.guided_coords"], "finest cells")
    assert_rows(decoded.raw.feats, io["out.guided_feats"], "raw")
    assert_rows(decoded.attributes, io["out.guided_pbr"], "attributes")


@torch.inference_mode()
def test_guided_by_the_encoders_way_back(encoder, decoder, io):
    need_tensors(io, "in.coords", "in.attrs", "out.cached_feats")
    topology = cells(io["in.coords"])
    encoded = encoder(SparseTensor(topology, io["in.attrs"]))
    decoded = decoder(encoded.mean, encoded.pyramid)
    assert decoded.raw.topology is topology
    assert_rows(decoded.raw.feats, io["out.cached_feats"], "raw")


@torch.inference_mode()
def test_a_batch_is_its_items(encoder, decoder, io):
    need_tensors(io, "in.coords", "in.attrs")
    grid = SparseTensor(cells(io["in.coords"]), io["in.attrs"])
    encoded = encoder(grid)
    whole = decoder(encoded.mean, encoded.pyramid).raw
    for item, latent, raw in zip(grid.items(), encoded.mean.items(), whole.items(), strict=True):
        alone = encoder(item)
        assert torch.equal(alone.mean.coords, latent.coords)
        assert_parity(alone.mean.feats, latent.feats, "latent")
        decoded = decoder(alone.mean, alone.pyramid).raw
        assert torch.equal(decoded.coords, raw.coords)
        assert_parity(decoded.feats, raw.feats, "decoded")
