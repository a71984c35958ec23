"""ShapeEncoder and ShapeDecoder against recordings of the reference."""

from pathlib import Path

import pytest
import torch

from engine.sparse import SparseTensor, Topology
from tests.parity.recorded import (
    assert_cells,
    assert_levels,
    assert_rows,
    case_network,
    cases,
    cells,
    level_outputs,
    need_tensors,
    recording,
)
from tests.tolerances import assert_parity


@pytest.fixture(scope="module", params=cases("shape_vae*/io*.safetensors"))
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


def recorded_grid(io) -> tuple[Topology, torch.Tensor, torch.Tensor]:
    need_tensors(io, "in.coords", "in.dual_vertex_fraction", "in.intersected")
    return cells(io["in.coords"]), io["in.dual_vertex_fraction"], io["in.intersected"]


def recorded_latent(io) -> SparseTensor:
    need_tensors(io, "out.z_coords", "out.z_mean")
    return SparseTensor(cells(io["out.z_coords"]), io["out.z_mean"])


@torch.inference_mode()
def test_encoder(encoder, io):
    need_tensors(io, "out.z_coords", "out.z_mean", "out.z_logvar")
    with level_outputs(encoder) as levels:
        encoded = encoder(*recorded_grid(io))
    assert_levels(levels, io, "mid.enc_level", "feats")
    assert_cells(encoded.mean, io["out.z_coords"], "latent")
    assert_parity(encoded.mean.feats, io["out.z_mean"], "mean")
    assert_parity(encoded.logvar.feats, io["out.z_logvar"], "logvar")


@torch.inference_mode()
@pytest.mark.parametrize("slabs", [2, 8])
def test_encoder_in_slabs(encoder, io, slabs):
    need_tensors(io, "out.z_coords", "out.z_mean", "out.z_logvar")
    encoded = encoder(*recorded_grid(io), slabs=lambda level, link: slabs)
    assert_cells(encoded.mean, io["out.z_coords"], "latent")
    assert_parity(encoded.mean.feats, io["out.z_mean"], "mean")
    assert_parity(encoded.logvar.feats, io["out.z_logvar"], "logvar")


@torch.inference_mode()
@pytest.mark.parametrize("prune", [True, False])
def test_decoder(decoder, io, prune):
    need_tensors(io, "out.dec_coords", "out.dec_raw7")
    with level_outputs(decoder) as levels:
        decoded = decoder(recorded_latent(io), prune=prune)
    # Recorded after the level's way up; the finest level has none.
    assert_levels(levels, io, "mid.dec_level", "feats")
    assert_levels(decoded.logits, io, "out.sub", "logits")
    assert_cells(decoded.raw, io["out.dec_coords"], "finest cells")
    assert_rows(decoded.raw.feats, io["out.dec_raw7"], "raw")
    for name, got in (
        ("out.dual_vertex_fraction", decoded.dual_vertices),
        ("out.quad_lerp", decoded.split_weight),
        ("out.intersected", decoded.intersected.float()),
    ):
        if name in io:
            assert_rows(got, io[name].float(), name)


@torch.inference_mode()
def test_decoding_along_the_encoders_way_back(encoder, decoder, io):
    need_tensors(io, "out.cached_dec_raw7")
    topology, dual_vertices, intersected = recorded_grid(io)
    encoded = encoder(topology, dual_vertices, intersected)
    decoded = decoder(encoded.mean, encoded.pyramid)
    assert decoded.raw.topology is topology
    assert_rows(decoded.raw.feats, io["out.cached_dec_raw7"], "raw")
    assert_levels(decoded.logits, io, "out.cached_sub", "logits")


@torch.inference_mode()
def test_upsample(decoder, io):
    levels = [n for n in range(1, 9) if f"out.upsample{n}_coords" in io]
    if not levels:
        pytest.skip("no upsampling was recorded")
    for n in levels:
        got = decoder.upsample(recorded_latent(io), n)
        assert_cells(got, io[f"out.upsample{n}_coords"], f"upsample {n}")


@torch.inference_mode()
def test_a_batch_is_its_items(encoder, decoder, io):
    topology, dual_vertices, intersected = recorded_grid(io)
    grid = SparseTensor(topology, torch.cat([dual_vertices, intersected.float()], dim=1))
    together = encoder(topology, dual_vertices, intersected).mean
    whole = decoder(together).raw
    for item, latent, raw in zip(grid.items(), together.items(), whole.items(), strict=True):
        alone = encoder(item.topology, item.feats[:, :3], item.feats[:, 3:] > 0.5).mean
        assert torch.equal(alone.coords, latent.coords)
        assert_parity(alone.feats, latent.feats, "latent")
        decoded = decoder(SparseTensor(latent.topology, latent.feats)).raw
        assert torch.equal(decoded.coords, raw.coords)
        assert_parity(decoded.feats, raw.feats, "decoded")
