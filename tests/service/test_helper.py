"""Pictures are looked at and weights kept by a process beside the front process."""

import errno
import io
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from PIL import Image, ImageDraw

from engine.images.picture import load_picture
from protocol import replies, requests
from protocol.events import Done, ModelProgress
from protocol.finishes import FinishChoice
from protocol.jobs import GenerateJob
from protocol.references import Attached, File
from protocol.wire import Shaped
from tests.service.local import Local
from tests.service.peer import PNG

Serve = Callable[..., Local]


def drawing() -> Image.Image:
    image = Image.new("RGBA", (600, 400), (250, 250, 250, 255))
    ImageDraw.Draw(image).ellipse((100, 50, 500, 350), fill=(200, 60, 40, 255))
    return image


def test_a_picture_is_looked_at_as_a_file_and_as_rows(serve: Serve, tmp_path: Path) -> None:
    local = serve({})
    peer = local.peer()
    file = io.BytesIO()
    drawing().save(file, "PNG")
    ask = requests.CheckPicture(picture=Attached("picture"))
    rows = Shaped(drawing().tobytes(), "uint8", (400, 600, 4))
    for picture in (Shaped.of_file(file.getvalue()), rows):
        notes = peer.ask(ask, {"picture": picture})
        assert (notes.width, notes.height) == (600, 400)
        assert [note.code for note in notes.notes] == ["flat_drawing"]
    path = tmp_path / "рисунок.png"
    path.write_bytes(file.getvalue())
    assert peer.ask(requests.CheckPicture(picture=File(str(path)))).width == 600
    assert list((local.home / "checks").iterdir()) == []


