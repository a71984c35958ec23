"""A worker in this process, on a toy checkpoint: jobs to events and parts, and what goes wrong."""

import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from engine.assets.folder import load_asset
from engine.export.gltf import NamedMesh
from engine.export.mesh_file import save_scene
from engine.host.color import linear_from_srgb
from engine.mesh import Mesh
from engine.meshing.unwrap import uvs_are_valid
from engine.pipe.messages import (
    AttachedFile,
    Memory,
    PartFile,
    Started,
    Warmed,
)
from engine.readers.load import load_mesh
from engine.systems.trellis2 import stages
from engine.worker.inputs import attached_values
from protocol.errors import EngineError
from protocol.events import Cancelled, Done, Failed, Progress
from protocol.finishes import FinishChoice
from protocol.jobs import FinishJob, GenerateJob, RenderJob, TextureJob, UpscaleJob
from protocol.layout import Array
from protocol.parts import pack_mesh
from protocol.references import Attached, File, Stored
from tests.meshes import sphere
from tests.systems.trellis2.toy import picture
from tests.worker.bench import SMALL, Bench


def test_a_job_tells_its_stages_and_parts_and_is_finished_again(bench: Bench, image: File) -> None:
    ended = bench.run("a", GenerateJob(picture=image, type="64"), SMALL)
    assert isinstance(ended, Done), ended
    (started,) = bench.end.take(Started)
    seen = [stage for stage in bench.stages() if stage != "encode"]
    assert seen == [stage for stage in started.stages if stage != "encode"]
    assert set(ended.seconds) == set(bench.stages())
    assert bench.end.take(Memory)

    _, structure = bench.part("structure")
    assert len(structure["coords"]) > 0
    told, mesh = bench.part("finished")
    assert len(mesh["corner_uv"]) == 2 * len(mesh["corner_vert"])
    told, textures = bench.part("textures")
    assert {"base_color", "metallic_roughness"} <= set(textures)
    shown = np.asarray(Image.open(io.BytesIO(textures["base_color"])).convert("RGB"))
    mean = linear_from_srgb(shown / 255).mean(axis=(0, 1))
    means = {image.name: image.mean for image in told.layout.images}
    assert means.pop("base_color") == pytest.approx(mean, abs=0.02)
    assert set(means.values()) == {()}
    _, thumbnail = bench.part("thumbnail")
    assert len(thumbnail["thumbnail_rgba"]) == 128 * 128 * 4
    told, source = bench.part("source")
    assert bytes(source["source"]).startswith(b"\x89PNG")
    assert len(source["thumbnail_rgba"]) == 128 * 128 * 4
    names = [part.name for part in bench.end.take(PartFile)]
    assert names.index("source") < names.index("structure")
    assert bench.recipe()["finish"]["settings"]["texture_size"] == 32
    told, model = bench.part("model")
    assert told.layout.file_name == "My disc.glb"
    saved = bench.home / "model.glb"
    saved.write_bytes(model["data"])
    assert len(load_mesh(saved).faces) * 3 == len(mesh["corner_vert"])
    bench.part("asset")
    asset = load_asset(bench.home / "a" / "asset.maquette")
    assert asset.recipe["finish"]["settings"]["texture_size"] == 32
    assert not (bench.home / "a" / "kept").exists()

    stored = {"a": str(bench.home / "a")}
    ended = bench.run("b", FinishJob(source=Stored("a"), faces=50, texture_size=16), stored=stored)
    assert isinstance(ended, Done), ended
    _, fewer = bench.part("finished")
    assert len(fewer["corner_vert"]) < len(mesh["corner_vert"])
    assert bench.part("source")[1]["source"] == source["source"]
    assert bench.recipe()["finish"]["settings"]["texture_size"] == 16
    assert bench.recipe()["seed"] == asset.recipe["seed"]
    again = FinishJob(source=Stored("a"), faces=50, texture_size=16, levels=2, lods="files")
    ended = bench.run("d", again, stored=stored)
    assert isinstance(ended, Done), ended
    files = [bench.part(name)[0].layout.file_name for name in ("model", "model_lod1")]
    assert bench.recipe()["finish"]["files"] == files
    assert all(name.endswith(f"_LOD{i}.glb") for i, name in enumerate(files))
    ended = bench.run("c", RenderJob(source=Stored("a"), size=32, frames=2), stored=stored)
    assert isinstance(ended, Done), ended
    told, _ = bench.part("pictures")
    assert [(i.name, i.width) for i in told.layout.images] == [("frame_000", 32), ("frame_001", 32)]


