"""What glTF 2.0 says of shapes: accessors, primitives, nodes, skins, morphs, URIs."""

import base64
import json
from pathlib import Path
from typing import Any

import DracoPy
import numpy as np
import pytest

from engine.readers.load import load_mesh
from protocol.errors import EngineError
from tests.readers.made import SQUARE, SQUARE_FACES, Gltf, area, notes_of, spans

IDENTITY = np.eye(4, dtype=np.float32).reshape(1, 16)


@pytest.mark.parametrize("kind", ["u1", "u2", "u4"])
@pytest.mark.parametrize("based", [True, False])
def test_sparse_accessors(tmp_path: Path, kind: str, based: bool) -> None:
    gltf = Gltf()
    primitive = gltf.square()
    accessor = gltf.document["accessors"][primitive["attributes"]["POSITION"]]
    places = [2] if based else [1, 2, 3]
    values = np.array([[3, 3, 0]] if based else [[3, 0, 0], [3, 3, 0], [0, 3, 0]], "<f4")
    if not based:
        del accessor["bufferView"]
    component = {"u1": 5121, "u2": 5123, "u4": 5125}[kind]
    indices = {"bufferView": gltf.view(np.array(places, f"<{kind}").tobytes())}
    accessor["sparse"] = {
        "count": len(places),
        "indices": {**indices, "componentType": component},
        "values": {"bufferView": gltf.view(values.tobytes())},
    }
    gltf.show(primitive)
    mesh = gltf.load(tmp_path)
    spans(mesh, [0, 0, 0], [3, 0, 3])
    assert area(mesh) == pytest.approx(3 if based else 9)


def test_sparse_indices_and_uvs(tmp_path: Path) -> None:
    gltf = Gltf()
    primitive = gltf.square(TEXCOORD_0=gltf.accessor(np.zeros((4, 2))))
    for accessor, kind, value in (
        (primitive["indices"], "<u2", [1]),
        (primitive["attributes"]["TEXCOORD_0"], "<f4", [[0.5, 0.25]]),
    ):
        gltf.document["accessors"][accessor]["sparse"] = {
            "count": 1,
            "indices": {"bufferView": gltf.view(b"\3"), "componentType": 5121},
            "values": {"bufferView": gltf.view(np.array(value, kind).tobytes())},
        }
    gltf.show(primitive)
    mesh = gltf.load(tmp_path)
    assert area(mesh) == pytest.approx(1)
    np.testing.assert_array_equal(mesh.faces, [[0, 1, 2], [1, 2, 3]])
    assert mesh.uvs is not None
    np.testing.assert_allclose(mesh.uvs[1], [[0, 1], [0, 1], [0.5, 0.75]])


def test_a_sparse_value_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    gltf = Gltf()
    primitive = gltf.square()
    gltf.document["accessors"][primitive["attributes"]["POSITION"]]["sparse"] = {
        "count": 1,
        "indices": {"bufferView": gltf.view(b"\x09"), "componentType": 5121},
        "values": {"bufferView": gltf.view(bytes(12))},
    }
    gltf.show(primitive)
    assert refused(gltf, tmp_path).code == "mesh_broken"


def refused(gltf: Gltf, folder: Path) -> EngineError:
    with pytest.raises(EngineError) as caught:
        gltf.load(folder)
    return caught.value


@pytest.mark.parametrize("kind", ["i1", "u1", "i2", "u2"])
@pytest.mark.parametrize("normalized", [True, False])
def test_quantised_positions(tmp_path: Path, kind: str, normalized: bool) -> None:
    most = np.iinfo(kind).max
    gltf = Gltf("KHR_mesh_quantization")
    primitive = gltf.square()
    primitive["attributes"]["POSITION"] = gltf.accessor(SQUARE * most, kind, normalized=normalized)
    scale = 2 if normalized else 2 / most
    gltf.show(primitive, scale=[scale] * 3)
    spans(gltf.load(tmp_path), [0, 0, 0], [2, 0, 2], 1e-5)


