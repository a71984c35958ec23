"""The recorded tiny checkpoint through the loader, laid out as the published one."""

from pathlib import Path

import pytest

from engine.checkpoints.checkpoint import Checkpoint
from engine.networks.latent_flow import LatentFlow
from engine.networks.material_vae import MaterialDecoder
from engine.networks.shape_vae import ShapeDecoder, ShapeEncoder
from engine.networks.structure_flow import StructureFlow
from engine.networks.structure_vae import StructureDecoder
from tests.parity.recorded import case_checkpoint, checkpoint_network

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
    return case_checkpoint(goldens / "end_to_end" / "model")


def test_every_name_is_known(checkpoint: Checkpoint):
    assert checkpoint.models.keys() <= KINDS.keys()


@pytest.mark.parametrize("name", KINDS)
def test_a_network_loads(checkpoint: Checkpoint, name: str):
    assert isinstance(checkpoint_network(checkpoint, name), KINDS[name])


def test_generation_is_described(checkpoint: Checkpoint):
    generation = checkpoint.generation
    assert "sparse_structure_sampler" in generation.samplers
    assert "shape_slat_sampler" in generation.samplers
    assert "tex_slat_sampler" in generation.samplers
    assert generation.default_type in {"512", "1024", "1024_cascade", "1536_cascade"}


def test_texturing_is_described(checkpoint: Checkpoint):
    if checkpoint.texturing is None:
        pytest.skip("no texturing_pipeline.json was recorded")
    assert "sparse_structure_sampler" not in checkpoint.texturing.samplers
    assert "tex_slat_sampler" in checkpoint.texturing.samplers


def test_both_say_how_pictures_and_latents_are_made(checkpoint: Checkpoint):
    for spec in (checkpoint.generation, checkpoint.texturing):
        if spec is None:
            continue
        assert spec.image_encoder is not None
        assert spec.image_encoder.name == "DinoV3FeatureExtractor"
        assert "shape_slat_normalization" in spec.normalizations
        assert "tex_slat_normalization" in spec.normalizations
