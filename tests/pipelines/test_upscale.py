"""Finer versions: of assets, from memory and from disk, and of meshes."""

from pathlib import Path

import numpy as np
import pytest

from engine.asset_folder import load_asset, save_asset
from engine.errors import EngineError
from engine.mesh import Mesh
from engine.models.residency import Models
from engine.pipelines.generate import generate
from engine.pipelines.jobs import GenerateJob, Sampling, TextureJob, UpscaleJob
from engine.pipelines.report import Report
from engine.pipelines.texture import texture
from engine.pipelines.upscale import upscale
from tests.pipelines.shapes import box
from tests.pipelines.test_generate import same_asset
from tests.pipelines.toy import picture, toy_models

SAMPLING = Sampling(steps=3, guidance_strength=4.0)


@pytest.fixture(scope="module")
def models(toy: Path) -> Models:
    return toy_models(toy)


@pytest.mark.parametrize("low", ["64", "128_cascade"])
def test_a_stored_asset_goes_on_exactly(models: Models, tmp_path: Path, low: str) -> None:
    def job(type: str) -> GenerateJob:
        return GenerateJob(picture=picture(), type=type, seed=3, shape=SAMPLING)

    save_asset(generate(job(low), models, Report()), tmp_path / "low")
    high = upscale(UpscaleJob(source=load_asset(tmp_path / "low")), models, Report())
    same_asset(high, generate(job("192_cascade"), models, Report()))
    # And the finer one can go on again.
    save_asset(high, tmp_path / "high")
    again = UpscaleJob(source=load_asset(tmp_path / "high"), type="128_cascade")
    same_asset(upscale(again, models, Report()), generate(job("128_cascade"), models, Report()))


def test_an_asset_without_a_coarse_stage_goes_on_from_its_own_shape(models: Models) -> None:
    asset = generate(GenerateJob(picture=picture(), type="128", seed=3), models, Report())
    high = upscale(UpscaleJob(source=asset), models, Report())
    assert high.grid.grid_size == 192
    assert high.latents.coarse.resolution == 128


def test_a_mesh_is_encoded_first_and_keeps_its_place(models: Models) -> None:
    mesh = box((2.0, 1.0, 0.5), centre=(10, -3, 7))
    job = UpscaleJob(source=mesh, picture=picture(), type="128_cascade", seed=1)
    asset = upscale(job, models, Report())
    assert asset.latents.structure is None
    assert asset.latents.coarse.resolution == 64
    assert asset.recipe["mesh_sha256"]
    # The toy networks make no box of a box, but they stay inside of its cells.
    low, high = asset.mesh.vertices.min(axis=0), asset.mesh.vertices.max(axis=0)
    margin = 2.0 * 3 / 8
    assert (low > np.array([9, -3.5, 6.75]) - margin).all()
    assert (high < np.array([11, -2.5, 7.25]) + margin).all()
    assert (np.abs((low + high) / 2 - (10, -3, 7)) < 1).all()
    same_asset(upscale(job, models, Report()), asset)


def test_a_textured_asset_can_be_upscaled(models: Models) -> None:
    job = TextureJob(mesh=box((1, 1, 1)), picture=picture(), resolution=64)
    asset = texture(job, models, Report())
    assert upscale(UpscaleJob(source=asset), models, Report()).grid.grid_size == 192


def test_what_is_refused(models: Models) -> None:
    asset = generate(GenerateJob(picture=picture(), type="64"), models, Report())
    with pytest.raises(EngineError) as caught:
        upscale(UpscaleJob(source=asset, type="64"), models, Report())
    assert caught.value.code == "type_not_finer"
    empty = Mesh(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32))
    with pytest.raises(EngineError) as caught:
        upscale(UpscaleJob(source=empty, picture=picture()), models, Report())
    assert caught.value.code == "mesh_empty"