@pytest.mark.parametrize(
    ("kind", "normalized", "value", "uv"),
    [
        ("u1", True, 255, 1.0),
        ("u2", True, 65535, 1.0),
        ("u1", False, 3, 3.0),
        ("i2", False, -2, -2.0),
        ("i1", True, -128, -1.0),
    ],
)
def test_quantised_uvs(tmp_path: Path, kind: str, normalized: bool, value: int, uv: float) -> None:
    gltf = Gltf("KHR_mesh_quantization")
    uvs = gltf.accessor(np.full((4, 2), value), kind, normalized=normalized)
    gltf.show(gltf.square(TEXCOORD_0=uvs))
    mesh = gltf.load(tmp_path)
    assert mesh.uvs is not None
    np.testing.assert_allclose(mesh.uvs[0, 0], [uv, 1 - uv], atol=1e-6)


def test_interleaved_attributes(tmp_path: Path) -> None:
    gltf = Gltf()
    rows = np.zeros(4, [("position", "<f4", 3), ("color", "u1", 4), ("uv", "<u2", 2)])
    rows["position"], rows["color"], rows["uv"] = SQUARE, (255, 0, 0, 255), (65535, 0)
    view = gltf.view(rows.tobytes(), byteStride=20)
    common = {"bufferView": view, "count": 4}
    attributes = {
        name: gltf.add("accessors", {**common, **more})
        for name, more in {
            "POSITION": {"componentType": 5126, "type": "VEC3"},
            "COLOR_0": {
                "byteOffset": 12,
                "componentType": 5121,
                "type": "VEC4",
                "normalized": True,
            },
            "TEXCOORD_0": {
                "byteOffset": 16,
                "componentType": 5123,
                "type": "VEC2",
                "normalized": True,
            },
        }.items()
    }
    gltf.show({"attributes": attributes, "indices": gltf.accessor(SQUARE_FACES, "u2")})
    mesh = gltf.load(tmp_path)
    spans(mesh, [0, 0, 0], [1, 0, 1])
    assert mesh.colors is not None
    assert mesh.uvs is not None
    np.testing.assert_allclose(mesh.colors, [[1, 0, 0, 1]] * 4)
    np.testing.assert_allclose(mesh.uvs, np.broadcast_to([1.0, 1.0], (2, 3, 2)))


@pytest.mark.parametrize("kind", ["u1", "u2", "u4", None])
@pytest.mark.parametrize(("mode", "faces"), [(4, 1), (5, 3), (6, 3)])
def test_modes_of_primitives(tmp_path: Path, kind: str | None, mode: int, faces: int) -> None:
    corners = np.array([[0, 0, 0], [2, 0, 0], [2, 1, 0], [1, 2, 0], [0, 1, 0]], np.float32)
    order = [0, 1, 2, 3, 4] if mode != 5 else [0, 1, 4, 2, 3]
    primitive: dict[str, Any] = {"mode": mode}
    gltf = Gltf()
    if kind is None:
        primitive["attributes"] = {"POSITION": gltf.accessor(corners[order])}
    else:
        primitive["attributes"] = {"POSITION": gltf.accessor(corners)}
        primitive["indices"] = gltf.accessor(order, kind)
    gltf.show(primitive)
    mesh = gltf.load(tmp_path)
    assert len(mesh.faces) == faces
    assert area(mesh) == pytest.approx(1 if mode == 4 else 3)
    # All of them face the same way: along glTF's z, our -y.
    a, b, c = (mesh.vertices[mesh.faces[:, k]] for k in range(3))
    assert (np.cross(b - a, c - a)[:, 1] < 0).all()


def test_strips_leave_out_triangles_without_area(tmp_path: Path) -> None:
    gltf = Gltf()
    strip = gltf.accessor([0, 1, 3, 2, 2, 0, 0, 1], "u2")
    gltf.show({"attributes": {"POSITION": gltf.accessor(SQUARE)}, "indices": strip, "mode": 5})
    assert len(gltf.load(tmp_path).faces) == 2


@pytest.mark.parametrize("mode", [0, 1, 2, 3])
def test_lines_and_points_are_left_out_and_named(tmp_path: Path, mode: int) -> None:
    gltf = Gltf()
    gltf.show(gltf.square(), {**gltf.square(), "mode": mode})
    said = notes_of(gltf.save(tmp_path / "made.glb"))
    assert ("1 set of points" if mode == 0 else "1 set of lines") in said[-1]
    assert "2 faces" in said[-1]


