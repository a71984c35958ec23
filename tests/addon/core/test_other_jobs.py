"""Retexture, upscale, finish again, and waiting without a timer."""

from array import array
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from blender_addon.core.costs import (
    UNKNOWN,
    cost_of_generating,
    cost_of_texturing,
    cost_of_upscaling,
)
from blender_addon.core.deliveries import Delivery, Placed
from blender_addon.core.settings import (
    FinishSettings,
    GenerateSettings,
    TextureSettings,
    UpscaleSettings,
)
from blender_addon.core.snapshot import JobView
from blender_addon.core.waiting import wait
from blender_addon.protocol.errors import EngineError
from blender_addon.protocol.layout import views
from blender_addon.protocol.wire import Shaped
from tests.addon.core.engine import HERE, Desk, picture
from tests.service.peer import Server

Spawn = Callable[..., Server]
MakeDesk = Callable[..., Desk]
WHOLE: list[dict[str, Any]] = [
    {"stage": "structure"},
    {"part": "structure"},
    {"stage": "shape"},
    {"part": "mesh", "faces": 200},
    {"stage": "bake", "steps": 2, "seconds": 0.2},
    *(
        {"part": name}
        for name in ("finished", "textures", "finished_lod1", "textures_lod1", "hull")
    ),
    *({"part": name} for name in ("thumbnail", "recipe", "model")),
]
POSITIONS = array("f", [0, 0, 0, 1, 0, 0, 1, 1, 0, 0, 1, 0])
CORNERS = array("i", [0, 1, 2, 0, 2, 3])
MESH = {
    "position": Shaped(memoryview(POSITIONS).cast("B"), "float32", (4, 3)),
    "corner_vert": Shaped(memoryview(CORNERS).cast("B"), "int32", (6,)),
}
MINE = replace(HERE, object=5, object_name="Chair")
ALL = {"finished", "textures", "finished_lod1", "textures_lod1", "hull", "recipe"}


def test_new_materials_for_a_mesh(spawn: Spawn, desk: MakeDesk) -> None:
    spawn({"jobs": [WHOLE]})
    blender = desk()
    blender.ready()
    target = replace(MINE, purpose="retexture")
    settings = TextureSettings(seed=0, texture_size=1024)
    job = blender.session.texture(settings, MESH, target, picture())
    assert (blender.job(job).kind, blender.job(job).target) == ("texture", "Chair")
    blender.reach(job, "done")
    (delivery,) = blender.delivered  # no block-in: the object is not replaced
    assert delivery.stage == "finished" and delivery.target == target
    mesh = delivery.parts["finished"]
    assert views(mesh.head.layout, mesh.data)["position"].tolist() == POSITIONS.tolist()
    assert delivery.recipe["finish"]["texture_size"] == 1024


def test_an_object_made_here_is_made_finer_and_finished_again(spawn: Spawn, desk: MakeDesk) -> None:
    spawn({"jobs": [WHOLE]})
    blender = desk()
    blender.ready()
    asset = replace(HERE, as_asset=True)
    (made,) = blender.session.generate(GenerateSettings(seed=0), asset, picture())
    blender.reach(made, "done")
    assert set(blender.delivered[-1].parts) == {*ALL, "thumbnail"}
    assert blender.delivered[-1].recipe["made"]
    replaced = replace(MINE, purpose="replace")
    finer = blender.session.upscale(UpscaleSettings(seed=0), replaced, source=made)
    again = blender.session.finish(FinishSettings(finish="game"), replaced, source=made)
    blender.reach(again, "done")
    last: dict[str, Delivery] = {delivery.job: delivery for delivery in blender.delivered}
    assert blender.stages(finer) == blender.stages(again) == ["finished"]
    assert set(last[again].parts) == ALL
    assert last[finer].recipe["made_from"] == last[again].recipe["made_from"] == made
    assert last[again].recipe["settings"]["finish"] == "game"
    assert last[finer].target == replaced


