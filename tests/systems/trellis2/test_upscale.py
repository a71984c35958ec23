"""Finer versions: of assets, from memory and from disk, and of meshes."""

from pathlib import Path

import numpy as np
import pytest

from engine.assets.folder import load_asset, save_asset
from engine.mesh import Mesh
from engine.report import Report
from engine.residency.models import Models
from engine.systems.trellis2.expected import expected_stages
from engine.systems.trellis2.generate import generate
from engine.systems.trellis2.names import MAX_TOKENS, SHAPE_DECODER, SHAPE_ENCODER
from engine.systems.trellis2.needs import codec_bytes, needs_of_upscaling
from engine.systems.trellis2.rerun import job_again
from engine.systems.trellis2.routes import offer_of, route_of
from engine.systems.trellis2.texture import texture
from engine.systems.trellis2.upscale import upscale
from protocol.errors import EngineError
from protocol.jobs import GenerateJob, TextureJob, UpscaleJob
from protocol.references import File
from protocol.samplers import Sampling
from tests.finishing.shapes import box
from tests.systems.trellis2.test_generate import same_asset
from tests.systems.trellis2.toy import INPUTS, given, picture, toy_models

SAMPLING = Sampling(steps=3, guidance_strength=4.0)


@pytest.fixture(scope="module")
def models(toy: Path) -> Models:
    return toy_models(toy)


@pytest.mark.parametrize("low", ["64", "128_cascade"])
def test_a_stored_asset_goes_on_exactly(models: Models, tmp_path: Path, low: str) -> None:
    def job(type: str) -> GenerateJob:
        return GenerateJob(
            picture=given(picture()), type=type, seed=3, samplers={"shape": SAMPLING}
        )

    save_asset(generate(job(low), models, Report(), INPUTS), tmp_path / "low")
    high = upscale(UpscaleJob(source=File(str(tmp_path / "low"))), models, Report(), INPUTS)
    same_asset(high, generate(job("192_cascade"), models, Report(), INPUTS))
    # And the finer one can be continued again.
    save_asset(high, tmp_path / "high")
    again = UpscaleJob(source=given(load_asset(tmp_path / "high")), type="208_cascade")
    same_asset(
        upscale(again, models, Report(), INPUTS),
        generate(job("208_cascade"), models, Report(), INPUTS),
    )


@pytest.mark.parametrize("source", ["asset", "mesh", "textured mesh"])
def test_an_upscaled_asset_is_made_again_from_its_folder(
    models: Models, tmp_path: Path, source: str
) -> None:
    mesh = box((2.0, 1.0, 0.5), centre=(10, -3, 7))
    if source == "asset":
        origin = generate(
            GenerateJob(picture=given(picture()), type="64", seed=3), models, Report(), INPUTS
        )
    elif source == "textured mesh":
        job = TextureJob(mesh=given(mesh), picture=given(picture()), resolution=64)
        origin = texture(job, models, Report(), INPUTS)
    else:
        origin = mesh
    job = UpscaleJob(
        source=given(origin),
        picture=given(picture((0, 90, 200))),
        seed=8,
        samplers={"texture": SAMPLING},
    )
    asset = upscale(job, models, Report(), INPUTS)
    save_asset(asset, tmp_path / "a")
    again, inputs = job_again(load_asset(tmp_path / "a"))
    assert isinstance(again, UpscaleJob)
    repeated = upscale(again, models, Report(), inputs)
    same_asset(repeated, asset)
    assert (asset.recipe["mesh_sha256"] is None) == (source == "asset")
    for name in ("seed", "type", "resolution", "max_tokens", "samplers", "coarse_draws",
                 "picture_sha256", "mesh_sha256"):  # fmt: skip
        assert repeated.recipe[name] == asset.recipe[name], name


def test_a_mesh_is_made_finer_with_the_picture_of_an_asset(models: Models) -> None:
    made = GenerateJob(picture=given(picture()), type="64", seed=3)
    asset = generate(made, models, Report(), INPUTS)
    mesh = box((2.0, 1.0, 0.5))
    shown, alike = (
        upscale(UpscaleJob(source=given(mesh), picture=given(one)), models, Report(), INPUTS)
        for one in (asset, asset.picture)
    )
    same_asset(shown, alike)
    assert shown.recipe["mesh_sha256"]


@pytest.mark.parametrize("source", ["asset", "mesh"])
def test_the_stages_that_come_are_those_that_were_expected(
    models: Models, tmp_path: Path, source: str
) -> None:
    if source == "asset":
        made = GenerateJob(picture=given(picture()), type="64", seed=3)
        save_asset(generate(made, models, Report(), INPUTS), tmp_path / "a")
        job = UpscaleJob(source=File(str(tmp_path / "a")))
    else:
        mesh = box((2.0, 1.0, 0.5))
        job = UpscaleJob(source=given(mesh), picture=given(picture()))
    told: list[str] = []
    upscale(job, models, Report(lambda e: told.append(getattr(e, "stage", ""))), INPUTS)
    assert tuple(dict.fromkeys(filter(None, told))) == expected_stages(job, models)


def test_an_asset_without_a_coarse_stage_goes_on_from_its_own_shape(models: Models) -> None:
    asset = generate(
        GenerateJob(picture=given(picture()), type="128", seed=3), models, Report(), INPUTS
    )
    high = upscale(UpscaleJob(source=given(asset)), models, Report(), INPUTS)
    assert high.voxels.grid.grid_size == 192
    assert high.latents["coarse"].resolution == 128