def test_primitives_share_their_vertices(tmp_path: Path) -> None:
    """As CAD programs write them: with and without vertices in common."""
    gltf = Gltf()
    positions = gltf.accessor(np.random.default_rng(0).random((3000, 3)))
    primitives = [
        {"attributes": {"POSITION": positions}, "indices": gltf.accessor(part, "u4")}
        for part in np.arange(3000).reshape(100, 30)
    ]
    ring = [
        {"attributes": {"POSITION": positions}, "indices": gltf.accessor([0, k, k + 1], "u4")}
        for k in range(1, 300)
    ]
    gltf.show(*primitives, *ring)
    mesh = gltf.load(tmp_path)
    assert (len(mesh.vertices), len(mesh.faces)) == (3000, 1299)


def test_vertices_that_no_face_uses_are_left_out(tmp_path: Path) -> None:
    gltf = Gltf()
    primitive = gltf.square()
    primitive["indices"] = gltf.accessor([1, 2, 3], "u2")
    gltf.show(primitive)
    assert len(gltf.load(tmp_path).vertices) == 3


@pytest.mark.parametrize("what", ["TRANSLATION", "ROTATION", "SCALE", "all"])
def test_instances(tmp_path: Path, what: str) -> None:
    name = "EXT_mesh_gpu_instancing"
    gltf = Gltf(name)
    half = np.sqrt(0.5)
    given = {
        "TRANSLATION": ([[0, 0, 0], [3, 0, 0], [6, 0, 0]], [0, 0, 0], [7, 0, 1]),
        "ROTATION": ([[0, 0, 0, 1], [0, 0, half, half], [0, 0, 1, 0]], [-1, 0, -1], [1, 0, 1]),
        "SCALE": ([[1, 1, 1], [2, 2, 2], [5, 1, 1]], [0, 0, 0], [5, 0, 2]),
    }
    chosen = list(given) if what == "all" else [what]
    attributes = {key: gltf.accessor(given[key][0]) for key in chosen}
    gltf.show(gltf.square(), extensions={name: {"attributes": attributes}})
    mesh = gltf.load(tmp_path)
    assert len(mesh.faces) == 6
    if what == "all":  # the second is turned by a quarter, then moved; the third by a half
        spans(mesh, [0, 0, -1], [6, 0, 2])
    else:
        spans(mesh, *given[what][1:])


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("VENDOR_folded_geometry", False),
        ("KHR_materials_unknown", False),
        ("EXT_future_mesh", False),
        ("KHR_texture_transform", True),
        ("KHR_materials_unlit", True),
        ("KHR_lights_punctual", True),
        ("KHR_materials_variants", True),
    ],
)
def test_required_extensions(tmp_path: Path, name: str, known: bool) -> None:
    gltf = Gltf(name)
    gltf.show(gltf.square())
    if known:
        assert area(gltf.load(tmp_path)) == pytest.approx(1)
        return
    error = refused(gltf, tmp_path)
    assert error.code == "mesh_unsupported"
    assert name in error.message


@pytest.mark.parametrize("of_node", [True, False])
@pytest.mark.parametrize("weight", [0.0, 0.5, 1.0])
def test_morph_targets_at_rest(tmp_path: Path, of_node: bool, weight: float) -> None:
    gltf = Gltf()
    primitive = gltf.square()
    primitive["targets"] = [
        {"POSITION": gltf.accessor(np.zeros((4, 3)))},
        {"POSITION": gltf.accessor(SQUARE)},
    ]
    weights = [1.0, weight]
    mesh = gltf.mesh(primitive, weights=[0.25, 0.25] if of_node else weights)
    gltf.show(mesh=mesh, **({"weights": weights} if of_node else {}))
    spans(gltf.load(tmp_path), [0, 0, 0], [1 + weight, 0, 1 + weight])


def test_quantised_morph_targets(tmp_path: Path) -> None:
    gltf = Gltf("KHR_mesh_quantization")
    primitive = gltf.square()
    primitive["targets"] = [{"POSITION": gltf.accessor(SQUARE * 127, "i1", normalized=True)}]
    gltf.show(mesh=gltf.mesh(primitive, weights=[2.0]))
    spans(gltf.load(tmp_path), [0, 0, 0], [3, 0, 3])


