"""Pictures are looked at and weights kept by a process beside the front process."""

import io
from collections.abc import Callable
from pathlib import Path

import psutil
from PIL import Image, ImageDraw

from protocol import replies, requests
from protocol.events import ModelProgress
from protocol.references import Attached, File
from protocol.wire import Shaped
from tests.service.local import Local

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


def test_a_damaged_picture_is_one_sentence(serve: Serve) -> None:
    peer = serve({}).peer()
    ask = requests.CheckPicture(picture=Attached("picture"))
    refused = peer.ask(ask, {"picture": Shaped.of_file(b"no picture")})
    assert refused.code == "image_unreadable"
    assert peer.ask(ask).code == "picture_missing"
    missing = requests.CheckPicture(picture=File("/nowhere.png"))
    assert peer.ask(missing).code == "image_missing"


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