def test_the_disk_is_left_to_its_thread_and_a_full_one_is_said(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    local = serve({})
    peer = local.peer()
    threads: set[str] = set()
    write, read = Path.write_bytes, Path.read_bytes

    def seen(path: Path) -> None:
        if path.parent.name == "checks":
            threads.add(threading.current_thread().name)

    monkeypatch.setattr(Path, "write_bytes", lambda p, data: (seen(p), write(p, data))[1])
    monkeypatch.setattr(Path, "read_bytes", lambda p: (seen(p), read(p))[1])
    picture = {"picture": Shaped(drawing().tobytes(), "uint8", (400, 600, 4))}
    ask = requests.CutOut(picture=Attached("picture"))
    assert peer.ask(ask, picture).width == 600
    assert threads == {"disk_0"}

    def full(_path: Path, _data: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_bytes", full)
    refused = peer.ask(ask, picture)
    assert refused.code == "disk_full" and refused.hint


def test_a_damaged_picture_is_one_sentence(serve: Serve) -> None:
    peer = serve({}).peer()
    ask = requests.CheckPicture(picture=Attached("picture"))
    refused = peer.ask(ask, {"picture": Shaped.of_file(b"no picture")})
    assert refused.code == "image_unreadable"
    assert peer.ask(ask).code == "picture_missing"
    missing = requests.CheckPicture(picture=File("/nowhere.png"))
    assert peer.ask(missing).code == "image_missing"


def test_an_object_is_cut_out_and_corrected(serve: Serve) -> None:
    local = serve({})
    peer = local.peer()
    picture = {"picture": Shaped(drawing().tobytes(), "uint8", (400, 600, 4))}

    def cut(**how: Any) -> tuple[Any, np.ndarray]:
        reply = peer.ask(requests.CutOut(picture=Attached("picture"), **how), picture)
        if "picture" not in peer.buffers:
            return reply, np.zeros(0)
        shaped = peer.buffers["picture"]
        return reply, np.frombuffer(shaped.data, np.uint8).reshape(shaped.shape)

    reply, rows = cut()
    assert (reply.width, reply.height, reply.scale, reply.method) == (600, 400, 1.0, "plain")
    assert rows.shape == (400, 600, 4)
    assert [note.code for note in reply.check.notes] == ["flat_drawing"]
    assert rows[200, 300, 3] == 255 and rows[5, 5, 3] == 0
    solid = [int((cut(grow=by)[1][..., 3] > 128).sum()) for by in (-10, 0, 10)]
    assert solid[0] < solid[1] < solid[2]
    assert set(np.unique(cut(threshold=0.5)[1][..., 3])) == {0, 255}
    assert cut(matte="cutout")[1].tobytes() == drawing().tobytes()

    assert cut(matte="alpha")[0].code == "image_no_alpha"
    refused, _ = cut(matte="rembg")
    assert refused.code in ("matte_not_installed", "matte_weights_missing") and refused.hint
    assert list((local.home / "checks").iterdir()) == []


def test_large_pictures_are_cut_out_as_small_as_jobs_see_them(serve: Serve) -> None:
    peer = serve({}).peer()
    large = drawing().resize((3000, 2000))
    file = io.BytesIO()
    large.save(file, "PNG")
    reply = peer.ask(
        requests.CutOut(picture=Attached("picture")),
        {"picture": Shaped.of_file(file.getvalue())},
    )
    assert (reply.width, reply.height, reply.check.width) == (1024, 682, 3000)
    assert reply.scale == pytest.approx(1024 / 3000)
    seen = load_picture(file.getvalue())
    assert bytes(peer.buffers["picture"].data) == seen.cutout.tobytes()
    again = load_picture(Image.fromarray(np.asarray(seen.cutout)), "cutout")
    assert again.key == seen.key and again.square.tobytes() == seen.square.tobytes()


def test_a_checkpoint_is_described(serve: Serve) -> None:
    peer = serve({"jobs": [[{"stage": "shape", "seconds": 0.05}]]}).peer()
    found = peer.ask(requests.DescribeCheckpoint())
    assert found.small and found.name == "Small model" and found.note
    resolutions = {row.name: row.resolution for row in found.qualities}
    assert resolutions == {"draft": 64, "standard": 128, "high": 128}
    assert found.qualities[2].words == "the same as standard"
    assert found.quality == "standard"
    assert (found.upscale_resolution, found.texture_resolution) == (192, 128)
    assert [row.seconds for row in found.qualities] == [None, None, None]
    assert found.finishing.closed and found.finishing.faces == 30000
    steps = {(row.job, row.stage): row.default.steps for row in found.samplers}
    assert steps["generate", "structure"] == 6 and ("texture", "texture") in steps
    peer.until(lambda: peer.ask(requests.GetStatus()).engine.worker == "warm")

    id = requests.new_job_id()
    job = GenerateJob(picture=Attached("picture"), quality="draft")
    submit = requests.Submit(id=id, job=job, finish=FinishChoice())
    peer.ask(submit, {"picture": Shaped.of_file(PNG)})
    peer.event(Done, id)
    draft, standard, _ = peer.ask(requests.DescribeCheckpoint()).qualities
    assert 0 < draft.seconds < 5 and standard.seconds is None
    refused = peer.ask(requests.DescribeCheckpoint(checkpoint="/nowhere"))
    assert refused.code == "checkpoint_unknown"


def test_a_worker_gets_ready_while_somebody_chooses_a_picture(serve: Serve) -> None:
    peer = serve({}).peer()
    ask = requests.CheckPicture(picture=Attached("picture"))
    peer.ask(ask, {"picture": Shaped.of_file(b"no picture")})
    peer.until(lambda: peer.ask(requests.GetStatus()).engine.worker == "warm")


def test_weights_are_listed_and_names_are_checked(serve: Serve) -> None:
    peer = serve({}).peer()
    models = peer.ask(requests.ListModels())
    assert models.free > 0 and all(row.missing == row.bytes for row in models.rows)
    assert {"image_encoder", "matte"} <= {row.name for row in models.rows}
    assert peer.ask(requests.DownloadModels(names=("nonsense",))).code == "weights_unknown"


def test_a_check_of_weights_tells_how_it_ended(serve: Serve) -> None:
    peer = serve({}).peer()
    request = peer.send(requests.VerifyModels(names=("matte",)))
    ended = peer.event(ModelProgress)
    assert ended.request == request and ended.ended and ended.code == "weights_corrupt"


def test_a_helper_that_crashes_is_one_sentence_and_the_next_one_works(serve: Serve) -> None:
    local = serve({})
    peer = local.peer()
    peer.ask(requests.ListModels())
    child = local.service._helper._child
    assert child is not None
    id = peer.send(requests.ListModels())
    psutil.Process(child.pid).kill()
    peer.until(lambda: id in peer._replies)
    assert isinstance(peer._replies[id], replies.ModelList) or (
        peer._replies[id].code == "helper_crashed"
    )
    assert isinstance(peer.ask(requests.ListModels()), replies.ModelList)
