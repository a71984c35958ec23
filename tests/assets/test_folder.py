"""Assets on disk."""

import errno
import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from engine.assets import folder as asset_folder
from engine.assets.asset import Asset
from engine.assets.folder import as_stored, load_asset, save_asset
from engine.report import Report
from engine.systems.trellis2.generate import generate
from engine.systems.trellis2.texture import texture
from protocol.errors import EngineError
from protocol.finishes import FinishAdvice
from protocol.jobs import GenerateJob, TextureJob
from tests.finishing.shapes import box
from tests.systems.trellis2.toy import INPUTS, given, picture, toy_models

FILES = {"recipe.json", "source.png", "latents.safetensors", "asset.vxz"}


@pytest.fixture(scope="module")
def assets(toy: Path) -> tuple[Asset, Asset]:
    models = toy_models(toy)
    made = generate(
        GenerateJob(picture=given(picture()), type="128_cascade"), models, Report(), INPUTS
    )
    job = TextureJob(mesh=given(box((2, 1, 1), (5, 0, 0))), picture=given(picture()), resolution=64)
    return made, texture(job, models, Report(), INPUTS)


def test_it_comes_back(assets: tuple[Asset, Asset], tmp_path: Path) -> None:
    for number, asset in enumerate(assets):
        folder = tmp_path / str(number)
        save_asset(asset, folder)
        assert {file.name for file in folder.iterdir()} == FILES
        assert len({file.stat().st_mode for file in folder.iterdir()}) == 1
        back = load_asset(folder)
        for name in ("coarse", "shape", "texture"):
            one, other = asset.latents[name], back.latents[name]
            assert torch.equal(one.coords, other.coords)
            assert torch.equal(one.feats, other.feats)
            assert one.resolution == other.resolution
        assert back.recipe == asset.recipe
        assert back.picture.tobytes() == asset.picture.tobytes()
        assert back.voxels.placement == asset.voxels.placement
        assert np.array_equal(back.voxels.grid.coords, asset.voxels.grid.coords)
        assert np.array_equal(back.voxels.grid.intersected, asset.voxels.grid.intersected)
        apart = np.abs(back.voxels.grid.dual_vertices - asset.voxels.grid.dual_vertices)
        assert apart.max() <= 2**-11
        clamped = np.clip(asset.voxels.materials, 0, 1)
        assert np.abs(back.voxels.materials - clamped).max() <= 0.5 / 255 + 1e-6
        assert len(back.mesh.faces) == len(asset.mesh.faces)
        assert (back.given_mesh is None) == (asset.given_mesh is None)


def test_what_is_stored_is_known_before(assets: tuple[Asset, Asset], tmp_path: Path) -> None:
    made, textured = assets
    mesh = textured.given_mesh
    assert mesh is not None
    shaded = replace(mesh, normals=np.tile(np.asarray([0.0, 0.0, 1.0]), (len(mesh.faces), 3, 1)))
    for number, asset in enumerate((made, replace(textured, given_mesh=shaded))):
        save_asset(asset, tmp_path / str(number))
        back, known = load_asset(tmp_path / str(number)), as_stored(asset)
        assert as_stored(known).voxels.materials.tobytes() == known.voxels.materials.tobytes()
        for read in (
            lambda a: a.voxels.materials,
            lambda a: a.voxels.grid.dual_vertices,
            lambda a: a.voxels.split_weight,
            lambda a: a.mesh.vertices,
            lambda a: a.mesh.faces,
            lambda a: a.mesh.colors,
            lambda a: a.given_mesh and a.given_mesh.vertices,
            lambda a: a.given_mesh and a.given_mesh.uvs,
            lambda a: a.given_mesh and a.given_mesh.normals,
        ):
            one, other = read(back), read(known)
            assert (one is None) == (other is None)
            assert one is None or (one.dtype, one.tobytes()) == (other.dtype, other.tobytes())


def test_advice_of_the_checkpoint_rides_along(assets: tuple[Asset, Asset], tmp_path: Path) -> None:
    advice = FinishAdvice(closed=True, resolution=64, faces=30_000)
    for asset, expected in zip(assets, (advice, None), strict=True):  # a given mesh stays as it is
        assert asset.finish_advice is None
        advised = replace(asset, recipe={**asset.recipe, "finishing": asdict(advice)})
        save_asset(advised, tmp_path / "a")
        assert load_asset(tmp_path / "a").finish_advice == expected


