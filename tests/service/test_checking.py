"""What is wrong with a job is said when it is sent, as far as it can be told without torch."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trimesh

from engine import embedded
from protocol import replies, requests
from protocol.jobs import FinishJob, GenerateJob, Job, RenderJob, TextureJob, UpscaleJob
from protocol.references import Attached, File
from protocol.samplers import Sampling
from protocol.wire import Shaped
from tests.service.local import Local
from tests.service.peer import PNG, Peer

Serve = Callable[..., Local]
P = Attached("p")


@pytest.fixture
def peer(serve: Serve) -> Peer:
    return serve({"jobs": [[]]}).peer()


def ask(peer: Peer, job: Job, buffers: dict[str, Shaped] | None = None, **more: Any) -> Any:
    """The reply to a submit."""
    id = requests.new_job_id()
    sent = {"p": Shaped.of_file(PNG)} if buffers is None else buffers
    return peer.ask(requests.Submit(id=id, job=job, **more), sent)


def refused(peer: Peer, *arguments: Any, **more: Any) -> replies.Refused:
    reply = ask(peer, *arguments, **more)
    assert isinstance(reply, replies.Refused), reply
    assert reply.message and reply.hint
    return reply


@pytest.fixture
def meshes(tmp_path: Path) -> Path:
    """A folder of meshes, whole ones and broken ones."""
    box = trimesh.creation.box()
    for suffix in ("glb", "obj", "ply", "stl"):
        box.export(tmp_path / f"box.{suffix}")
    whole = (tmp_path / "box.glb").read_bytes()
    (tmp_path / "cut.glb").write_bytes(whole[:-100])
    for name in ("text.glb", "text.gltf", "text.ply", "text.stl", "text.3mf", "text.xyz"):
        (tmp_path / name).write_text("what is this")
    (tmp_path / "empty.obj").touch()
    (tmp_path / "folder").mkdir()
    return tmp_path


def test_what_is_no_picture_is_refused(peer: Peer, tmp_path: Path) -> None:
    for data, word in ((b"hello", "not in a known format"), (b"", "empty"), (b"%PDF-1", "print")):
        reply = refused(peer, GenerateJob(picture=P), {"p": Shaped.of_file(data)})
        assert reply.code == "image_unreadable" and word in reply.message and "'p'" in reply.message
        file = tmp_path / "file.png"
        file.write_bytes(data)
        reply = refused(peer, GenerateJob(picture=File(str(file))), {})
        assert reply.code == "image_unreadable" and "file.png" in reply.message
    rows = Shaped(bytes(4 * 4 * 3), "uint8", (4, 4, 3))
    assert refused(peer, GenerateJob(picture=P), {"p": rows}).code == "attachment_kind"


def test_what_is_no_mesh_is_refused(peer: Peer, meshes: Path) -> None:
    for name, code, word in (
        ("cut.glb", "mesh_broken", "ends after"),
        ("text.glb", "mesh_broken", "no glTF"),
        ("text.gltf", "mesh_broken", "no glTF"),
        ("text.ply", "mesh_broken", "ply"),
        ("text.stl", "mesh_broken", "triangle"),
        ("text.3mf", "mesh_broken", "archive"),
        ("text.xyz", "mesh_format", "suffix"),
        ("empty.obj", "mesh_broken", "empty"),
        ("folder", "asset_missing", "recipe.json"),
        ("nowhere.glb", "file_absent", "does not exist"),
    ):
        file = File(str(meshes / name))
        for job in (
            FinishJob(source=file),
            TextureJob(mesh=file, picture=P),
            UpscaleJob(source=file, picture=P),
            RenderJob(source=file),
        ):
            reply = refused(peer, job)
            assert reply.code == code and word in reply.message and name in reply.message
    reply = refused(peer, FinishJob(source=P), {"p": Shaped.of_file(b"glTF")})
    assert reply.code == "attachment_kind" and "mesh" in reply.message


def test_what_a_checkpoint_cannot_do_is_refused(peer: Peer, tmp_path: Path) -> None:
    def generate(**more: Any) -> GenerateJob:
        return GenerateJob(picture=P, **more)

    (tmp_path / "empty").mkdir()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "pipeline.json").write_text(
        json.dumps({"name": "Another", "args": {"models": {"a": "b"}}})
    )
    for job, checkpoint, code, word in (
        (generate(), "no such place", "checkpoint_unknown", "no such place"),
        (generate(), str(tmp_path / "empty"), "file_missing", "pipeline.json"),
        (generate(), str(tmp_path / "other"), "system_unknown", "Another"),
        (generate(system="banana"), None, "system_unknown", "banana"),
        (generate(type="banana"), None, "type_unknown", "banana"),
        (generate(type="512"), str(embedded.FOLDER), "type_unknown", "512"),
        (generate(samplers={"shap": Sampling(steps=3)}), None, "stage_unknown", "shap"),
        (UpscaleJob(source=P, quality="draft"), None, "type_not_finer", "quality draft"),
    ):
        buffers = None
        if isinstance(job, UpscaleJob):
            name = Path(str(tmp_path / "box.glb"))
            trimesh.creation.box().export(name)
            job = UpscaleJob(source=File(str(name)), picture=P, quality="draft")
        reply = refused(peer, job, buffers, checkpoint=checkpoint)
        assert reply.code == code and word in reply.message


def test_nothing_is_left_of_what_was_refused(serve: Serve) -> None:
    local = serve({"jobs": [[]]})
    peer = local.peer()
    refused(peer, GenerateJob(picture=P), {"p": Shaped.of_file(b"hello")})
    refused(peer, GenerateJob(picture=P, type="banana"))
    assert peer.ask(requests.ListJobs()).rows == ()
    assert not list((local.home / "assets").glob("*"))


def test_what_can_be_done_is_taken(peer: Peer, meshes: Path) -> None:
    for suffix in ("glb", "obj", "ply", "stl"):
        file = File(str(meshes / f"box.{suffix}"))
        for job in (FinishJob(source=file), TextureJob(mesh=file, picture=P)):
            assert isinstance(ask(peer, job), replies.Submitted)
    for job in (
        GenerateJob(picture=P, type="64", samplers={"shape": Sampling(steps=3)}),
        GenerateJob(picture=P, quality="high"),
    ):
        assert isinstance(ask(peer, job, checkpoint=str(embedded.FOLDER)), replies.Submitted)


def test_a_helper_that_crashes_keeps_no_job_out(serve: Serve) -> None:
    local = serve({"jobs": [[]]})
    local.service._helper._command = ("/bin/false",)  # pyright: ignore[reportPrivateUsage]
    reply = ask(local.peer(), GenerateJob(picture=P, type="64"))
    assert isinstance(reply, replies.Submitted)