@pytest.mark.parametrize("attempt", [1, 2], ids=["resumed by its user", "after a crash"])
def test_a_second_attempt_begins_at_what_the_first_one_saved(
    bench: Bench, image: File, attempt: int
) -> None:
    spec = GenerateJob(picture=image, type="64")

    def stop(event: Any) -> None:
        if isinstance(event, Progress) and event.stage == "clean":
            bench.tokens.cancel("a")

    bench.end.on_event = stop
    assert isinstance(bench.run("a", spec, SMALL), Cancelled)
    bench.end.on_event = lambda event: None
    # Another worker, since this one has been told to stop the job.
    bench.tokens.__init__()
    ended = bench.run("a", spec, SMALL, attempt=attempt)
    assert isinstance(ended, Done), ended
    assert bench.stages()[0] == "clean"
    assert set(ended.seconds) == set(bench.stages())
    bench.part("asset")
    resumed = {name: bench.part_bytes(name) for name in ("finished", "textures", "source")}
    # It ends as a job that nothing has interrupted.
    bench.run("b", spec, SMALL)
    assert resumed == {name: bench.part_bytes(name) for name in resumed}


def test_an_order_to_stop_may_come_before_the_job(bench: Bench, image: File) -> None:
    bench.tokens.cancel("a")
    assert isinstance(bench.run("a", GenerateJob(picture=image, type="64")), Cancelled)
    assert bench.stages() == []


