"""The chosen picture: what the engine says of it, its matte, and what a job is given."""

import io
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from blender_addon.core.asking import Asking
from blender_addon.core.candidate import Matte
from blender_addon.core.pictures import PictureIn, read_picture, size_of_file
from blender_addon.core.recipes import summary
from blender_addon.core.settings import GenerateSettings
from blender_addon.protocol.errors import EngineError
from blender_addon.protocol.references import Prompt
from blender_addon.protocol.requests import Attach, CutOut
from tests.addon.core.engine import HERE, Desk, picture
from tests.service.peer import ROOT, Server

Spawn = Callable[..., Server]
MakeDesk = Callable[..., Desk]
QUICK: list[dict[str, Any]] = [{"stage": "shape"}, {"part": "mesh", "faces": 200}]
SEED = GenerateSettings(seed=0, finish=None)


def chosen(blender: Desk, one: PictureIn) -> None:
    blender.session.chosen.choose(one)
    assert blender.snapshot.picture.checking
    blender.until(lambda: not blender.snapshot.picture.checking)


def alphas(blender: Desk) -> bytes:
    assert blender.session.chosen.cut_out is not None
    width, height, rows = blender.session.chosen.cut_out
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
    assert view.warnings == len(view.notes) - 1 and "outline" in view.notes[-1]
    found = alphas(blender)
    assert found[0] == 0 and found[64 * 128 + 64] == 255
    (job,) = blender.session.generate(SEED, HERE)
    assert job_of(blender, job).matte == "auto"
    blender.session.chosen.correct(Matte("plain", None, 6))
    blender.until(lambda: not blender.snapshot.picture.checking)
    assert blender.snapshot.picture.serial != view.serial
    grown = alphas(blender)
    assert sum(a > 127 for a in grown) > sum(a > 127 for a in found)
    (job,) = blender.session.generate(SEED, HERE)
    assert job_of(blender, job).matte == "cutout"
    blender.reach(job, "done")
    # Found together, though other bytes were sent.
    assert blender.delivered[-1].recipe["picture_sha256"] == picture(side=128).sha256
    blender.session.chosen.correct(Matte("auto", 0.5, 0))  # sliders where they rest
    blender.until(lambda: not blender.snapshot.picture.checking)
    assert alphas(blender) == found
    (job,) = blender.session.generate(SEED, HERE)
    assert job_of(blender, job).matte == "auto"


def test_a_new_picture_gets_the_corrections_that_are_set(spawn: Spawn, desk: MakeDesk) -> None:
    spawn({"jobs": [QUICK]})
    blender = desk()
    blender.ready()
    chosen(blender, picture())
    blender.session.chosen.correct(Matte("plain", 0.5, -4))
    blender.until(lambda: not blender.snapshot.picture.checking)
    shrunk = alphas(blender)
    blender.session.chosen.choose(picture("other"), matte=Matte("plain", 0.5, -4))
    blender.until(lambda: not blender.snapshot.picture.checking)
    assert alphas(blender) == shrunk
    (job,) = blender.session.generate(SEED, HERE)
    assert job_of(blender, job).matte == "cutout"
    blender.session.chosen.choose(picture("third"), matte=Matte())
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
        blender.session.chosen.correct(Matte("auto", None, grow))
    with pytest.raises(EngineError, match="not here yet"):
        blender.session.generate(SEED, HERE)  # not with the matte before
    blender.until(lambda: not blender.snapshot.picture.checking)
    assert [request.grow for request in asked] == [1, 30]
    grown = alphas(blender)
    chosen(blender, picture())
    blender.session.chosen.correct(Matte("auto", None, 30))
    blender.until(lambda: not blender.snapshot.picture.checking)
    assert alphas(blender) == grown


def test_a_painted_mask_travels_with_the_job(spawn: Spawn, desk: MakeDesk) -> None:
    spawn({"jobs": [QUICK]})
    blender = desk()
    blender.ready()
    chosen(blender, picture())
    painted = bytes((10, 20, 30, 255)) * (32 * 64) + bytes(4 * 32 * 64)
    with pytest.raises(EngineError, match="64 x 63"):
        blender.session.chosen.use_mask(64, 63, painted)
    blender.session.chosen.use_mask(64, 64, painted)
    assert blender.session.chosen.cut_out == (64, 64, painted)
    (job,) = blender.session.generate(SEED, HERE)
    assert job_of(blender, job).matte == "cutout"
    blender.reach(job, "done")


