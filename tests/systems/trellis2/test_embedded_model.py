"""The small model that ships, on pictures of toys that it has never seen."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from engine import embedded
from engine.assets.asset import Asset
from engine.images.writing import png_bytes
from engine.mesh import Mesh
from engine.report import Report
from engine.residency.models import Models
from engine.systems.opening import load_checkpoint
from engine.systems.trellis2.generate import generate
from engine.systems.trellis2.routes import offer_of, qualities, type_names
from engine.systems.trellis2.texture import texture
from engine.systems.trellis2.upscale import upscale
from engine.training.metrics import f_score
from engine.training.recipe import EMBEDDED
from engine.training.toybox import make_toy, split_of
from protocol.errors import EngineError
from protocol.jobs import GenerateJob, TextureJob, UpscaleJob
from protocol.references import File
from protocol.samplers import Sampling
from tests.systems.trellis2.toy import INPUTS, given

EXAMPLES = Path(__file__).parents[3] / "examples"
PICTURE = File(str(EXAMPLES / "mushroom.png"))
MUSHROOM = 100_097
"""The seed of the toy in that picture, see examples/make_pictures.py."""
NEAR = 1 / 32
FEW = Sampling(steps=4)
ALL_FEW = {"structure": FEW, "shape": FEW, "texture": FEW}


@pytest.fixture(scope="module")
def models() -> Models:
    return Models(load_checkpoint(str(embedded.FOLDER), offline=True))


@pytest.fixture(scope="module")
def asset(models: Models) -> Asset:
    return generate(GenerateJob(picture=PICTURE, quality="standard"), models, Report(), INPUTS)


def the_true_mushroom() -> Mesh:
    toy = make_toy(MUSHROOM, "mushroom")
    assert split_of(MUSHROOM) == "held_out"
    return toy.mesh


def test_it_is_small_and_whole() -> None:
    files = [
        path for path in embedded.FOLDER.rglob("*") if path.suffix in (".json", ".safetensors")
    ]
    assert len(files) == 2 + 2 * 9
    assert sum(path.stat().st_size for path in files) <= 40e6


def test_a_picture_becomes_the_thing_in_it(asset: Asset) -> None:
    assert asset.voxels.grid.grid_size == 128
    truth = the_true_mushroom()
    near = f_score(asset.mesh, truth, NEAR, samples=2000)
    other = f_score(asset.mesh, make_toy(0).mesh, NEAR, samples=2000)
    assert near > 0.75 and near > other + 0.2


def test_it_says_how_its_results_are_finished(models: Models, asset: Asset) -> None:
    assert models.generation.finishing == EMBEDDED.finishing  # what a training writes is what ships
    assert asset.finish_advice == EMBEDDED.finishing and EMBEDDED.finishing.closed


def test_its_colours_are_those_of_the_picture(asset: Asset) -> None:
    """The cap is seen from above, the stem below it: both have their own colour."""
    height = asset.mesh.vertices[:, 2]
    materials = asset.voxels.materials_at(asset.mesh.vertices)
    cap = np.median(materials[height > np.quantile(height, 0.7), :3], axis=0)
    stem = np.median(materials[height < np.quantile(height, 0.2), :3], axis=0)
    assert np.abs(cap - stem).max() > 0.15


def test_every_preset_is_served(models: Models) -> None:
    assert qualities(offer_of(models)) == {"draft": "64", "standard": "128", "high": "128"}
    assert type_names(offer_of(models)) == ["64", "128", "192_cascade"]
    draft = generate(
        GenerateJob(picture=PICTURE, quality="draft", samplers=ALL_FEW),
        models,
        Report(),
    )
    assert draft.voxels.grid.grid_size == 64


def test_a_result_can_be_made_finer(models: Models, asset: Asset) -> None:
    job = UpscaleJob(source=given(asset), picture=PICTURE, samplers={"shape": FEW, "texture": FEW})
    finer = upscale(job, models, Report(), INPUTS)
    assert finer.voxels.grid.grid_size > asset.voxels.grid.grid_size
    assert f_score(finer.mesh, the_true_mushroom(), NEAR, samples=2000) > 0.6


def test_a_mesh_gets_the_materials_of_a_picture(models: Models) -> None:
    mesh = the_true_mushroom()
    job = TextureJob(mesh=given(mesh), picture=PICTURE, samplers={"texture": FEW})
    textured = texture(job, models, Report(), INPUTS)
    assert len(textured.mesh.faces) == len(mesh.faces)
    assert np.isfinite(textured.voxels.materials).all()


def png(pixels: np.ndarray) -> bytes:
    return png_bytes(Image.fromarray(pixels))


REFUSED = ("image_no_foreground", "background_not_plain", "structure_empty", "shape_empty")
ODD = {
    "drawing": lambda random: (EXAMPLES / "drawn_mushroom.png").read_bytes(),
    "empty wall": lambda random: png(np.full((200, 300, 3), 180, np.uint8)),
    "noise": lambda random: png(random.integers(0, 256, (200, 200, 3), np.uint8)),
    "shades": lambda random: png(np.tile(np.arange(256, dtype=np.uint8), (192, 1))),
}


@pytest.mark.parametrize("kind", ODD)
def test_pictures_unlike_the_training_ones(models: Models, kind: str) -> None:
    """They may look odd; they give a mesh, or one clear sentence."""
    picture = ODD[kind](np.random.default_rng(0))
    job = GenerateJob(picture=given(picture), samplers=ALL_FEW, quality="draft")
    try:
        asset = generate(job, models, Report(), INPUTS)
    except EngineError as error:
        assert error.code in REFUSED and error.hint
    else:
        assert len(asset.mesh.faces) > 0 and np.isfinite(asset.mesh.vertices).all()
