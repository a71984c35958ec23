"""Materials for a given mesh."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine.assets.asset import Asset
from engine.assets.folder import load_asset, save_asset
from engine.export.mesh_file import save_mesh
from engine.finishing import given_mesh
from engine.mesh import Mesh
from engine.report import Cancelled, CancelToken, Report
from engine.residency.models import Models
from engine.systems.trellis2.rerun import job_again
from engine.systems.trellis2.texture import texture
from engine.systems.trellis2.upscale import upscale
from protocol.errors import EngineError
from protocol.jobs import TextureJob, UpscaleJob
from protocol.references import File
from protocol.samplers import Sampling
from tests.events import progress_to
from tests.finishing.shapes import box
from tests.systems.trellis2.test_generate import same_asset
from tests.systems.trellis2.toy import INPUTS, given, picture, toy_models

SIZE = (1.0, 0.6, 0.4)


@pytest.fixture(scope="module")
def models(toy: Path) -> Models:
    return toy_models(toy)


def job(mesh: Mesh | Path, **changes) -> TextureJob:
    source = File(str(mesh)) if isinstance(mesh, Path) else given(mesh)
    return TextureJob(**{"mesh": source, "picture": given(picture()), "resolution": 64} | changes)


def test_the_mesh_stays_and_its_place_does_not_matter(models: Models) -> None:
    at_home = texture(job(box(SIZE)), models, Report(), INPUTS)
    uvs = np.random.default_rng(0).random((12, 3, 2), np.float32)
    # Powers of two, so that the unit cube holds the same numbers.
    far = replace(box(SIZE), vertices=box(SIZE).vertices * 1024 + (512, -2048, 4096), uvs=uvs)
    asset = texture(job(far), models, Report(), INPUTS)
    assert np.array_equal(asset.mesh.vertices, far.vertices)
    assert np.array_equal(asset.mesh.faces, far.faces)
    assert asset.given_mesh is far
    assert asset.mesh.colors is not None
    assert at_home.mesh.colors is not None
    assert np.ptp(asset.mesh.colors, axis=0).max() > 0.01
    np.testing.assert_allclose(asset.mesh.colors, at_home.mesh.colors, atol=0.05)
    assert np.array_equal(asset.voxels.grid.coords, at_home.voxels.grid.coords)
    # Every vertex has voxels around it: no colour is missing.
    to_unit = asset.voxels.placement.to_unit(far.vertices)
    assert np.abs(to_unit).max() <= 0.5
    cells = np.floor((to_unit + 0.5) * 64).astype(int)
    for cell in cells:
        assert (np.abs(asset.voxels.grid.coords - cell).max(axis=1) <= 1).any()


def test_a_file_with_y_up_comes_back_in_its_own_coordinates(models: Models, tmp_path: Path) -> None:
    save_mesh(box(SIZE, centre=(1, 2, 3)), tmp_path / "box.glb")
    asset = texture(job(tmp_path / "box.glb"), models, Report(), INPUTS)
    expected = box(SIZE, centre=(1, 2, 3)).vertices
    got = asset.mesh.vertices
    np.testing.assert_allclose(got.min(axis=0), expected.min(axis=0), atol=1e-6)
    np.testing.assert_allclose(got.max(axis=0), expected.max(axis=0), atol=1e-6)


def test_the_highest_resolution_is_the_default(models: Models) -> None:
    asset = texture(job(box(SIZE), resolution=None), models, Report(), INPUTS)
    assert asset.voxels.grid.grid_size == 128
    assert asset.recipe["resolution"] == 128


def test_a_stored_asset_is_made_again(models: Models, tmp_path: Path) -> None:
    wanted = job(box(SIZE, centre=(1, 2, 3)), seed=9, samplers={"texture": Sampling(steps=2)})
    asset = texture(wanted, models, Report(), INPUTS)
    save_asset(asset, tmp_path / "a")
    again, inputs = job_again(load_asset(tmp_path / "a"))
    assert isinstance(again, TextureJob)
    repeated = texture(again, models, Report(), inputs)
    same_asset(repeated, asset)
    for name in set(asset.recipe) - {"notes", "made_with"}:
        assert repeated.recipe[name] == asset.recipe[name], name


def test_cancelled_while_voxels_are_made(models: Models) -> None:
    token = CancelToken()

    def listen(progress) -> None:
        if progress.stage == "voxels":
            token.cancel()

    with pytest.raises(Cancelled):
        texture(job(box(SIZE)), models, Report(progress_to(listen), cancel=token), INPUTS)


@pytest.mark.parametrize(
    ("mesh", "code"),
    [
        (Mesh(np.zeros((3, 3), np.float32), np.zeros((0, 3), np.int32)), "mesh_empty"),
        (Mesh(np.zeros((3, 3), np.float32), np.array([[0, 1, 2]], np.int32)), "mesh_flat"),
        (Path("absent.glb"), "mesh_absent"),
        (Path("mesh.txt"), "mesh_format"),
    ],
)
def test_meshes_that_are_refused(models: Models, mesh: Mesh | Path, code: str) -> None:
    with pytest.raises(EngineError) as caught:
        texture(job(mesh), models, Report(), INPUTS)
    assert caught.value.code == code


def huge_mesh() -> Mesh:
    """Ten million faces, of which no byte is copied."""
    faces = np.broadcast_to(np.array([[0, 1, 2]], np.int32), (10_000_000, 3))
    return Mesh(np.eye(3, dtype=np.float32), faces)


@pytest.mark.parametrize(
    ("run", "request_of"),
    [
        (texture, job),
        (upscale, lambda mesh: UpscaleJob(source=given(mesh), picture=given(picture()))),
    ],
)
def test_a_huge_mesh_is_refused_before_anything_else(
    models: Models, run: Callable[..., Asset], request_of: Callable[[Mesh], object]
) -> None:
    stages: list[str] = []
    report = Report(progress_to(lambda progress: stages.append(progress.stage)))
    with pytest.raises(EngineError, match=r"10,000,000 faces; more than 8,000,000") as caught:
        run(request_of(huge_mesh()), models, report, INPUTS)
    assert caught.value.code == "mesh_too_large"
    assert "Decimate" in caught.value.hint
    assert set(stages) == {"reading"}


def test_a_huge_mesh_file_is_refused(
    models: Models, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(given_mesh, "MOST_FACES", 11)
    save_mesh(box(SIZE), tmp_path / "box.ply")
    with pytest.raises(EngineError, match="12 faces; more than 11"):
        texture(job(tmp_path / "box.ply"), models, Report(), INPUTS)
