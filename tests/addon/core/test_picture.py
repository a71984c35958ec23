"""The chosen picture: what the engine says of it, its matte, and what a job is given."""

from collections.abc import Callable
from typing import Any

import pytest

from blender_addon.core.asking import Asking
from blender_addon.core.chosen import Matte
from blender_addon.core.pictures import PictureIn
from blender_addon.core.settings import GenerateSettings
from blender_addon.protocol.errors import EngineError
from blender_addon.protocol.requests import Attach, CutOut
from tests.addon.core.engine import HERE, Desk, picture
from tests.service.peer import Server

Spawn = Callable[..., Server]
MakeDesk = Callable[..., Desk]
QUICK: list[dict[str, Any]] = [{"stage": "shape"}, {"part": "mesh", "faces": 200}]
SEED = GenerateSettings(seed=0, finish=None)


def chosen(blender: Desk, one: PictureIn) -> None:
    blender.session.choose_picture(one)
    assert blender.snapshot.picture.checking
    blender.until(lambda: not blender.snapshot.picture.checking)


def alphas(blender: Desk) -> bytes:
    assert blender.session.cut_out is not None
    width, height, rows = blender.session.cut_out
    assert len(rows) == width * height * 4
    return rows[3::4]


def job_of(blender: Desk, id: str) -> Any:
    """The job as the engine has it."""
    blender.until(lambda: blender.job(id).state != "sending")
    found: list[Any] = []
    blender.session._asking.ask(Attach(job=id), lambda answer: found.append(answer.reply))
    blender.until(lambda: found)
    return found[0].job


def test_the_matte_is_shown_and_corrected(spawn: Spawn, desk: MakeDesk) -> None:
    spawn({"jobs": [QUICK]})
    blender = desk()
    blender.ready()
    chosen(blender, picture(side=128))
    view = blender.snapshot.picture
    assert view.cut_out and not view.problem
    assert (view.title, view.width, view.height) == ("chair", 128, 128)
    assert any("only" in note or "small" in note for note in view.notes)  # of 64 pixels
    found = alphas(blender)
    assert found[0] == 0 and found[64 * 128 + 64] == 255
    (job,) = blender.session.generate(SEED, HERE)
    assert job_of(blender, job).matte == "auto"
    blender.session.correct_matte(Matte("plain", None, 6))
    blender.until(lambda: not blender.snapshot.picture.checking)
    assert blender.snapshot.picture.serial != view.serial
    grown = alphas(blender)
    assert sum(a > 127 for a in grown) > sum(a > 127 for a in found)
    (job,) = blender.session.generate(SEED, HERE)
    assert job_of(blender, job).matte == "cutout"
    blender.reach(job, "done")
    # Found together, though other bytes were sent.
    assert blender.delivered[-1].recipe["picture_sha256"] == picture(side=128).sha256
    blender.session.correct_matte(Matte("auto", 0.5, 0))  # sliders where they rest
    blender.until(lambda: not blender.snapshot.picture.checking)
    assert alphas(blender) == found
    (job,) = blender.session.generate(SEED, HERE)
    assert job_of(blender, job).matte == "auto"


def test_a_new_picture_gets_the_corrections_that_are_set(spawn: Spawn, desk: MakeDesk) -> None:
    spawn({"jobs": [QUICK]})
    blender = desk()
    blender.ready()
    chosen(blender, picture())
    blender.session.correct_matte(Matte("plain", 0.5, -4))
    blender.until(lambda: not blender.snapshot.picture.checking)
    shrunk = alphas(blender)
    blender.session.choose_picture(picture("other"), Matte("plain", 0.5, -4))
    blender.until(lambda: not blender.snapshot.picture.checking)
    assert alphas(blender) == shrunk
    (job,) = blender.session.generate(SEED, HERE)
    assert job_of(blender, job).matte == "cutout"
    blender.session.choose_picture(picture("third"), Matte())
    blender.until(lambda: not blender.snapshot.picture.checking)
    assert alphas(blender) != shrunk
    (job,) = blender.session.generate(SEED, HERE)
    assert job_of(blender, job).matte == "auto"


