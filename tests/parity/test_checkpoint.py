"""The recorded tiny checkpoint through the loader, laid out as the published one."""

from pathlib import Path

import pytest

from engine.models.checkpoint import Checkpoint, load_checkpoint
from engine.models.latent_flow import LatentFlow
from engine.models.material_vae import MaterialDecoder
from engine.models.shape_vae import ShapeDecoder, ShapeEncoder
from engine.models.structure_flow import StructureFlow
from engine.models.structure_vae import StructureDecoder

KINDS = {
    "sparse_structure_flow_model": StructureFlow,
    "sparse_structure_decoder": StructureDecoder,
    "shape_slat_flow_model_512": LatentFlow,
    "shape_slat_flow_model_1024": LatentFlow,
    "shape_slat_decoder": ShapeDecoder,
    "shape_slat_encoder": ShapeEncoder,
    "tex_slat_flow_model_512": LatentFlow,
    "tex_slat_flow_model_1024": LatentFlow,
    "tex_slat_decoder": MaterialDecoder,
}


@pytest.fixture(scope="module")
def checkpoint(goldens: Path) -> Checkpoint:
    return load_checkpoint(goldens / "end_to_end" / "model", offline=True)


def test_every_network_loads(checkpoint: Checkpoint):
    assert checkpoint.models.keys() == KINDS.keys()
    for name, kind in KINDS.items():
        assert isinstance(checkpoint.network(name), kind), name


def test_both_pipelines_are_described(checkpoint: Checkpoint):
    generation, texturing = checkpoint.generation, checkpoint.texturing
    assert texturing is not None
    assert generation.structure_sampler is not None
    assert generation.shape_sampler is not None
    assert texturing.structure_sampler is None
    assert texturing.texture_sampler == generation.texture_sampler
    for spec in (generation, texturing):
        assert spec.image_encoder is not None
        assert spec.image_encoder.name == "DinoV3FeatureExtractor"
        assert spec.shape_normalization is not None
        assert spec.texture_normalization is not None
        assert len(spec.shape_normalization.mean) == len(spec.texture_normalization.std) == 32
    assert generation.default_type == "1024_cascade"
