"""ShapeEncoder and ShapeDecoder against recordings of the reference."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from engine.sparse import SparseTensor
from tests.parity.sc_vae_cases import cells, level_outputs, load_case, same_cells
from tests.tolerances import assert_parity

CASE = "shape_vae"


@pytest.fixture(scope="module")
def case(goldens: Path):
    folders = sorted(folder for folder in goldens.glob(f"{CASE}*") if folder.is_dir())
    if not folders:
        pytest.skip(f"no {CASE} case in {goldens}")
    return [
        (load_case(folder / "encoder"), load_case(folder / "decoder"), load_file(file))
        for folder in folders
        for file in sorted(folder.glob("io*.safetensors"))
    ]


@torch.inference_mode()
def test_encoder(case):
    for encoder, _, io in case:
        with level_outputs(encoder) as levels:
            encoded = encoder(
                cells(io["in.coords"]), io["in.dual_vertex_fraction"], io["in.intersected"]
            )
        for number, level in enumerate(levels):
            same_cells(level, io[f"mid.enc_level{number}_coords"], f"level {number}")
            assert_parity(level.feats, io[f"mid.enc_level{number}_feats"], f"level {number}")
        assert f"mid.enc_level{len(levels)}_coords" not in io
        same_cells(encoded.mean, io["out.z_coords"], "latent")
        assert_parity(encoded.mean.feats, io["out.z_mean"], "mean")
        assert_parity(encoded.logvar.feats, io["out.z_logvar"], "logvar")


@torch.inference_mode()
@pytest.mark.parametrize("prune", [True, False])
def test_decoder(case, prune):
    for _, decoder, io in case:
        latent = SparseTensor(cells(io["out.z_coords"]), io["out.z_mean"])
        with level_outputs(decoder) as levels:
            decoded = decoder(latent, prune=prune)
        for number, level in enumerate(levels):
            same_cells(level, io[f"mid.dec_level{number}_coords"], f"level {number}")
            if f"mid.dec_level{number}_feats" in io:
                assert_parity(level.feats, io[f"mid.dec_level{number}_feats"], f"level {number}")
        for number, logits in enumerate(decoded.logits):
            same_cells(logits, io[f"out.sub{number}_coords"], f"subdivision {number}")
            assert_parity(logits.feats, io[f"out.sub{number}_logits"], f"subdivision {number}")
        assert f"out.sub{len(decoded.logits)}_logits" not in io
        same_cells(decoded.raw, io["out.dec_coords"], "finest cells")
        assert_parity(decoded.raw.feats, io["out.dec_raw7"], "raw")
        assert_parity(decoded.dual_vertices, io["out.dual_vertex_fraction"], "dual vertices")
        assert_parity(decoded.split_weight, io["out.quad_lerp"], "split weight")
        assert torch.equal(decoded.intersected, io["out.intersected"])


@torch.inference_mode()
def test_decoding_along_the_encoders_way_back(case):
    for encoder, decoder, io in case:
        topology = cells(io["in.coords"])
        encoded = encoder(topology, io["in.dual_vertex_fraction"], io["in.intersected"])
        decoded = decoder(encoded.mean, encoded.pyramid)
        assert decoded.raw.topology is topology
        assert_parity(decoded.raw.feats, io["out.cached_dec_raw7"], "raw")
        for number, logits in enumerate(decoded.logits):
            recorded = io[f"out.cached_sub{number}_logits"]
            same_cells(logits, io[f"out.cached_sub{number}_coords"], f"subdivision {number}")
            assert_parity(logits.feats[: len(recorded)], recorded, f"subdivision {number}")


@torch.inference_mode()
def test_upsample(case):
    for _, decoder, io in case:
        latent = SparseTensor(cells(io["out.z_coords"]), io["out.z_mean"])
        levels = [n for n in range(1, 9) if f"out.upsample{n}_coords" in io]
        assert levels
        for n in levels:
            recorded = io[f"out.upsample{n}_coords"]
            got = decoder.upsample(latent, n)
            assert len(got) == len(recorded)
            same_cells(got, recorded, f"upsample {n}")


@torch.inference_mode()
def test_a_batch_is_its_items(case):
    for encoder, decoder, io in case:
        grid = SparseTensor(
            cells(io["in.coords"]),
            torch.cat([io["in.dual_vertex_fraction"], io["in.intersected"].float()], dim=1),
        )
        together = encoder(grid.topology, grid.feats[:, :3], grid.feats[:, 3:] > 0.5)
        items = grid.items()
        apart = [encoder(i.topology, i.feats[:, :3], i.feats[:, 3:] > 0.5) for i in items]
        joined = SparseTensor.concat([item.mean for item in apart])
        assert torch.equal(joined.coords, together.mean.coords)
        assert_parity(joined.feats, together.mean.feats, "latents")
        latents = [SparseTensor(i.topology, i.feats) for i in together.mean.items()]
        decoded = SparseTensor.concat([decoder(latent).raw for latent in latents])
        whole = decoder(SparseTensor(cells(together.mean.coords), together.mean.feats)).raw
        assert torch.equal(decoded.coords, whole.coords)
        assert_parity(decoded.feats, whole.feats, "decoded")
