"""Recipes of TRELLIS.2: older ones, damaged ones, and those of other systems."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.assets.asset import Asset
from engine.assets.folder import load_asset, save_asset
from engine.report import Report
from engine.residency.models import Models
from engine.systems.trellis2.generate import generate
from engine.systems.trellis2.rerun import job_again
from engine.systems.trellis2.upscale import upscale
from protocol.errors import EngineError
from protocol.jobs import GenerateJob, UpscaleJob
from protocol.references import File
from tests.systems.trellis2.test_generate import same_asset
from tests.systems.trellis2.toy import INPUTS, given, picture, toy_models


@pytest.fixture(scope="module")
def models(toy: Path) -> Models:
    return toy_models(toy)


@pytest.fixture(scope="module")
def asset(models: Models) -> Asset:
    job = GenerateJob(picture=given(picture()), quality="draft", seed=3)
    return generate(job, models, Report(), INPUTS)


def rewrite(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    recipe = json.loads((folder / "recipe.json").read_text())
    change(recipe)
    (folder / "recipe.json").write_text(json.dumps(recipe))


def test_a_recipe_names_its_system_quality_and_latents(asset: Asset) -> None:
    recipe = asset.recipe
    assert (recipe["version"], recipe["system"], recipe["quality"]) == (2, "trellis2", "draft")
    assert recipe["latents"] == list(asset.latents) == ["coarse", "shape", "texture"]


def test_assets_of_version_1_are_read_continued_and_made_again(
    models: Models, asset: Asset, tmp_path: Path
) -> None:
    folder = tmp_path / "a"
    save_asset(asset, folder)

    def age(recipe: dict[str, Any]) -> None:
        for name in ("system", "quality", "latents"):
            del recipe[name]
        recipe["version"] = 1

    rewrite(folder, age)
    old = load_asset(folder)
    assert (old.recipe["version"], old.recipe["system"]) == (2, "trellis2")
    job, inputs = job_again(old)
    assert job.system == "trellis2"
    same_asset(generate(job, models, Report(), inputs), asset)  # pyright: ignore[reportArgumentType]
    finer = upscale(UpscaleJob(source=File(str(folder))), models, Report())
    same_asset(finer, upscale(UpscaleJob(source=given(asset)), models, Report(), INPUTS))


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda recipe: recipe.pop("max_tokens"), "max_tokens is None"),
        (lambda recipe: recipe.pop("type"), "type is missing"),
        (lambda recipe: recipe.pop("coarse_draws"), "coarse_draws are missing"),
        (lambda recipe: recipe.update(coarse_draws=[[1, "x"]]), "[1, 'x']"),
        (lambda recipe: recipe.update(latents=["shape", "texture"]), "latents lack coarse"),
        (lambda recipe: recipe["samplers"].pop("texture"), "samplers are missing"),
        (lambda recipe: recipe["samplers"].update(colour={"steps": 3}), "of other stages"),
    ],
)
def test_nothing_continues_from_a_damaged_recipe(
    models: Models,
    asset: Asset,
    tmp_path: Path,
    damage: Callable[[dict[str, Any]], object],
    words: str,
) -> None:
    save_asset(asset, tmp_path / "a")
    rewrite(tmp_path / "a", damage)
    with pytest.raises(EngineError) as caught:
        upscale(UpscaleJob(source=File(str(tmp_path / "a"))), models, Report())
    assert caught.value.code == "asset_damaged"
    assert words in caught.value.message
    with pytest.raises(EngineError) as caught:
        job_again(load_asset(tmp_path / "a"))
    assert words in caught.value.message


def test_latents_of_another_system_are_refused(
    models: Models, asset: Asset, tmp_path: Path
) -> None:
    save_asset(asset, tmp_path / "a")
    rewrite(tmp_path / "a", lambda recipe: recipe.update(system="boxes"))
    with pytest.raises(EngineError, match="boxes") as caught:
        upscale(UpscaleJob(source=File(str(tmp_path / "a"))), models, Report())
    assert caught.value.code == "asset_foreign"