def test_an_asset_is_replaced_and_nothing_else_is(
    assets: tuple[Asset, Asset], tmp_path: Path
) -> None:
    save_asset(assets[0], tmp_path / "a")
    save_asset(assets[1], tmp_path / "a")
    assert load_asset(tmp_path / "a").given_mesh is not None
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "diary.txt").write_text("x")
    with pytest.raises(EngineError) as caught:
        save_asset(assets[0], tmp_path / "mine")
    assert caught.value.code == "folder_taken"
    assert (tmp_path / "mine" / "diary.txt").exists()


@pytest.mark.parametrize("step", ["save_file", "save_ovoxels"])
@pytest.mark.parametrize("before", [False, True])
def test_a_full_disk_leaves_nothing_half_written(
    assets: tuple[Asset, Asset],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    step: str,
    before: bool,
) -> None:
    if before:
        save_asset(assets[1], tmp_path / "a")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(asset_folder, step, full)
    with pytest.raises(EngineError) as caught:
        save_asset(assets[0], tmp_path / "a")
    assert caught.value.code == "disk_full"
    assert "a was not written" in caught.value.message
    assert [path.name for path in tmp_path.iterdir()] == (["a"] if before else [])
    if before:
        assert load_asset(tmp_path / "a").given_mesh is not None


@pytest.mark.parametrize("back", [True, False])
def test_the_old_asset_outlives_a_last_rename_that_fails(
    assets: tuple[Asset, Asset], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, back: bool
) -> None:
    target = tmp_path / "a"
    save_asset(assets[1], target)
    rename = Path.rename

    def busy(self: Path, to: Path) -> Path:
        if to == target and (self.name == "made" or not back):
            raise PermissionError(errno.EACCES, "in use")
        return rename(self, to)

    monkeypatch.setattr(Path, "rename", busy)
    with pytest.raises(EngineError) as caught:
        save_asset(assets[0], target)
    kept = target if back else tmp_path / ".a.old"
    assert caught.value.code == ("unwritable" if back else "asset_set_aside")
    assert "in use" in caught.value.message
    assert str(kept) in caught.value.message
    assert [path.name for path in tmp_path.iterdir()] == [kept.name]
    assert load_asset(kept).given_mesh is not None
    monkeypatch.undo()
    save_asset(assets[0], target)
    assert load_asset(target).given_mesh is None


def test_what_an_ended_process_left_is_cleared(assets: tuple[Asset, Asset], tmp_path: Path) -> None:
    save_asset(assets[1], tmp_path / ".a.old")
    save_asset(assets[1], tmp_path / "a")
    save_asset(assets[0], tmp_path / "a")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def without(name: str) -> Callable[[dict[str, Any]], object]:
    return lambda recipe: recipe.pop(name)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (dict.clear, "version is None"),
        (lambda recipe: recipe.update(version=3), "version is 3"),
        (without("kind"), "kind is None"),
        (lambda recipe: recipe.update(finishing={"closed": 1}), "neither true nor false"),
        (without("system"), "system is None"),
        (without("latents"), "latents are None"),
        (lambda recipe: recipe.update(latents=[1]), "latents are [1]"),
        (without("seed"), "seed is None"),
        (lambda recipe: recipe.update(seed=-1), "seed is -1"),
        (without("samplers"), "samplers are missing"),
        (lambda recipe: recipe["samplers"]["shape"].update(steps=0), "sampler for shape: "),
        (lambda recipe: recipe["samplers"]["shape"].update(speed=1), "'speed'"),
    ],
)
def test_a_recipe_without_what_others_need_is_damaged(
    assets: tuple[Asset, Asset],
    tmp_path: Path,
    damage: Callable[[dict[str, Any]], object],
    words: str,
) -> None:
    save_asset(assets[0], tmp_path / "a")
    file = tmp_path / "a" / "recipe.json"
    recipe = json.loads(file.read_text())
    damage(recipe)
    file.write_text(json.dumps(recipe))
    with pytest.raises(EngineError) as caught:
        load_asset(tmp_path / "a")
    assert caught.value.code == "asset_damaged"
    assert "recipe.json" in caught.value.message
    assert words in caught.value.message


@pytest.mark.parametrize("file", sorted(FILES))
def test_damage_is_named(assets: tuple[Asset, Asset], tmp_path: Path, file: str) -> None:
    save_asset(assets[0], tmp_path / "a")
    (tmp_path / "a" / file).write_bytes(b"\x00rubbish")
    with pytest.raises(EngineError) as caught:
        load_asset(tmp_path / "a")
    assert file in caught.value.message


def test_no_asset(tmp_path: Path) -> None:
    with pytest.raises(EngineError) as caught:
        load_asset(tmp_path)
    assert caught.value.code == "asset_missing"