def test_answers_about_an_earlier_picture_do_not_count(spawn: Spawn, desk: MakeDesk) -> None:
    spawn({"jobs": [QUICK]})
    blender = desk()
    blender.ready()
    blender.session.chosen.choose(picture("first", 64))
    blender.session.chosen.choose(picture("second", 96))
    blender.until(lambda: not blender.snapshot.picture.checking)
    view = blender.snapshot.picture
    assert (view.title, view.width) == ("second", 96)
    blender.pump(0.3)
    assert blender.snapshot.picture is view
    blender.session.chosen.choose()
    assert blender.snapshot.picture.title == "" and blender.session.chosen.cut_out is None


def test_good_news_is_no_warning(spawn: Spawn, desk: MakeDesk) -> None:
    spawn({"jobs": [QUICK]})
    blender = desk()
    blender.ready()
    chosen(blender, read_picture(ROOT / "blender_addon" / "ui" / "mushroom.png"))
    view = blender.snapshot.picture
    assert view.notes and view.warnings == view.noted == 0
    chosen(blender, picture(side=128))
    assert blender.snapshot.picture.noted == 1


def test_a_refused_picture_is_shown_where_it_was_read(spawn: Spawn, desk: MakeDesk) -> None:
    spawn({"jobs": [QUICK]})
    blender = desk()
    blender.ready()
    chosen(blender, PictureIn(title="notes", data=b"Dear diary"))
    view = blender.snapshot.picture
    assert view.problem and not view.readable and not view.maskable
    chosen(blender, PictureIn(title="white", rows=b"\xff" * 4 * 64 * 64, width=64, height=64))
    view = blender.snapshot.picture
    assert view.problem and view.readable and view.maskable and not view.wants_network
    chosen(blender, PictureIn(title="strip", rows=b"\xff" * 4 * 6 * 64, width=64, height=6))
    view = blender.snapshot.picture
    assert "64 x 6" in view.problem and view.readable and not view.maskable


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
        (b"", "has 0 bytes"),
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
    blender.session.chosen.choose(PictureIn(title="it", data=data))
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


def test_a_folder_is_refused_in_a_plain_sentence(tmp_path: Path) -> None:
    with pytest.raises(
        EngineError, match=f"^{tmp_path.name} is a folder, not a picture"
    ) as refused:
        read_picture(tmp_path)
    assert refused.value.hint == "Open it and choose a picture in it."


def test_without_a_picture_nothing_is_generated(desk: MakeDesk) -> None:
    blender = desk()
    with pytest.raises(EngineError, match="No picture"):
        blender.session.generate(SEED, HERE)
    with pytest.raises(EngineError, match="No picture"):
        blender.session.chosen.correct(Matte("plain"))


def test_a_corrected_matte_that_is_not_here_is_not_left_out(spawn: Spawn, desk: MakeDesk) -> None:
    blender = desk()
    blender.session.chosen.choose(picture())
    blender.session.chosen.correct(Matte("plain", 0.5, 0))
    with pytest.raises(EngineError, match="not here yet"):
        blender.session.generate(SEED, HERE)


