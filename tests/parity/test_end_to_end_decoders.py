"""Both decoders on the latents of whole recorded runs."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from engine.sparse import SparseTensor
from tests.parity.sc_vae_cases import cells, load, same_cells
from tests.tolerances import assert_parity


@pytest.fixture(scope="module")
def folder(goldens: Path) -> Path:
    if not (goldens / "end_to_end").is_dir():
        pytest.skip(f"no end_to_end case in {goldens}")
    return goldens / "end_to_end"


@pytest.fixture(scope="module")
def decoders(folder: Path):
    ckpts = folder / "model" / "ckpts"

    def named(start: str):
        (config,) = ckpts.glob(f"{start}*.json")
        return load(config, config.with_suffix(".safetensors"))

    return named("shape_dec"), named("tex_dec")


@pytest.fixture(scope="module")
def runs(folder: Path):
    found = [load_file(file) for file in sorted(folder.glob("run_*.safetensors"))]
    return [io for io in found if "out.dec_raw7" in io], [io for io in found if "in.faces" in io]


@torch.inference_mode()
def test_shape_and_material(decoders, runs):
    shape_decoder, material_decoder = decoders
    generated, _ = runs
    assert generated
    for io in generated:
        topology = cells(io["out.shape_slat_coords"])
        shape = shape_decoder(SparseTensor(topology, io["out.shape_slat"]))
        for number, logits in enumerate(shape.logits):
            same_cells(logits, io[f"out.sub{number}_coords"], f"subdivision {number}")
            assert_parity(logits.feats, io[f"out.sub{number}_logits"], f"subdivision {number}")
        same_cells(shape.raw, io["out.dec_coords"], "finest cells")
        assert_parity(shape.raw.feats, io["out.dec_raw7"], "raw")
        assert torch.equal(shape.intersected, io["out.dec_raw7"][:, 3:6] > 0)
        material = material_decoder(SparseTensor(topology, io["out.tex_slat"]), shape.pyramid)
        assert material.raw.topology is shape.raw.topology
        same_cells(material.raw, io["out.pbr_coords"], "material cells")
        assert_parity(material.attributes, io["out.pbr_attrs"], "attributes")


@torch.inference_mode()
def test_cascade_upsampling(decoders, runs):
    cascades = [io for io in runs[0] if "out.hr_coords" in io]
    assert cascades
    for io in cascades:
        latent = SparseTensor(cells(io["out.ss_coords"]), io["out.lr_shape_slat"])
        got = decoders[0].upsample(latent, 4)
        assert len(got) == len(io["out.hr_coords"])
        same_cells(got, io["out.hr_coords"], "fine cells")


@torch.inference_mode()
def test_texturing_a_given_mesh(decoders, runs):
    _, textured = runs
    assert textured
    for io in textured:
        level = cells(io["out.pbr_coords"])
        links = []
        while len(links) < 4:
            links.insert(0, level.coarsen())
            level = links[0].parents
        same_cells(level, io["out.shape_slat_coords"], "latent cells")
        material = decoders[1](SparseTensor(level, io["out.tex_slat"]), tuple(links))
        assert_parity(material.attributes, io["out.pbr_attrs"], "attributes")
