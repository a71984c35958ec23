"""Both decoders on the latents of whole recorded runs."""

from pathlib import Path

import pytest
import torch

from engine.checkpoints.checkpoint import Checkpoint
from engine.sparse import SparseTensor, Subdivision
from tests.parity.recorded import (
    assert_cells,
    assert_levels,
    assert_rows,
    case_checkpoint,
    cases,
    cells,
    checkpoint_network,
    need_tensors,
    recording,
)


@pytest.fixture(scope="module")
def checkpoint(goldens: Path) -> Checkpoint:
    return case_checkpoint(goldens / "end_to_end" / "model")


@pytest.fixture(scope="module")
def shape_decoder(checkpoint: Checkpoint):
    return checkpoint_network(checkpoint, "shape_slat_decoder")


@pytest.fixture(scope="module")
def material_decoder(checkpoint: Checkpoint):
    return checkpoint_network(checkpoint, "tex_slat_decoder")


@pytest.fixture(scope="module", params=cases("end_to_end/run_*.safetensors"))
def io(request, goldens: Path):
    return recording(goldens / request.param)


@torch.inference_mode()
def test_shape(shape_decoder, io):
    need_tensors(io, "out.shape_slat_coords", "out.shape_slat", "out.dec_coords", "out.dec_raw7")
    shape = shape_decoder(SparseTensor(cells(io["out.shape_slat_coords"]), io["out.shape_slat"]))
    assert_levels(shape.logits, io, "out.sub", "logits")
    assert_cells(shape.raw, io["out.dec_coords"], "finest cells")
    assert_rows(shape.raw.feats, io["out.dec_raw7"], "raw")
    recorded = io["out.dec_raw7"][:, 3:6] > 0
    assert torch.equal(shape.intersected[: len(recorded)], recorded)


@torch.inference_mode()
def test_material_guided_by_the_shape(shape_decoder, material_decoder, io):
    need_tensors(io, "out.dec_raw7", "out.tex_slat", "out.pbr_coords", "out.pbr_attrs")
    topology = cells(io["out.shape_slat_coords"])
    shape = shape_decoder(SparseTensor(topology, io["out.shape_slat"]))
    material = material_decoder(SparseTensor(topology, io["out.tex_slat"]), shape.pyramid)
    assert material.raw.topology is shape.raw.topology
    assert_cells(material.raw, io["out.pbr_coords"], "material cells")
    assert_rows(material.attributes, io["out.pbr_attrs"], "attributes")


@torch.inference_mode()
def test_cascade_upsampling(shape_decoder, io):
    need_tensors(io, "out.hr_coords", "out.ss_coords", "out.lr_shape_slat")
    latent = SparseTensor(cells(io["out.ss_coords"]), io["out.lr_shape_slat"])
    got = shape_decoder.upsample(latent, len(shape_decoder.blocks) - 1)
    assert_cells(got, io["out.hr_coords"], "fine cells")


@torch.inference_mode()
def test_texturing_a_given_mesh(material_decoder, io):
    need_tensors(io, "in.faces", "out.pbr_coords", "out.shape_slat_coords", "out.tex_slat")
    level = cells(io["out.pbr_coords"])
    links: list[Subdivision] = []
    while len(links) < len(material_decoder.blocks) - 1:
        links.insert(0, level.coarsen())
        level = links[0].parents
    assert_cells(level, io["out.shape_slat_coords"], "latent cells")
    material = material_decoder(SparseTensor(level, io["out.tex_slat"]), tuple(links))
    assert_rows(material.attributes, io["out.pbr_attrs"], "attributes")
