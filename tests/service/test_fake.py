"""What `serve --fake` delivers and answers is what the real engine would: the add-on's tests rely
on it."""

import io
import json
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image

from protocol import requests
from protocol.events import Done, ModelProgress
from protocol.jobs import TextureJob
from protocol.layout import views
from protocol.parts import check_part, pack_mesh
from protocol.references import Attached
from protocol.wire import Shaped
from tests.meshes import sphere
from tests.service.peer import PNG, Peer, Server
from tests.service.test_jobs import fetched

Spawn = Callable[..., Server]
PARTS = [
    {"part": "source"},
    {"part": "structure"},
    {"part": "mesh", "faces": 2000},
    {"part": "finished", "faces": 3000},
    {"part": "finished_lod1", "faces": 100},
    {"part": "hull", "faces": 50},
    {"part": "textures", "side": 100, "normal": True, "alpha": True},
    {"part": "thumbnail"},
    {"part": "recipe"},
    {"part": "model"},
]


def part(peer: Peer, job: str, name: str) -> tuple[Any, Any]:
    head, data = fetched(peer, job, name)
    check_part(head.layout, data)
    return head.layout, views(head.layout, data)


def test_a_job_has_all_parts_that_a_real_one_has(spawn: Spawn) -> None:
    peer = spawn({"jobs": [PARTS]}).peer()
    file = io.BytesIO()
    Image.new("RGBA", (30, 20), (10, 20, 30, 40)).save(file, "PNG")
    id = requests.new_job_id()
    submit = requests.Submit(id=id, job=_generate())
    peer.ask(submit, {"picture": Shaped.of_file(file.getvalue())})
    peer.event(Done, id)
    row = peer.ask(requests.Attach(job=id)).row
    assert list(row.parts) == [step["part"] for step in PARTS]

    layout, finished = part(peer, id, "finished")
    assert layout.uvs == "new" and len(finished["corner_uv"]) == 2 * len(finished["corner_vert"])
    assert len(finished["corner_vert"]) / 3 > 2800
    layout, textures = part(peer, id, "textures")
    used = {image.name: image.alpha_used for image in layout.images}
    assert used == {"base_color": True, "metallic_roughness": False, "normal": False}
    picture = Image.open(io.BytesIO(bytes(textures["base_color"])))
    picture.load()
    assert (picture.size, picture.mode) == ((100, 100), "RGBA")
    assert len(np.unique(np.asarray(picture).reshape(-1, 4), axis=0)) == 2
    _, source = part(peer, id, "source")
    picture = Image.open(io.BytesIO(bytes(source["source"])))
    assert picture.size == (30, 20) and picture.getpixel((3, 3)) == (10, 20, 30, 40)
    _, recipe = part(peer, id, "recipe")
    assert json.loads(bytes(recipe["data"]))["kind"] == "generate"
    part(peer, id, "mesh")


def _generate() -> Any:
    from protocol.jobs import GenerateJob

    return GenerateJob(picture=Attached("picture"))


def test_a_texture_job_gives_the_mesh_that_came_with_it(spawn: Spawn) -> None:
    peer = spawn({"jobs": [PARTS]}).peer()
    vertices, faces = sphere(3)
    packed = pack_mesh(vertices, faces)
    id = requests.new_job_id()
    job = TextureJob(mesh=Attached("mesh"), picture=Attached("picture"), seed=0)
    sent = {**packed.attached("mesh"), "picture": Shaped.of_file(PNG)}
    peer.ask(requests.Submit(id=id, job=job), sent)
    peer.event(Done, id)
    layout, finished = part(peer, id, "finished")
    assert layout.uvs == "new"
    assert bytes(finished["position"]) == np.asarray(vertices, "<f4").tobytes()
    assert bytes(finished["corner_vert"]) == np.asarray(faces, "<i4").tobytes()


def test_questions_are_answered_as_the_script_says_or_really(spawn: Spawn) -> None:
    script = {
        "answers": {
            "describe_checkpoint": {
                "checkpoint_description": {"name": "TRELLIS.2", "small": False}
            },
            "check_picture": {"refused": {"code": "image_unreadable", "message": "No."}},
        },
        "download": {"seconds": 0.2, "bytes": 1000},
    }
    peer = spawn(script).peer()
    found = peer.ask(requests.DescribeCheckpoint())
    assert (found.name, found.small, found.upscale_resolution) == ("TRELLIS.2", False, 192)
    rows = Shaped(Image.new("RGBA", (40, 40), (9, 9, 9, 0)).tobytes(), "uint8", (40, 40, 4))
    picture = {"picture": rows}
    check = requests.CheckPicture(picture=Attached("picture"))
    assert peer.ask(check, picture).code == "image_unreadable"
    cut = requests.CutOut(picture=Attached("picture"), matte="cutout")
    assert peer.ask(cut, picture).code == "image_no_foreground"

    before = {row.name: row.missing for row in peer.ask(requests.ListModels()).rows}
    assert before["shape_decoder"] > 0
    peer.ask(requests.DownloadModels(names=("shape_decoder",)))
    peer.until(lambda: any(isinstance(e, ModelProgress) and e.ended for e in peer.events))
    after = {row.name: row.missing for row in peer.ask(requests.ListModels()).rows}
    assert after == {**before, "shape_decoder": 0}


def test_a_played_download_is_cancelled_and_fails_as_the_script_says(spawn: Spawn) -> None:
    failure = {"code": "hub_gated", "message": "Gated.", "hint": "Accept."}
    peer = spawn({"download": {"seconds": 30, "fail": failure}}).peer()
    peer.ask(requests.DownloadModels(names=("draft",)))
    peer.event(ModelProgress)
    peer.ask(requests.CancelModels())
    peer.until(lambda: any(isinstance(e, ModelProgress) and e.ended for e in peer.events))
    ended = [e for e in peer.events if isinstance(e, ModelProgress)][-1]
    assert ended.code == "cancelled"