def test_a_mesh_is_encoded_first_and_keeps_its_place(models: Models) -> None:
    mesh = box((2.0, 1.0, 0.5), centre=(10, -3, 7))
    job = UpscaleJob(source=given(mesh), picture=given(picture()), type="128_cascade", seed=1)
    asset = upscale(job, models, Report(), INPUTS)
    assert "structure" not in asset.tensors
    assert asset.latents["coarse"].resolution == 64
    assert asset.recipe["mesh_sha256"]
    # The toy networks make no box of a box, but they stay inside of its cells.
    low, high = asset.mesh.vertices.min(axis=0), asset.mesh.vertices.max(axis=0)
    margin = 2.0 * 3 / 8
    assert (low > np.array([9, -3.5, 6.75]) - margin).all()
    assert (high < np.array([11, -2.5, 7.25]) + margin).all()
    assert (np.abs((low + high) / 2 - (10, -3, 7)) < 1).all()
    same_asset(upscale(job, models, Report(), INPUTS), asset)


def test_a_textured_asset_can_be_upscaled(models: Models) -> None:
    job = TextureJob(mesh=given(box((1, 1, 1))), picture=given(picture()), resolution=64)
    asset = texture(job, models, Report(), INPUTS)
    assert (
        upscale(UpscaleJob(source=given(asset)), models, Report(), INPUTS).voxels.grid.grid_size
        == 192
    )


def test_changes_leave_the_rest_of_the_assets_settings(models: Models) -> None:
    job = GenerateJob(picture=given(picture()), type="64", samplers={"shape": SAMPLING})
    asset = generate(job, models, Report(), INPUTS)
    changed = UpscaleJob(
        source=given(asset), samplers={"shape": Sampling(steps=2)}, type="128_cascade"
    )
    shape = upscale(changed, models, Report(), INPUTS).recipe["samplers"]["shape"]
    assert (shape["steps"], shape["guidance_strength"]) == (2, 4.0)


def test_a_plan_has_the_encoder_for_a_mesh_and_the_assets_own_coarse_shape(models: Models) -> None:
    route = route_of(offer_of(models), "192_cascade")
    mesh = needs_of_upscaling(models, route, MAX_TOKENS, None)
    assert SHAPE_ENCODER in {use.name for use in mesh}
    asset = generate(
        GenerateJob(picture=given(picture()), type="128", seed=3), models, Report(), INPUTS
    )
    uses = needs_of_upscaling(models, route, MAX_TOKENS, asset)
    assert SHAPE_ENCODER not in {use.name for use in uses}
    count = len(asset.latents["coarse"].coords)
    upsample = next(use for use in uses if use.name == SHAPE_DECODER)
    assert upsample.working_bytes == codec_bytes(models, SHAPE_DECODER, count, upsample=True)


@pytest.mark.parametrize(
    ("made", "wanted", "hint"),
    [
        ("64", "64", "Choose one of 128_cascade, 192_cascade, 256_cascade."),
        ("128", "128_cascade", "Choose one of 192_cascade, 256_cascade."),
        ("192_cascade", "128_cascade", "Choose one of 256_cascade."),
        ("192_cascade", None, "No quality of this checkpoint does; give a type: 256_cascade."),
    ],
)
def test_what_would_not_be_finer_is_refused(
    models: Models, made: str, wanted: str | None, hint: str
) -> None:
    asset = generate(GenerateJob(picture=given(picture()), type=made), models, Report(), INPUTS)
    with pytest.raises(EngineError) as caught:
        upscale(UpscaleJob(source=given(asset), type=wanted), models, Report(), INPUTS)
    assert caught.value.code == "type_not_finer"
    assert caught.value.hint == hint


@pytest.mark.parametrize(
    ("made", "wanted", "sentence"),
    [
        ("64", "draft", "The quality draft samples a shape only once."),
        ("128_cascade", "standard", "The asset has 128^3 voxels already"),
    ],
)
def test_it_is_refused_in_the_words_that_the_user_typed(
    models: Models, made: str, wanted: str, sentence: str
) -> None:
    asset = generate(GenerateJob(picture=given(picture()), type=made), models, Report(), INPUTS)
    with pytest.raises(EngineError) as caught:
        upscale(UpscaleJob(source=given(asset), quality=wanted), models, Report(), INPUTS)
    assert caught.value.message.startswith(sentence)
    assert caught.value.hint.startswith("Choose the quality ") and "high" in caught.value.hint
    assert "cascade" not in str(caught.value)


def test_what_would_be_lowered_to_nothing_finer_is_refused(models: Models) -> None:
    asset = generate(GenerateJob(picture=given(picture()), type="128"), models, Report(), INPUTS)
    with pytest.raises(EngineError, match="--max-tokens") as caught:
        upscale(UpscaleJob(source=given(asset), max_tokens=1), models, Report(), INPUTS)
    assert caught.value.code == "type_not_finer"


def test_an_empty_mesh_is_refused(models: Models) -> None:
    empty = Mesh(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32))
    with pytest.raises(EngineError) as caught:
        upscale(UpscaleJob(source=given(empty), picture=given(picture())), models, Report(), INPUTS)
    assert caught.value.code == "mesh_empty"