def test_errors_are_sentences_and_the_next_job_works(
    bench: Bench, image: File, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = bench.run("a", GenerateJob(picture=File("nowhere.png"), type="64"))
    assert missing.code == "image_missing"
    assert bench.run("b", FinishJob(source=Stored("gone"))).code == "source_missing"
    with monkeypatch.context() as patch:
        patch.setattr(stages, "decode_shape", _raising(MemoryError()))
        patch.setattr("engine.systems.trellis2.generate.decode_shape", _raising(MemoryError()))
        assert bench.run("c", GenerateJob(picture=image, type="64")).code == "out_of_memory"
    assert bench.worker.usable
    assert isinstance(bench.run("d", GenerateJob(picture=image, type="64")), Done)


def test_a_mesh_of_several_objects_has_its_levels_and_its_hull_as_parts(bench: Bench) -> None:
    one = Mesh(*sphere(8))
    other = replace(one, vertices=one.vertices + np.float32(2))
    place = bench.home / "balls.glb"
    save_scene([NamedMesh("left", one), NamedMesh("right", other)], place)
    job = FinishJob(source=File(str(place)), faces=800, texture_size=16, levels=2,
                    collision_hull=True)  # fmt: skip
    assert isinstance(ended := bench.run("a", job), Done), ended
    faces = [len(bench.part(name)[1]["corner_vert"]) // 3 for name in ("finished", "finished_lod1")]
    assert 780 <= faces[0] <= 800 and 390 <= faces[1] <= 400
    assert len(bench.part("hull")[1]["position"]) > 4
    saved = bench.home / "model.glb"
    saved.write_bytes(bench.part("model")[1]["data"])
    assert load_mesh(saved).objects == ("left_LOD0", "right_LOD0")


@pytest.mark.parametrize("kind", ["texture", "upscale", "finish", "render"])
def test_a_job_can_require_the_textures_of_its_mesh(bench: Bench, image: File, kind: str) -> None:
    (bench.home / "lost.obj").write_text(
        "mtllib gone.mtl\nusemtl a\nv 0 0 0\nv 1 0 0\nv 0 1 1\nf 1 2 3\n"
    )
    mesh = File(str(bench.home / "lost.obj"))
    spec = {
        "texture": TextureJob(mesh=mesh, picture=image, require_textures=True),
        "upscale": UpscaleJob(source=mesh, picture=image, require_textures=True),
        "finish": FinishJob(source=mesh, resolution=16, require_textures=True),
        "render": RenderJob(source=mesh, size=16, require_textures=True),
    }[kind]
    assert bench.run("a", spec).code == "material_missing"
    if isinstance(spec, RenderJob):
        assert isinstance(bench.run("b", replace(spec, require_textures=False)), Done)


def test_a_device_that_fails_ends_the_worker(
    bench: Bench, image: File, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault = RuntimeError("CUDA error: an illegal memory access was encountered")
    monkeypatch.setattr("engine.systems.trellis2.generate.decode_shape", _raising(fault))
    ended = bench.run("a", GenerateJob(picture=image, type="64"))
    assert isinstance(ended, Failed)
    assert ended.code == "device_fault"
    assert "illegal memory access" in ended.message
    assert not bench.worker.usable


def test_warming_up_loads_networks_and_uses_all_threads_afterwards(bench: Bench) -> None:
    threads = torch.get_num_threads()
    bench.worker.warm(bench.checkpoint)
    assert bench.end.take(Warmed)
    assert torch.get_num_threads() == threads
    models = bench.worker._models
    assert models is not None
    assert models.bytes_on_device > 0


def test_a_mesh_and_a_picture_that_were_attached(bench: Bench) -> None:
    corners = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], np.float32)
    faces = np.array([[0, 2, 1], [0, 1, 3], [1, 2, 3], [0, 3, 2]])
    files = {
        name: _file(bench.home / name, name, bytes(shaped.data), shaped.dtype, shaped.shape)
        for name, shaped in pack_mesh(corners, faces).attached("mesh").items()
    }
    rows = np.full((64, 64, 4), 255, np.uint8)
    rows[:16, :, 3] = 0
    files["picture"] = _file(bench.home / "rows", "picture", rows.tobytes(), "uint8", rows.shape)
    spec = TextureJob(mesh=Attached("mesh"), picture=Attached("picture"), resolution=64)
    assert bench.run("b", spec, SMALL, attached=files).code == "given_mesh"
    assert bench.stages() == []
    ended = bench.run("a", spec, FinishChoice(texture_size=32), attached=files)
    assert isinstance(ended, Done), ended
    _, mesh = bench.part("finished")
    assert np.allclose(np.frombuffer(mesh["position"], "<f4").reshape(-1, 3), corners)

    # The mesh once more, such as it was edited, with the picture of the stored result.
    del files["picture"]
    finer = UpscaleJob(source=Attached("mesh"), picture=Stored("a"), type="128_cascade")
    stored = {"a": str(bench.home / "a")}
    ended = bench.run("c", finer, SMALL, attached=files, stored=stored)
    assert isinstance(ended, Done), ended
    assert bench.stages()[:4] == ["reading", "picture", "voxels", "encode_shape"]
    assert bench.recipe()["kind"] == "upscale"

    files["mesh.corner_vert"] = _file(
        bench.home / "bad",
        "mesh.corner_vert",
        np.full(12, 9, np.int32).tobytes(),
        "int32",
        (12,),
    )
    with pytest.raises(EngineError, match="corner_vert"):
        attached_values(files)


@pytest.mark.parametrize("uvs", ["given", "new"])
def test_a_textured_mesh_keeps_the_order_of_its_vertices_and_triangles(
    bench: Bench, uvs: str
) -> None:
    vertices, triangles = sphere(4)
    order = np.random.default_rng(3).permutation(len(vertices))
    place = np.argsort(order)
    # Away from the origin, in another size, and with vertices that no face has.
    position = np.r_[vertices[order] * 37 + 5, [[9, 9, 9]]].astype(np.float32)
    faces = place[triangles][::-1].astype(np.int32)
    side = int(np.ceil(len(faces) ** 0.5))
    cell = np.stack(np.divmod(np.arange(len(faces)), side), 1)[:, None]
    corner_uv = ((cell + np.array([[0.1, 0.1], [0.8, 0.1], [0.1, 0.8]])) / side).astype(np.float32)
    packed = pack_mesh(position, faces, corner_uv=corner_uv if uvs == "given" else None)
    files = {
        name: _file(bench.home / name, name, bytes(shaped.data), shaped.dtype, shaped.shape)
        for name, shaped in packed.attached("mesh").items()
    }
    files["picture"] = _file(bench.home / "p", "picture", picture(), "uint8", (len(picture()),))
    spec = TextureJob(mesh=Attached("mesh"), picture=Attached("picture"), resolution=64)
    ended = bench.run("a", spec, FinishChoice(texture_size=64), attached=files)
    assert isinstance(ended, Done), ended
    told, mesh = bench.part("finished")
    assert told.layout.uvs == uvs
    assert bytes(mesh["position"]) == position.tobytes()
    assert bytes(mesh["corner_vert"]) == faces.tobytes()
    if uvs == "given":
        assert bytes(mesh["corner_uv"]) == corner_uv.tobytes()
    found = np.frombuffer(mesh["corner_uv"], "<f4").reshape(-1, 3, 2)
    assert uvs_are_valid(found)
    # Each triangle's place in the texture has the shape of that very triangle, nearly.
    if uvs == "new":
        assert np.corrcoef(areas(position[faces]), areas(found))[0, 1] > 0.5
    _, textures = bench.part("textures")
    assert {"base_color", "metallic_roughness"} <= set(textures)


def areas(corners: np.ndarray) -> np.ndarray:
    a, b = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    if corners.shape[-1] == 2:
        return np.abs(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]) / 2
    return np.linalg.norm(np.cross(a, b), axis=1) / 2


def _file(path: Path, name: str, data: bytes, dtype: Any, shape: Sequence[int]) -> AttachedFile:
    path.write_bytes(data)
    return AttachedFile(file=str(path), array=Array(name=name, dtype=dtype, shape=tuple(shape)))


def _raising(error: BaseException) -> Any:
    def fail(*arguments: Any, **more: Any) -> Any:
        raise error

    return fail
