"""Small files that ask for very much are refused at once, and many copies are read at once."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.readers.load import load_mesh
from protocol.errors import EngineError
from tests.readers.made import SQUARE_UVS, Gltf
from tests.readers.test_3mf import model, square, write

PLACES = np.array([[0, 0, 0], [3, 1, 0], [0, 0, 5]], np.float32)
TURNS = np.array([[0, 0, 0, 1], [0, 0.6, 0, 0.8], [0.5, 0.5, 0.5, 0.5]], np.float32)
SIZES = np.array([[1, 1, 1], [-2, 1, 0.5], [1, 3, 1]], np.float32)


def surface(gltf: Gltf) -> dict[str, Any]:
    return gltf.square(
        TEXCOORD_0=gltf.accessor(SQUARE_UVS),
        NORMAL=gltf.accessor(np.tile([0.0, 0.6, 0.8], (4, 1))),
        TANGENT=gltf.accessor(np.tile([1.0, 0, 0, -1], (4, 1))),
        COLOR_0=gltf.accessor(np.linspace(0, 1, 12).reshape(4, 3)),
    )


def test_copies_are_what_as_many_nodes_would_be(tmp_path: Path) -> None:
    copies, nodes = Gltf("EXT_mesh_gpu_instancing"), Gltf()
    given = {
        name: copies.accessor(values)
        for name, values in (("TRANSLATION", PLACES), ("ROTATION", TURNS), ("SCALE", SIZES))
    }
    outer: dict[str, Any] = {"translation": [5, 6, 7], "scale": [1, -1, 1]}
    extension = {"EXT_mesh_gpu_instancing": {"attributes": given}}
    copies.show(surface(copies), surface(copies), extensions=extension, **outer)
    mesh = nodes.mesh(surface(nodes), surface(nodes))
    children = [
        nodes.add("nodes", {"mesh": mesh, "translation": t, "rotation": r, "scale": s})
        for t, r, s in zip(PLACES.tolist(), TURNS.tolist(), SIZES.tolist(), strict=True)
    ]
    nodes.show(children=children, **outer)
    (tmp_path / "a").mkdir()
    a, b = copies.load(tmp_path), nodes.load(tmp_path / "a")
    assert len(a.faces) == len(b.faces) == 12
    assert a.uvs is not None and a.normals is not None and a.tangents is not None
    for name in ("uvs", "normals", "tangents"):
        # Copies of a primitive follow each other; nodes bring all primitives each.
        mine = getattr(a, name).reshape(2, 3, -1).swapaxes(0, 1)
        np.testing.assert_allclose(mine, getattr(b, name).reshape(3, 2, -1), atol=2e-6)
    corners = a.vertices[a.faces].reshape(2, 3, -1).swapaxes(0, 1)
    np.testing.assert_allclose(corners, b.vertices[b.faces].reshape(3, 2, -1), atol=1e-5)
    assert a.colors is not None and b.colors is not None
    colors = a.colors[a.faces].reshape(2, 3, -1).swapaxes(0, 1)
    np.testing.assert_allclose(colors, b.colors[b.faces].reshape(3, 2, -1), atol=1e-6)


def test_ten_thousand_copies(tmp_path: Path) -> None:
    gltf = Gltf("EXT_mesh_gpu_instancing")
    places = np.arange(30_000, dtype=np.float32).reshape(-1, 3)
    given = {"TRANSLATION": gltf.accessor(places)}
    gltf.show(gltf.square(), extensions={"EXT_mesh_gpu_instancing": {"attributes": given}})
    mesh = gltf.load(tmp_path)
    assert len(mesh.faces) == 20_000
    x, y, z = places[-1].tolist()
    np.testing.assert_allclose(mesh.vertices[-4], [x, -z, y])


def refused(path: Path) -> EngineError:
    with pytest.raises(EngineError) as caught:
        load_mesh(path)
    assert caught.value.hint
    return caught.value


@pytest.mark.parametrize("count", [999_000, 2_500_000, 10**9, 2**62])
def test_millions_of_copies_out_of_nothing(tmp_path: Path, count: int) -> None:
    gltf = Gltf("EXT_mesh_gpu_instancing")
    empty = gltf.add("accessors", {"componentType": 5126, "count": count, "type": "VEC3"})
    given = {"TRANSLATION": empty}
    mesh = [gltf.square() for _ in range(5)]
    gltf.show(*mesh, extensions={"EXT_mesh_gpu_instancing": {"attributes": given}})
    error = refused(gltf.save(tmp_path / "a.glb"))
    assert error.code == ("mesh_too_large" if count < 10**7 else "mesh_broken")


def test_many_accessors_without_data(tmp_path: Path) -> None:
    gltf = Gltf()
    for _ in range(50):
        accessor = {"componentType": 5126, "count": 2_000_000, "type": "VEC3"}
        gltf.show({"attributes": {"POSITION": gltf.add("accessors", accessor)}})
    assert "without data" in refused(gltf.save(tmp_path / "a.glb")).message


def test_objects_that_double_each_other(tmp_path: Path) -> None:
    double = '<components><component objectid="{0}"/><component objectid="{0}"/></components>'
    objects = [f'<object id="{k}">{double.format(k - 1)}</object>' for k in range(2, 31)]
    target = write(tmp_path, model(square() + "".join(objects), '<item objectid="30"/>'))
    assert refused(target).code == "mesh_too_large"


def test_an_archive_that_unpacks_without_an_end(tmp_path: Path) -> None:
    main = model(square(), '<item objectid="1"/>')
    for size, fits in ((40_000_000, True), (90_000_000, False)):
        more: dict[str, Any] = {"3D__more_bin": bytes(size)}
        target = write(tmp_path, main, "3D/3dmodel.model", **more)
        if fits:
            assert len(load_mesh(target).faces) == 2
        else:
            assert refused(target).code == "mesh_too_large"


def test_a_face_of_very_many_corners(tmp_path: Path) -> None:
    count = 30_000
    angles = np.linspace(0, 2 * np.pi, count, endpoint=False)
    ring = np.stack([np.cos(angles), np.sin(angles), 0 * angles], axis=1)
    face = "f " + " ".join(map(str, range(1, count + 1)))

    def saved(points: np.ndarray) -> Path:
        rows = [f"v {x:.7f} {y:.7f} {z}" for x, y, z in points]
        (tmp_path / "a.obj").write_text("\n".join([*rows, face]))
        return tmp_path / "a.obj"

    assert len(load_mesh(saved(ring)).faces) == count - 2
    notched = ring * np.where(angles % 1 < 0.5, 1, 0.5)[:, None]
    assert "30,000 corners" in refused(saved(notched)).message