def test_several_pictures_are_looked_at_before_anything_is_spent(
    spawn: Spawn, desk: MakeDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    spawn({"jobs": [QUICK]})
    blender = desk()
    blender.ready()
    flight: list[int] = []
    ask = Asking.ask

    def count(self: Asking, message: Any, *others: Any) -> int:
        if isinstance(message, CutOut):
            flight.append(sum(one.view.checking for one in many._all))
        return ask(self, message, *others)

    many = blender.session.chosen
    monkeypatch.setattr(Asking, "ask", count)
    broken = PictureIn(title="notes", data=b"Dear diary")
    many.choose(picture("a", 128), broken, picture("b", 128), picture("c", 96))
    assert not blender.snapshot.jobs
    blender.until(lambda: blender.snapshot.picture.unseen == 0)
    assert flight == [0, 0, 0, 0]  # one after another
    view = blender.snapshot.picture
    assert (view.title, view.place, view.count) == ("a", 0, 4)
    assert (view.made, view.unusable, view.noted) == (3, 1, 3)
    many.show(1)
    assert blender.snapshot.picture.problem and not many.cut_out
    many.show(2)
    assert blender.snapshot.picture.title == "b" and many.matte == Matte()
    found = alphas(blender)
    many.correct(Matte("plain", None, 6))
    with pytest.raises(EngineError, match="of b is not here yet"):
        blender.session.generate(SEED, HERE)
    assert not blender.snapshot.jobs  # not the others either
    blender.until(lambda: not blender.snapshot.picture.checking)
    assert sum(a > 127 for a in alphas(blender)) > sum(a > 127 for a in found)
    many.show(99)
    assert blender.snapshot.picture.title == "c" and many.matte == Matte()
    many.leave_out(True)
    assert blender.snapshot.picture.left_out and blender.snapshot.picture.made == 2
    many.show(2)
    assert many.matte == Matte("plain", None, 6)
    jobs = blender.session.generate(SEED, HERE)
    assert [blender.job(job).title for job in jobs] == ["a", "b"]
    assert [job_of(blender, job).matte for job in jobs] == ["auto", "cutout"]
    many.leave_out(True)
    many.show(0)
    many.leave_out(True)
    with pytest.raises(EngineError, match="left out"):
        blender.session.generate(SEED, HERE)


def test_cut_outs_far_away_are_asked_for_again(
    spawn: Spawn, desk: MakeDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("blender_addon.core.chosen.KEPT", 1)
    spawn({"jobs": [QUICK]})
    blender = desk()
    blender.ready()
    many = blender.session.chosen
    many.choose(*(picture(name) for name in "abcd"))
    blender.until(lambda: blender.snapshot.picture.unseen == 0)
    assert [one.cut_out is not None for one in many._all] == [True, True, False, False]
    many.show(3)
    assert blender.snapshot.picture.checking
    blender.until(lambda: blender.snapshot.picture.cut_out)
    assert [one.cut_out is not None for one in many._all] == [False, True, False, True]
    assert len(blender.session.generate(SEED, HERE)) == 4


def test_words_take_the_place_of_a_picture(spawn: Spawn, desk: MakeDesk) -> None:
    spawn({"jobs": [QUICK]})
    blender = desk()
    blender.ready()
    blender.session.chosen.choose(picture())
    blender.session.chosen.write("")
    view = blender.snapshot.picture
    assert view.of_words and not view.title and blender.session.chosen.picture is None
    with pytest.raises(EngineError, match="No words are written"):
        blender.session.generate(SEED, HERE)
    words = "a red mushroom  with white dots and a short stem"
    blender.session.chosen.write(words)
    assert blender.snapshot.picture.words == words
    (job,) = blender.session.generate(SEED, HERE)
    made = " ".join(words.split())
    assert job_of(blender, job).picture == Prompt(made)
    assert blender.job(job).title == "a red mushroom with white dots and a"
    blender.reach(job, "done")
    recipe = blender.delivered[-1].recipe
    assert recipe["prompt"] == made
    assert ("Text", made) in summary(recipe)
    (again,) = blender.session.again(job, HERE, seed=0)
    assert job_of(blender, again).picture == Prompt(made)
    blender.reach(again, "done")
    assert blender.delivered[-1].recipe["prompt"] == made
    # Found together, by the engine's own reckoning of the words.
    assert len({each.recipe["picture_sha256"] for each in blender.delivered}) == 1
    assert recipe["picture_sha256"] == sha256(made.encode()).hexdigest()


@pytest.mark.parametrize("kind, more", [("PNG", {}), ("JPEG", {"exif": b"x" * 5000})])
def test_the_size_of_a_file_is_read_from_its_head(kind: str, more: dict[str, Any]) -> None:
    from PIL import Image

    file = io.BytesIO()
    Image.new("RGB", (4000, 20)).save(file, kind, **more)
    data = file.getvalue()
    assert size_of_file(data) == (4000, 20)
    for cut in (0, 3, 20, 200):
        assert size_of_file(data[:cut]) in (None, (4000, 20))
    assert size_of_file(b"RIFF....WEBP") is None