def skinned(joint: dict[str, Any], kind: str = "f4", bind: Any = IDENTITY) -> Gltf:
    """A square on one joint, under a node that is scaled and moved."""
    gltf = Gltf()
    joints = gltf.accessor(np.zeros((4, 4)), "u1")
    most = 1 if kind == "f4" else np.iinfo(kind).max
    weights = gltf.accessor(np.tile([most, 0, 0, 0], (4, 1)), kind, normalized=kind != "f4")
    primitive = gltf.square(JOINTS_0=joints, WEIGHTS_0=weights)
    skin: dict[str, Any] = {"joints": [gltf.show(**joint)]}
    if bind is not None:
        skin["inverseBindMatrices"] = gltf.accessor(bind)
    gltf.add("skins", skin)
    gltf.show(primitive, skin=0, scale=[100, 100, 100], translation=[1, 2, 3])
    return gltf


@pytest.mark.parametrize("kind", ["f4", "u1", "u2"])
def test_the_node_of_a_skinned_mesh_does_not_move_it(tmp_path: Path, kind: str) -> None:
    spans(skinned({}, kind).load(tmp_path), [0, 0, 0], [1, 0, 1])


def test_joints_place_a_skinned_mesh(tmp_path: Path) -> None:
    """As the nodes stand, against how they stood when the mesh was bound."""
    bind = IDENTITY.copy()
    bind[0, 12:15] = [0, -1, 0]
    moved = {"translation": [5, 1, 0], "scale": [2, 2, 2]}
    spans(skinned(moved, bind=bind).load(tmp_path), [5, 0, -1], [7, 0, 1])
    spans(skinned(moved, bind=None).load(tmp_path), [5, 0, 1], [7, 0, 3])


def test_two_joints_share_a_vertex(tmp_path: Path) -> None:
    gltf = Gltf()
    joints = gltf.accessor(np.tile([0, 1, 0, 0], (4, 1)), "u2")
    weights = gltf.accessor(np.tile([0.75, 0.25, 0, 0], (4, 1)))
    primitive = gltf.square(JOINTS_0=joints, WEIGHTS_0=weights)
    nodes = [gltf.show(), gltf.show(translation=[0, 4, 0])]
    gltf.add("skins", {"joints": nodes})
    gltf.show(primitive, skin=0)
    spans(gltf.load(tmp_path), [0, 0, 1], [1, 0, 2])


@pytest.mark.parametrize(
    "uri", ["my%20mesh%20100%25.bin", "my mesh 100%25.bin", "./my%20mesh%20100%25.bin"]
)
def test_uris_of_buffers_are_decoded(tmp_path: Path, uri: str) -> None:
    gltf = Gltf()
    gltf.show(gltf.square())
    path = gltf.save(tmp_path / "a.gltf", uri)
    (tmp_path / "my mesh 100%.bin").write_bytes(gltf.binary)
    assert area(load_mesh(path)) == pytest.approx(1)


@pytest.mark.parametrize("mime", ["application/octet-stream", "application/gltf-buffer", ""])
def test_buffers_inside_of_the_document(tmp_path: Path, mime: str) -> None:
    gltf = Gltf()
    gltf.show(gltf.square())
    coded = base64.b64encode(gltf.binary).decode()
    path = gltf.save(tmp_path / "a.gltf", f"data:{mime};base64,{coded}")
    assert area(load_mesh(path)) == pytest.approx(1)


def test_nodes_far_away_keep_their_shape(tmp_path: Path) -> None:
    gltf = Gltf()
    far = gltf.show(gltf.square(), scale=[0.8] * 3)
    gltf.document["scenes"][0]["nodes"] = [1]
    gltf.add("nodes", {"children": [far], "translation": [500000.1, 5400000.1, 0]})
    low = [500000.1, 0, 5400000.1]
    spans(gltf.load(tmp_path), low, np.add(low, [0.8, 0, 0.8]), 1e-6)


def test_hidden_nodes_and_other_scenes_are_left_out(tmp_path: Path) -> None:
    gltf = Gltf("KHR_node_visibility")
    gltf.show(gltf.square())
    hidden = {"KHR_node_visibility": {"visible": False}}
    gltf.show(gltf.square(), extensions=hidden, translation=[9, 0, 0])
    other = gltf.show(gltf.square(), translation=[0, 9, 0])
    gltf.document["scenes"][0]["nodes"].remove(other)
    gltf.add("scenes", {"nodes": [other]})
    path = gltf.save(tmp_path / "made.glb")
    assert area(load_mesh(path)) == pytest.approx(1)
    assert "1 other scene, 1 hidden object" in notes_of(path)[-1]