def test_a_slider_that_is_dragged_sends_the_picture_twice_not_a_hundred_times(
    spawn: Spawn, desk: MakeDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    spawn({"jobs": [QUICK]})
    blender = desk()
    blender.ready()
    chosen(blender, picture())
    asked: list[Any] = []
    ask = Asking.ask

    def count(self: Asking, message: Any, *others: Any) -> int:
        asked.extend([message] if isinstance(message, CutOut) else [])
        return ask(self, message, *others)

    monkeypatch.setattr(Asking, "ask", count)
    for grow in range(1, 31):
        blender.session.correct_matte(Matte("auto", None, grow))
    with pytest.raises(EngineError, match="not here yet"):
        blender.session.generate(SEED, HERE)  # not with the matte before
    blender.until(lambda: not blender.snapshot.picture.checking)
    assert [request.grow for request in asked] == [1, 30]
    grown = alphas(blender)
    chosen(blender, picture())
    blender.session.correct_matte(Matte("auto", None, 30))
    blender.until(lambda: not blender.snapshot.picture.checking)
    assert alphas(blender) == grown


def test_a_painted_mask_travels_with_the_job(spawn: Spawn, desk: MakeDesk) -> None:
    spawn({"jobs": [QUICK]})
    blender = desk()
    blender.ready()
    chosen(blender, picture())
    painted = bytes((10, 20, 30, 255)) * (32 * 64) + bytes(4 * 32 * 64)
    with pytest.raises(EngineError, match="64 x 63"):
        blender.session.use_mask(64, 63, painted)
    blender.session.use_mask(64, 64, painted)
    assert blender.session.cut_out == (64, 64, painted)
    (job,) = blender.session.generate(SEED, HERE)
    assert job_of(blender, job).matte == "cutout"
    blender.reach(job, "done")


def test_answers_about_an_earlier_picture_do_not_count(spawn: Spawn, desk: MakeDesk) -> None:
    spawn({"jobs": [QUICK]})
    blender = desk()
    blender.ready()
    blender.session.choose_picture(picture("first", 64))
    blender.session.choose_picture(picture("second", 96))
    blender.until(lambda: not blender.snapshot.picture.checking)
    view = blender.snapshot.picture
    assert (view.title, view.width) == ("second", 96)
    blender.pump(0.3)
    assert blender.snapshot.picture is view
    blender.session.choose_picture(None)
    assert blender.snapshot.picture.title == "" and blender.session.cut_out is None


def test_what_the_engine_cannot_read_is_said(spawn: Spawn, desk: MakeDesk) -> None:
    spawn({"jobs": [QUICK]})
    blender = desk()
    blender.ready()
    chosen(blender, PictureIn(title="notes", data=b"Dear diary"))
    assert "format" in blender.snapshot.picture.problem and blender.snapshot.picture.hint
    chosen(blender, PictureIn(title="white", rows=b"\xff" * 4 * 64 * 64, width=64, height=64))
    assert blender.snapshot.picture.problem


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"", "is empty"),
        (b"\x76\x2f\x31\x01" + b"0" * 50, "OpenEXR"),
        (b"\0\0\0\x1cftypisom0000", "film"),
        (b"\0\0\0\x1cftypheic0000", "HEIC"),
        (b"BLENDER-v502", ".blend"),
        (b"RIFF0000WAVE", "sound"),
    ],
)
def test_what_is_no_picture_is_refused_before_it_is_sent(
    desk: MakeDesk, data: bytes, what: str
) -> None:
    blender = desk()
    blender.session.choose_picture(PictureIn(title="it", data=data))
    view = blender.snapshot.picture
    assert what in view.problem and view.hint and not view.checking
    with pytest.raises(EngineError, match=what):
        blender.session.generate(SEED, HERE)
    assert not blender.snapshot.jobs


@pytest.mark.parametrize(
    "data", [b"\0\0\0\x1cftypavif0000", b"RIFF0000WEBPVP8 ", b"GIF89a", b"no sign at all"]
)
def test_what_may_be_a_picture_is_left_to_the_engine(data: bytes) -> None:
    assert PictureIn(title="it", data=data).buffer().shape == (len(data),)


def test_without_a_picture_nothing_is_generated(desk: MakeDesk) -> None:
    blender = desk()
    with pytest.raises(EngineError, match="No picture"):
        blender.session.generate(SEED, HERE)
    with pytest.raises(EngineError, match="No picture"):
        blender.session.correct_matte(Matte("plain"))


def test_a_corrected_matte_that_is_not_here_is_not_left_out(spawn: Spawn, desk: MakeDesk) -> None:
    blender = desk()
    blender.session.choose_picture(picture())
    blender.session.correct_matte(Matte("plain", 0.5, 0))
    with pytest.raises(EngineError, match="not here yet"):
        blender.session.generate(SEED, HERE)