def test_what_an_upscale_and_a_texture_took_is_told_before_the_next(
    spawn: Spawn, desk: MakeDesk
) -> None:
    spawn({"jobs": [[{"stage": "shape", "seconds": 0.3}, {"part": "mesh", "faces": 200}]]})
    blender = desk()
    blender.until(lambda: blender.snapshot.checkpoint)
    costs = {
        "quality": lambda: cost_of_generating(blender.snapshot.checkpoint),
        "upscale": lambda: cost_of_upscaling(blender.snapshot.checkpoint),
        "texture": lambda: cost_of_texturing(blender.snapshot.checkpoint),
    }
    assert {cost() for cost in costs.values()} == {UNKNOWN}
    # With the settings that the panels give: only the seed chooses the script.
    (made,) = blender.session.generate(GenerateSettings(seed=0), HERE, picture())
    blender.reach(made, "done")
    finer = blender.session.upscale(UpscaleSettings(seed=0), HERE, source=made)
    blender.reach(finer, "done")
    assert blender.job(finer).eta is None
    textured = blender.session.texture(TextureSettings(seed=0), MESH, HERE, picture())
    blender.reach(textured, "done")
    for cost in costs.values():
        blender.until(lambda cost=cost: cost().startswith("about"), patience=10)
    again = blender.session.upscale(UpscaleSettings(seed=0), HERE, source=made)
    blender.until(lambda: blender.job(again).eta is not None)


def test_a_mesh_that_was_not_made_here_needs_a_picture(spawn: Spawn, desk: MakeDesk) -> None:
    spawn({"jobs": [WHOLE]})
    blender = desk()
    blender.ready()
    replaced = replace(MINE, purpose="replace")
    with pytest.raises(EngineError, match="not made by Maquette"):
        blender.session.upscale(UpscaleSettings(), replaced)
    with pytest.raises(EngineError, match="No picture"):
        blender.session.upscale(UpscaleSettings(), replaced, MESH)
    named = {f"mesh.{name}": shaped for name, shaped in MESH.items()}
    job = blender.session.upscale(UpscaleSettings(seed=0), replaced, named, picture())
    blender.reach(job, "done")
    assert blender.stages(job) == ["finished"]


def test_settings_of_another_kind_do_not_retry_a_job(spawn: Spawn, desk: MakeDesk) -> None:
    spawn({"jobs": [[{"fail": {"code": "x", "message": "No.", "hint": "Yes."}}]]})
    blender = desk()
    blender.ready()
    (job,) = blender.session.generate(GenerateSettings(seed=0), HERE, picture())
    blender.reach(job, "failed")
    with pytest.raises(EngineError, match="not for a job of the kind generate"):
        blender.session.retry(job, FinishSettings())
    assert blender.job(job).state == "failed"
    with pytest.raises(EngineError):
        blender.session.retry(job, GenerateSettings(finish=FinishSettings(faces=-1)))
    assert blender.job(job).state == "failed"


def test_waiting_without_a_timer(spawn: Spawn, desk: MakeDesk) -> None:
    spawn({"jobs": [WHOLE]})
    blender = desk()
    jobs = blender.session.generate(GenerateSettings(seed=0, variants=2), HERE, picture())
    placed: list[str] = []
    told: list[JobView] = []

    def deliver(delivery: Delivery) -> Placed:
        if len(placed) == 1 and placed[0] != "":
            placed.append("")
            return Placed(outcome="later", sentence="A moment.")
        placed.append(delivery.stage)
        return Placed(outcome="placed", object=len(placed))

    ticks: list[None] = []
    wait(blender.session, jobs, deliver, each=lambda: ticks.append(None), told=told.append)
    assert placed.count("finished") == 2 and ticks
    assert {view.id for view in told} == set(jobs)
    wait(blender.session, jobs, deliver)  # over already


def test_waiting_for_a_job_that_fails(spawn: Spawn, desk: MakeDesk) -> None:
    spawn({"jobs": [[{"fail": {"code": "x", "message": "It is full.", "hint": "Empty it."}}]]})
    blender = desk()
    jobs = blender.session.generate(GenerateSettings(seed=0), HERE, picture())
    with pytest.raises(EngineError, match=r"chair: It is full\. Empty it\."):
        wait(blender.session, jobs, lambda delivery: Placed(outcome="placed"))


def test_waiting_without_an_engine_ends(desk: MakeDesk) -> None:
    blender = desk()
    jobs = blender.session.generate(GenerateSettings(), HERE, picture())
    with pytest.raises(EngineError) as caught:
        wait(blender.session, jobs, lambda delivery: Placed(outcome="placed"), patience_s=0.2)
    assert caught.value.code == "engine_absent" and caught.value.hint