def test_a_document_without_scenes_shows_all_its_nodes(tmp_path: Path) -> None:
    gltf = Gltf()
    gltf.show(gltf.square())
    gltf.show(gltf.square(), translation=[5, 0, 0])
    del gltf.document["scenes"], gltf.document["scene"]
    assert area(gltf.load(tmp_path)) == pytest.approx(2)


@pytest.mark.parametrize("children", [[0], [1]])
def test_nodes_in_a_circle_are_refused(tmp_path: Path, children: list[int]) -> None:
    gltf = Gltf()
    gltf.show(gltf.square(), children=children)
    gltf.show(children=[0])
    assert refused(gltf, tmp_path).code == "mesh_broken"


def test_draco(tmp_path: Path) -> None:
    name = "KHR_draco_mesh_compression"
    gltf = Gltf(name)
    coded = DracoPy.encode(SQUARE, SQUARE_FACES.reshape(-1, 3).astype(np.uint32))
    plain = {"componentType": 5126, "count": 4, "type": "VEC3"}
    primitive = {
        "attributes": {"POSITION": gltf.add("accessors", plain)},
        "indices": gltf.add("accessors", {"componentType": 5123, "count": 6, "type": "SCALAR"}),
        "extensions": {name: {"bufferView": gltf.view(coded), "attributes": {"POSITION": 0}}},
    }
    gltf.show(primitive)
    mesh = gltf.load(tmp_path)
    spans(mesh, [0, 0, 0], [1, 0, 1], 1e-3)
    assert area(mesh) == pytest.approx(1, rel=1e-3)
    gltf.document["bufferViews"][0]["byteLength"] -= 20
    assert refused(gltf, tmp_path).code == "mesh_broken"


@pytest.mark.parametrize("suffix", [".gltf", ".glb"])
def test_the_contents_decide_between_text_and_binary(tmp_path: Path, suffix: str) -> None:
    gltf = Gltf()
    gltf.show(gltf.square())
    coded = base64.b64encode(gltf.binary).decode()
    gltf.save(tmp_path / "text.gltf", f"data:;base64,{coded}")
    gltf.save(tmp_path / "binary.glb")
    source = tmp_path / ("binary.glb" if suffix == ".gltf" else "text.gltf")
    path = tmp_path / f"renamed{suffix}"
    path.write_bytes(source.read_bytes())
    assert area(load_mesh(path)) == pytest.approx(1)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
def test_documents_in_other_encodings(tmp_path: Path, encoding: str) -> None:
    gltf = Gltf()
    gltf.show(gltf.square())
    coded = base64.b64encode(gltf.binary).decode()
    path = gltf.save(tmp_path / "a.gltf", f"data:;base64,{coded}")
    path.write_bytes(path.read_text().encode(encoding))
    assert area(load_mesh(path)) == pytest.approx(1)


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (json.dumps({"asset": {"version": "1.0"}, "meshes": {}}).encode(), "no triangles"),
        (json.dumps({"meshes": {"m": {}}, "nodes": {}}).encode(), "no triangles"),
        (json.dumps({"asset": {"version": "3.1"}}).encode(), "glTF 3.1"),
        (b"glTF\1\0\0\0\x20\0\0\0" + bytes(20), "no JSON"),
        (b"glTF\7\0\0\0\x20\0\0\0" + bytes(20), "version 7"),
        (b"{", "no JSON"),
        (b"[1, 2]", "no JSON object"),
        (b"\x89PNG\r\n\x1a\n" + bytes(40), "no JSON"),
    ],
)
def test_what_is_no_gltf_is_named(tmp_path: Path, data: bytes, word: str) -> None:
    path = tmp_path / "a.gltf"
    path.write_bytes(data)
    with pytest.raises(EngineError, match=word):
        load_mesh(path)


@pytest.mark.parametrize(("name", "width"), [("COLOR_0", 3), ("_METALLIC_ROUGHNESS", 2)])
@pytest.mark.parametrize("count", [2, 6])
def test_colours_of_other_vertices_are_refused(
    tmp_path: Path, name: str, width: int, count: int
) -> None:
    gltf = Gltf()
    gltf.show(gltf.square(**{name: gltf.accessor(np.full((count, width), 0.5))}))
    error = refused(gltf, tmp_path)
    assert error.code == "mesh_broken" and "colours" in error.message
