"""A job that failed is tried again with other settings of its own kind, from its own."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from blender_addon.core.following import Followed
from blender_addon.core.settings import (
    FinishSettings,
    GenerateSettings,
    Settings,
    StageSettings,
    TextureSettings,
    UpscaleSettings,
)
from blender_addon.core.snapshot import CheckpointView, QualityView
from blender_addon.core.trying_again import changed, settings_of, values_of
from blender_addon.protocol.errors import EngineError
from blender_addon.protocol.jobs import Job
from blender_addon.protocol.references import Attached, Stored
from tests.addon.core.engine import HERE, Desk, picture
from tests.addon.core.test_trouble import QUICK
from tests.service.peer import Server

Spawn = Callable[..., Server]
MakeDesk = Callable[..., Desk]
NETWORKS = CheckpointView(
    name="networks",
    small=False,
    qualities=(QualityView(name="draft", resolution=512), QualityView(name="high", resolution=2)),
    default_quality="draft",
    faces=50_000,
)
STORED, ATTACHED = Stored("0" * 32), Attached("picture")
STEPS = {"shape": StageSettings(steps=30)}


def followed(settings: Settings, **others: Any) -> Followed:
    match settings:
        case GenerateSettings():
            job: Job = settings.jobs(ATTACHED)[0]
        case TextureSettings():
            job = settings.job(ATTACHED, ATTACHED)
        case UpscaleSettings():
            job = settings.job(STORED, None)
        case FinishSettings():
            job = settings.job(STORED.job)
    finish = None if isinstance(settings, FinishSettings) else settings.finish
    kind = type(settings).__name__.removesuffix("Settings").lower()
    return Followed(
        id="1" * 32, title="chair", target=HERE, kind=kind, job=job,
        finish=finish.choice() if finish else None, **others,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        (
            GenerateSettings(quality="high", seed=7, stages=STEPS, fast=True, matte="plain"),
            {"quality", "seed", "faces", "texture_size", "surface"},
        ),
        (GenerateSettings(finish=None), {"quality", "seed"}),
        (TextureSettings(seed=3, resolution=512, texture_size=4096), {"seed", "texture_size"}),
        (UpscaleSettings(), {"quality", "faces", "texture_size", "surface"}),
        (
            FinishSettings(finish="game", closed=True),
            {"faces", "texture_size", "surface", "levels", "normal_map", "hull"},
        ),
    ],
)
def test_a_dialog_has_what_the_job_has_and_changes_nothing_by_itself(
    settings: Settings, names: set[str]
) -> None:
    found = settings_of(followed(settings, checkpoint="/weights/own"))
    if isinstance(settings, FinishSettings):
        assert found == settings
    else:
        assert found == replace(settings, checkpoint="/weights/own")
    values = values_of(found, NETWORKS)
    assert set(values) == names
    assert changed(found, values, values) == found
    assert changed(found, values, {**values, "further": 1}) == found


def test_the_values_are_what_the_networks_and_the_finish_mean() -> None:
    assert values_of(GenerateSettings(), NETWORKS) == {
        "quality": "draft", "seed": 42, "faces": 50_000, "texture_size": 2048, "surface": "auto",
    }  # fmt: skip
    assert values_of(UpscaleSettings(), NETWORKS)["quality"] == "high"
    game = values_of(FinishSettings(finish="game", closed=False))
    assert (game["faces"], game["surface"], game["levels"]) == (20_000, "open", 4)
    assert game["normal_map"] and game["hull"]


def test_only_what_was_changed_is_changed() -> None:
    old = GenerateSettings(stages=STEPS, matte="plain", finish=FinishSettings(finish="full"))
    values = values_of(old, NETWORKS)
    new = changed(old, values, {**values, "quality": "high", "texture_size": 1024})
    assert new == replace(
        old, quality="high", finish=FinishSettings(finish="full", texture_size=1024)
    )
    old = FinishSettings(finish="game")
    values = values_of(old)
    new = changed(old, values, {**values, "hull": False, "levels": 2, "surface": "closed"})
    assert new == FinishSettings(finish="game", collision_hull=False, levels=2, closed=True)
    solid = changed(old, values, {**values, "surface": "solid"})
    assert isinstance(solid, FinishSettings) and (solid.closed, solid.solid) == (True, True)
    assert values_of(solid)["surface"] == "solid" and solid.choice().settled().solid
    old = TextureSettings(resolution=512)
    values = values_of(old)
    assert changed(old, values, {**values, "seed": 1}) == replace(old, seed=1)


def test_a_job_that_nobody_knows_the_settings_of_says_so() -> None:
    with pytest.raises(EngineError, match="has not told yet"):
        settings_of(Followed(id="1" * 32, title="chair", target=None))


def test_a_failed_job_is_tried_again_from_its_own_settings(spawn: Spawn, desk: MakeDesk) -> None:
    failure = {"code": "memory", "message": "The memory is full.", "hint": "Choose draft."}
    spawn({"jobs": [[QUICK[0], {"fail": failure}], QUICK]})
    blender = desk()
    blender.ready()
    settings = GenerateSettings(seed=4, quality="high", stages=STEPS, matte="plain")
    (job,) = blender.session.generate(settings, HERE, picture())
    blender.reach(job, "failed")
    found = blender.session.settings_of(job)
    assert found == settings
    values = values_of(found)
    wanted = {**values, "quality": "draft", "seed": 5}
    again = blender.session.retry(job, changed(found, values, wanted))
    blender.reach(again, "done")
    made = blender.delivered[-1].recipe["settings"]
    assert (made["quality"], made["seed"], made["matte"]) == ("draft", 5, "plain")
    assert made["samplers"]["shape"]["steps"] == 30
    with pytest.raises(EngineError, match="not in the list"):
        blender.session.settings_of(job)
