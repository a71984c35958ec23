"""How an object was made: kept on it without secrets, shown, and made into settings again."""

import json
from dataclasses import replace
from typing import Any

import pytest

from blender_addon.core import recipes
from blender_addon.core.following import Followed, kind_of
from blender_addon.core.settings import (
    FinishSettings,
    GenerateSettings,
    Settings,
    StageSettings,
    TextureSettings,
    UpscaleSettings,
)
from blender_addon.protocol.errors import EngineError
from blender_addon.protocol.references import Attached, File, Stored

STAGES = {"shape": StageSettings(steps=7, guidance_strength=2.5)}
FINISH = FinishSettings(finish="game", faces=5000, texture_size=1024, closed=True, levels=2)
SOURCE = "0123456789abcdef" * 2


def followed(settings: Settings, job: Any) -> Followed:
    finish = None if isinstance(settings, FinishSettings) else settings.finish
    return Followed(
        id="f" * 32,
        title="chair",
        target=None,
        job=job,
        finish=finish.choice() if finish else None,
        kind=kind_of(job),
        picture_sha256="a" * 64,
        engine="maquette 0.1.0",
        checkpoint=getattr(settings, "checkpoint", ""),
    )


PICTURE = File("/home/me/secret place/chair.png")
GENERATE = GenerateSettings(
    quality="high", seed=9, matte="plain", stages=STAGES, fast=True, finish=FINISH
)
TEXTURE = TextureSettings(resolution=512, texture_size=4096, seed=0, stages=STAGES, fast=True)
UPSCALE = UpscaleSettings(quality="high", seed=4, fast=True, checkpoint="owner/repo")
CASES = [
    (GENERATE, GENERATE.jobs(PICTURE)[0]),
    (replace(GENERATE, finish=None), GENERATE.jobs(PICTURE)[0]),
    (replace(GENERATE, fast=False), replace(GENERATE, fast=False).jobs(PICTURE)[0]),
    (TEXTURE, TEXTURE.job(Attached("mesh"), PICTURE)),
    (UPSCALE, UPSCALE.job(Stored(SOURCE), None)),
    (FINISH, FINISH.job(SOURCE)),
]


@pytest.mark.parametrize(("settings", "job"), CASES)
def test_settings_survive_the_property(settings: Settings, job: Any) -> None:
    text = recipes.to_text(recipes.recipe_of(followed(settings, job)))
    assert "/home" not in text and "secret place" not in text
    recipe = recipes.read(text)
    assert recipes.settings_of(recipe) == settings
    assert (recipe["job"], recipe["title"]) == ("f" * 32, "chair")
    assert recipe["made_from"] == (
        SOURCE if isinstance(getattr(job, "source", None), Stored) else ""
    )


def test_what_is_of_one_machine_is_left_out() -> None:
    told = {
        "checkpoint": {"home": "/home/me/engine", "revision": "abc", "networks": {"a": "b"}},
        "cache": "C:\\Users\\me\\cache",
        "share": "\\\\server\\share",
        "url": "file:///home/me",
        "files": ["/tmp/a", "kept"],
        "quality": "draft",
    }
    settings = replace(GENERATE, checkpoint="/home/me/checkpoint")
    job = followed(settings, CASES[0][1])
    recipe = recipes.recipe_of(job, json.dumps(told).encode())
    assert recipe["checkpoint"] == ""
    assert recipe["made"] == {
        "checkpoint": {"revision": "abc", "networks": {"a": "b"}},
        "files": ["kept"],
        "quality": "draft",
    }
    assert recipes.recipe_of(job, b"{broken")["made"] == {}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{",
        "[" * 100_000,
        '{"kind": "generate", "settings": []}',
        '{"kind": "generate", "settings": {"samplers": {"shape": 3}}}',
        '{"kind": "cook", "settings": {}}',
        "{}",
        '{"kind": "generate", "settings": {"seed": 3}, "finish": [1]}',
    ],
)
def test_a_strange_recipe_is_a_sentence(text: str) -> None:
    with pytest.raises(EngineError) as caught:
        recipes.settings_of(recipes.read(text))
    assert caught.value.code == "recipe_unreadable" and caught.value.hint


def test_values_out_of_range_do_not_become_settings() -> None:
    with pytest.raises(EngineError):
        recipes.settings_of({"kind": "generate", "settings": {"seed": -4, "quality": "best"}})
    with pytest.raises(EngineError):
        recipes.settings_of({"kind": "generate", "finish": {"faces": "many"}})
    with pytest.raises(EngineError, match="fast is true or false"):
        recipes.settings_of({"kind": "texture", "settings": {"fast": "very"}})


def test_a_recipe_of_a_later_version_is_read_as_far_as_it_is_known() -> None:
    recipe = recipes.recipe_of(followed(GENERATE, CASES[0][1]))
    recipe["settings"]["mood"] = "happy"
    recipe["finish"]["gloss"] = 3
    assert recipes.settings_of(recipe) == GENERATE


def test_the_summary_is_for_people() -> None:
    rows = dict(recipes.summary(recipes.recipe_of(followed(GENERATE, CASES[0][1]))))
    assert rows == {
        "Made by": "Generate",
        "Picture": "chair",
        "Quality": "high",
        "Seed": "9",
        "Fast": "on",
        "Finish": "game",
        "Faces": "5000",
        "Texture size": "1024",
        "Surface": "closed",
        "Making the shape": "7 steps, guidance 2.5",
        "Engine": "maquette 0.1.0",
    }
    assert recipes.summary({"settings": 3, "finish": [], "kind": {}}) == ()
