"""Each verb calls the session once, with what the panels hold; what is refused is told."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import bpy
import pytest

from tests.blender import addon
from tests.blender.layout import Layout, plain_texts
from tests.blender.recorder import Recorder, show

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def test_generate_takes_what_the_panel_holds(session: Recorder) -> None:
    chosen = bpy.context.scene.maquette
    chosen.quality, chosen.seed, chosen.variants, chosen.height = "draft", 7, 3, 0.5
    chosen.faces, chosen.surface = 50_000, "closed"
    chosen.stage_1.steps, chosen.fast = 25, True
    bpy.context.scene.cursor.location = (1, 2, 3)
    assert bpy.ops.maquette.generate() == {"FINISHED"}
    name, (settings, target, picture), _ = session.only()
    assert name == "generate" and picture is None
    assert (settings.quality, settings.seed, settings.variants) == ("draft", 7, 3)
    assert (settings.finish.faces, settings.finish.closed) == (50_000, True)
    assert {key: stage.steps for key, stage in settings.stages.items()} == {"shape": 25}
    assert settings.fast
    assert target.height == 0.5 and target.matrix[3::4][:3] == (1, 2, 3)


def test_what_is_as_it_was_at_first_is_left_to_the_networks(session: Recorder) -> None:
    bpy.ops.maquette.generate()
    settings = session.only()[1][0]
    assert settings.finish.faces is None and settings.finish.closed is None
    assert settings.finish.texture_size is None and settings.stages == {}
    assert not settings.fast


def test_restore_takes_changes_back(session: Recorder) -> None:
    chosen = bpy.context.scene.maquette
    chosen.faces, chosen.stage_0.guidance = 1234, 3.0
    assert chosen.changed("faces") and chosen.stage_0.changed
    chosen.fast = True
    bpy.ops.maquette.restore(what="fast,faces,stage_0")
    assert not chosen.fast
    assert chosen.faces == 200_000 and chosen.stage_0.guidance == 7.5
    assert not chosen.changed("faces") and not chosen.stage_0.changed


@pytest.mark.parametrize(
    ("state", "why"),
    [
        ("06_ready", "No picture is chosen: choose, paste or drop one."),
        ("01_no_engine", "press Set Up the Engine."),
        ("18_refused", "Update the engine: results and weights stay."),
        ("11_picture_bad", "Save it as PNG or JPEG and choose that file."),
    ],
)
def test_generate_says_why_it_cannot_be_pressed(
    state: str, why: str, session: Recorder, known: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    show(monkeypatch, known[state])
    with pytest.raises(RuntimeError, match=why):
        bpy.ops.maquette.generate()
    assert session.calls == []


@pytest.mark.parametrize(("job", "by", "order"), [(1, -1, 0), (0, 1, 2), (1, 1, None)])
def test_a_job_moves_in_the_queue(
    job: int, by: int, order: int | None, session: Recorder, known: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    snapshot = known["13_queue"]
    show(monkeypatch, snapshot)
    waiting = [one.id for one in snapshot.jobs if one.state == "queued"]
    bpy.ops.maquette.move(job=waiting[job], by=by)
    before = None if order is None else waiting[order]
    assert session.only() == ("reorder", (waiting[job], before), {})


def test_a_file_is_chosen_and_several_are_a_queue(session: Recorder) -> None:
    chosen = bpy.context.scene.maquette
    chosen.matte, chosen.grow = "plain", 3
    session.calls.clear()
    bpy.ops.maquette.drop_picture(filepath=str(EXAMPLES / "duck.png"))
    name, (picture,), more = session.only()
    assert (name, picture.title) == ("choose", "duck")
    assert (more["matte"].method, more["matte"].grow) == ("plain", 3)
    names = [{"name": "duck.png"}, {"name": "rocket.png"}]
    bpy.ops.maquette.drop_picture(directory=str(EXAMPLES), files=names)
    name, pictures, more = session.only()
    assert name == "choose" and [picture.title for picture in pictures] == ["duck", "rocket"]
    assert more["matte"].grow == 3


def test_stepping_shows_the_corrections_of_each_picture(
    session: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    Matte = addon.module("core.candidate").Matte
    mattes = [Matte(), Matte("plain", 0.7, -3), Matte("auto", None, 5)]
    shown = SimpleNamespace(place=0)

    def show(place: int) -> None:
        shown.place = place

    monkeypatch.setattr(session, "view", shown, raising=False)
    monkeypatch.setattr(session, "show", show, raising=False)
    chosen = bpy.context.scene.maquette
    seen = []
    for _ in mattes:
        monkeypatch.setattr(session, "matte", mattes[shown.place], raising=False)
        bpy.ops.maquette.step_picture(by=0)
        seen.append((chosen.matte, round(chosen.threshold, 3), chosen.grow))
        shown.place += 1
    assert seen == [("auto", 0.5, 0), ("plain", 0.7, -3), ("auto", 0.5, 5)]
    assert session.calls == []  # showing them corrects nothing
    bpy.ops.maquette.leave_out(out=True)
    assert session.only() == ("leave_out", (True,), {})
    chosen.grow = 1
    assert session.only()[0] == "correct"


def test_words_are_offered_where_the_networks_know_some(
    session: Recorder, known: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(RuntimeError, match="knows no words"):
        bpy.ops.maquette.use_words()
    show(monkeypatch, known["25_words"])
    bpy.ops.maquette.use_words()
    assert session.only() == ("write", ("",), {})
    monkeypatch.setattr(addon.module("bl.tick"), "refresh", lambda: None)
    bpy.context.window_manager.maquette.prompt = "a blue mug"
    assert session.only() == ("write", ("a blue mug",), {})
    assert bpy.context.window_manager.maquette.prompt == known["25_words"].picture.words
    bpy.context.scene.maquette.grow = 3  # there is no matte to correct
    assert session.calls == []


def test_what_reads_words_is_a_button_for_the_engine_that_was_set_up_here(
    session: Recorder, known: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    state = known["30_words_missing"]
    show(monkeypatch, state)
    with pytest.raises(RuntimeError, match="What reads words is missing"):
        bpy.ops.maquette.use_words()
    asked: list[dict[str, Any]] = []
    engine = SimpleNamespace(set_up=lambda **given: asked.append(given))
    monkeypatch.setattr(addon.module("bl.tick"), "engine", lambda: engine)
    assert bpy.ops.maquette.set_up(extra="text") == {"FINISHED"}
    assert asked == [{"agreed": False, "fresh": False, "extra": "text"}]
    source = addon.module("ui.source")
    plain_texts(monkeypatch)
    for words, button, change in (
        ("Text needs 113 MB more.", True, {}),
        ("What reads words is missing.", False, {"remote": True}),
        ("What reads words is missing.", False, {"own_folder": True}),
    ):
        drawn = Layout()
        shown = replace(state, engine=replace(state.engine, **change))
        source.draw_words_missing(drawn, bpy.context, shown)
        assert drawn.texts == [words]
        assert [(name, row.extra) for name, _, row in drawn.operators] == (
            [("set_up", "text")] if button else []
        )


def test_one_event_has_one_sentence_and_one_verb_everywhere(
    session: Recorder, known: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs, status_bar = addon.module("ui.jobs"), addon.module("ui.status_bar")
    plain_texts(monkeypatch)
    verbs = {
        "16_done": ("show_result", ""),
        "14_failed": ("retry", "Try Again"),
        "17_gone": ("retry", "Resume"),
        "26_in_history": ("history_insert", ""),
        "22_deleted": ("cancel", ""),
        "24_cancelled": ("show_result", ""),
    }
    for name, verb in verbs.items():
        state = known[name]
        bar, panel = Layout(), Layout()
        status_bar.draw_banner(bar, bpy.context, state.banner)
        assert bar.texts == [state.banner.sentence]
        assert [o[:2] for o in bar.operators] == [verb, ("dismiss_banner", "")]
        jobs.draw_active(panel, bpy.context, state)
        shown = [t for t in panel.texts if t]
        # A box has the title above the problem, where the status bar has both in one line.
        assert state.banner.sentence in (*shown, ": ".join(shown[:2])), name
        if verb[0] != "show_result":
            assert verb in [o[:2] for o in panel.operators], name
    bpy.ops.maquette.dismiss_banner()
    assert session.only() == ("dismiss_banner", (), {})


def test_nothing_is_said_to_be_made_from_no_picture(session: Recorder) -> None:
    View, words = addon.module("core.snapshot").PictureView, addon.module("ui.source").several_words
    assert words(View(title="a", count=4, made=0, unusable=4)) == ["Cannot be used: 4"]
    some = words(View(title="a", count=4, made=3, unusable=1))
    assert some[0] == "Objects are made from 3 pictures."


def test_what_was_made_is_shown(session: Recorder) -> None:
    bpy.ops.mesh.primitive_cube_add(location=(3, 4, 5))
    made = bpy.context.object
    bpy.ops.mesh.primitive_cube_add()
    other, uid = bpy.context.object, made.session_uid
    bpy.ops.maquette.show_result(object=uid)
    assert made.select_get() and not other.select_get()
    assert bpy.context.view_layer.objects.active == made
    assert session.only()[0] == "dismiss_banner"
    other.select_set(True)
    bpy.context.view_layer.objects.active = other
    bpy.ops.object.mode_set(mode="EDIT")
    bpy.ops.maquette.show_result(object=uid)
    assert bpy.context.view_layer.objects.active == other  # the mode's selection stays
    bpy.ops.object.mode_set(mode="OBJECT")
    bpy.context.scene.collection.objects.unlink(made)
    with pytest.raises(RuntimeError, match="another scene"):
        bpy.ops.maquette.show_result(object=uid)
    bpy.data.objects.remove(made)
    with pytest.raises(RuntimeError, match=r"deleted.*from the history"):
        bpy.ops.maquette.show_result(object=uid)


def test_a_file_that_is_gone_is_refused_in_words(session: Recorder, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"gone.png cannot be read.*Choose another file"):
        bpy.ops.maquette.open_picture(filepath=str(tmp_path / "gone.png"))
    assert session.calls == []


def test_fast_promises_only_what_the_stages_save(
    session: Recorder, known: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    plain_texts(monkeypatch)
    chosen, snapshot = bpy.context.scene.maquette, known["08_picture"]
    panel = addon.module("ui.generate").MAQUETTE_PT_sampling

    def drawn() -> str:
        layout = Layout()
        panel.draw(SimpleNamespace(layout=layout), bpy.context)
        return next(text for text in layout.texts if "saved" in text)

    assert drawn() == "Steps saved: Structure 3 of 12, Shape 4 of 12, Materials 4 of 12"
    chosen.stage_1.steps, chosen.stage_2.steps = 1, 25
    assert drawn() == "Steps saved: Structure 3 of 12, Materials 10 of 25"
    never = tuple(replace(stage, reuse_after=None) for stage in snapshot.checkpoint.stages)
    checkpoint = replace(snapshot.checkpoint, stages=never)
    show(monkeypatch, replace(snapshot, checkpoint=checkpoint))
    assert drawn() == "There are so few steps that none is saved."


def test_a_preset_comes_back(session: Recorder, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(addon.module("bl.tick"), "user_folder", lambda: tmp_path)
    addon.module("operators.presets").names.cache_clear()
    chosen = bpy.context.scene.maquette
    chosen.quality, chosen.faces, chosen.stage_2.steps, chosen.seed = "draft", 9000, 20, 5
    chosen.fast = True
    bpy.ops.maquette.preset_save(name="Props")
    chosen.quality, chosen.faces, chosen.stage_2.steps, chosen.seed = "high", 10, 12, 6
    chosen.fast = False
    bpy.ops.maquette.preset_use(name="Props")
    assert (chosen.quality, chosen.faces, chosen.stage_2.steps) == ("draft", 9000, 20)
    assert chosen.seed == 6 and chosen.fast
    assert addon.module("operators.presets").names() == ("Props",)
    bpy.ops.maquette.preset_delete(name="Props")
    assert addon.module("operators.presets").names() == ()


def test_retexture_sends_the_selected_mesh(session: Recorder) -> None:
    bpy.ops.mesh.primitive_cube_add()
    thing = bpy.context.object
    bpy.context.scene.maquette.fast = True
    bpy.ops.maquette.retexture()
    name, (settings, arrays, target), _ = session.only()
    assert name == "texture" and settings.stages == {} and settings.fast
    assert arrays["position"].shape == (8, 3) and target.purpose == "retexture"
    assert (target.object, target.object_name) == (thing.session_uid, thing.name)


def test_what_was_not_made_here_is_not_finished_again(session: Recorder) -> None:
    bpy.ops.mesh.primitive_cube_add()
    with pytest.raises(RuntimeError):
        bpy.ops.maquette.game_ready()
    addon.module("bl.recipe").write(bpy.context.object, {"job": "a" * 32})
    bpy.ops.maquette.game_ready()
    name, (settings, target), named = session.only()
    assert (name, settings.finish, target.purpose) == ("finish", "game", "replace")
    assert named == {"source": "a" * 32}


def test_a_retextured_object_is_made_finer_from_what_made_its_shape(session: Recorder) -> None:
    recipe = addon.module("bl.recipe")
    bpy.ops.mesh.primitive_cube_add()
    thing = bpy.context.object
    duck = {"job": "a" * 32, "kind": "generate"}
    trophy = {"job": "b" * 32, "kind": "texture", "sent": {"matrix": [2.0] * 16}}
    recipe.write(thing, duck)
    for number in range(2):
        recipe.give(thing, {**trophy, "job": f"{number}" * 32})
    recipe.give(thing, {"job": "c" * 32, "kind": "finish"})
    assert recipe.job_of(thing) == "c" * 32 and not recipe.is_of_look(thing)
    bpy.ops.maquette.upscale()
    name, (_, target), named = session.only()
    assert (name, named) == ("upscale", {"source": "a" * 32}) and target.matrix == ()
    recipe.give(thing, {"job": "d" * 32, "kind": "upscale"})
    assert recipe.job_of(thing, of_shape=True) == "d" * 32
    recipe.write(thing, trophy)  # its shape was not made here
    assert recipe.is_of_look(thing)
    bpy.context.scene.maquette.fast = True
    bpy.ops.maquette.upscale()
    _, (settings, target), named = session.only()
    assert settings.fast
    assert named == {"source": "b" * 32} and target.matrix == (2.0,) * 16


def test_history_turns_and_filters(
    session: Recorder, known: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot = replace(known["19_history"], history_more=False)
    show(monkeypatch, snapshot)
    window = bpy.context.window_manager.maquette
    bpy.ops.maquette.history_turn(by=1)
    assert window.history_page == 1 and session.calls == []
    bpy.ops.maquette.history_choose(job=snapshot.history[3].id)
    bpy.ops.maquette.history_same_picture()
    assert (window.history_page, window.history_picture) == (0, snapshot.history[3].picture)
    shown = addon.module("core.gallery").shown(
        snapshot.history, window.history_search, window.history_picture
    )
    assert {row.picture for row in shown} == {snapshot.history[3].picture}
    assert session.only()[2] == {"filter": "", "picture": window.history_picture}
    bpy.ops.maquette.history_same_picture()
    assert window.history_picture == ""


def test_a_job_is_tried_again_from_its_own_settings_not_those_of_the_scene(
    session: Recorder,
) -> None:
    settings = addon.module("core.settings")
    own = settings.FinishSettings(finish="game", closed=True)
    session.settings_of = lambda job: own  # type: ignore[method-assign]
    chosen = bpy.context.scene.maquette
    chosen.faces, chosen.surface, chosen.texture_size = 777, "open", "512"
    bpy.ops.maquette.retry_changed(job="4" * 32, texture_size="1024", hull=False)
    assert session.only() == (
        "retry", ("4" * 32, replace(own, texture_size=1024, collision_hull=False)), {}
    )  # fmt: skip
    own = settings.UpscaleSettings(matte="plain", quality="high")
    bpy.ops.maquette.retry_changed(job="4" * 32, quality="draft")
    assert session.only() == ("retry", ("4" * 32, replace(own, quality="draft")), {})


def test_choices_made_before_the_engine_has_told_of_itself_are_kept(
    session: Recorder, known: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = bpy.context.scene.maquette
    chosen.quality, chosen.stage_1.steps, chosen.stage_2.guidance = "draft", 25, 2.0
    show(monkeypatch, replace(known["08_picture"], checkpoint=None))
    bpy.ops.maquette.generate()
    settings = session.only()[1][0]
    assert settings.quality == "draft"
    assert {name: stage.steps for name, stage in settings.stages.items()} == {
        "shape": 25, "texture": None,
    }  # fmt: skip
    assert settings.stages["texture"].guidance_strength == 2.0
    chosen.property_unset("quality")
    bpy.ops.maquette.restore(what="stage_1,stage_2")
    bpy.ops.maquette.generate()
    settings = session.only()[1][0]
    assert settings.quality == "" and settings.stages == {}
    chosen.stage_0.steps = 30  # of which stage nobody can know
    with pytest.raises(RuntimeError, match=r"Advanced.*Start the engine"):
        bpy.ops.maquette.generate()
    assert session.calls == []


def test_a_quality_that_the_networks_do_not_have_is_refused_not_left_out(
    session: Recorder, known: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot = known["08_picture"]
    draft = snapshot.checkpoint.qualities[:1]
    only = replace(snapshot.checkpoint, qualities=draft, default_quality="draft")
    show(monkeypatch, replace(snapshot, checkpoint=only))
    bpy.ops.maquette.generate()  # nobody has chosen one: it is left to the networks
    assert session.only()[1][0].quality == ""
    bpy.context.scene.maquette.quality = "high"
    with pytest.raises(RuntimeError, match="has no quality high: choose one of draft"):
        bpy.ops.maquette.generate()
    assert session.calls == []


def test_what_needs_no_engine_starts_none(
    known: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder, tick = Recorder(), addon.module("bl.tick")
    monkeypatch.setattr(tick, "session", lambda: recorder)
    stopped = replace(known["08_picture"].engine, state="stopped")
    show(monkeypatch, replace(known["14_failed"], engine=stopped))
    started: list[str] = []
    process = SimpleNamespace(start=lambda: started.append("start"))
    monkeypatch.setattr(tick, "engine", lambda: process)
    bpy.ops.maquette.dismiss(job="4" * 32)
    bpy.ops.maquette.clear_picture()
    bpy.context.window_manager.maquette.history_search = "chair"
    with pytest.raises(RuntimeError, match="does not run"):
        bpy.ops.maquette.engine_stop()
    assert [call[0] for call in recorder.calls] == ["dismiss", "choose", "history"]
    assert started == []
    bpy.context.window_manager.maquette.history_search = ""
    bpy.ops.maquette.retry(job="4" * 32)
    assert started == ["start"]


def test_the_pairing_code_is_neither_shown_nor_kept() -> None:
    operator = addon.module("operators.engine").MAQUETTE_OT_use_remote
    assert "REGISTER" not in operator.bl_options
    code = bpy.ops.maquette.use_remote.get_rna_type().properties["code"]
    assert code.subtype == "PASSWORD" and code.is_skip_save


def test_set_up_agrees_only_where_the_question_was_shown(
    known: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[dict[str, bool]] = []
    process = SimpleNamespace(set_up=lambda **how: asked.append(how))
    monkeypatch.setattr(addon.module("bl.tick"), "engine", lambda: process)
    show(monkeypatch, known["01_no_engine"])
    bpy.ops.maquette.set_up()
    bpy.ops.maquette.set_up(agreed=True)
    assert asked == [
        {"agreed": False, "fresh": False, "extra": ""},
        {"agreed": True, "fresh": False, "extra": ""},
    ]
