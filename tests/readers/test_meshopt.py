"""EXT_meshopt_compression and KHR_meshopt_compression: streams of the usual encoder, and damage.

``make_meshopt.mjs`` beside this file made tests/data/meshopt: streams, and what the encoder's own
decoder makes of them.
"""

import base64
import json
import random
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.readers.load import load_mesh
from engine.readers.meshopt import decode_meshopt
from engine.readers.source import Broken
from protocol.errors import EngineError
from tests.export.glb import put_together, taken_apart
from tests.readers import mutate
from tests.readers.made import SQUARE, SQUARE_FACES, Gltf, area, spans

DATA = Path(__file__).resolve().parents[1] / "data"
CASES: list[dict[str, Any]] = json.loads((DATA / "meshopt" / "streams.json").read_text())
ULP = {"OCTAHEDRAL": "i", "QUATERNION": "i", "COLOR": "u"}
"""Filters that the specification lets differ by one in the last place, and their integers."""
EXT, KHR = "EXT_meshopt_compression", "KHR_meshopt_compression"


def decoded(case: dict[str, Any], stream: bytes, **changed: Any) -> np.ndarray:
    names = ("count", "stride", "mode", "filter")
    return decode_meshopt(memoryview(stream), **({n: case[n] for n in names} | changed))


def streams(case: dict[str, Any]) -> list[bytes]:
    return [base64.b64decode(each) for each in case["streams"]]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_streams_of_the_encoder(case: dict[str, Any]) -> None:
    right = np.frombuffer(zlib.decompress(base64.b64decode(case["values"]), -15), np.uint8)
    for stream in streams(case):
        found = decoded(case, stream)
        if case["filter"] in ULP:
            kind = f"<{ULP[case['filter']]}{case['stride'] // 4}"
            found, expected = (v.view(kind).astype(int) for v in (found, right))
            assert abs(found - expected).max() <= 1
        else:
            np.testing.assert_array_equal(found, right)


def test_cut_and_lengthened_streams_are_refused() -> None:
    for case in CASES:
        for stream in streams(case):
            for other in (stream[:-1], stream + b"\0", b"", stream[:1], b"\0" + stream[1:]):
                with pytest.raises(Broken):
                    decoded(case, other)
            with pytest.raises(Broken):
                decoded(case, stream, count=case["count"] * 3_000_000)


@pytest.mark.parametrize(
    ("mode", "stride", "count", "filter"),
    [
        ("ATTRIBUTES", 6, 4, "NONE"),
        ("ATTRIBUTES", 260, 4, "NONE"),
        ("ATTRIBUTES", 0, 4, "NONE"),
        ("ATTRIBUTES", 12, 4, "OCTAHEDRAL"),
        ("ATTRIBUTES", 4, 4, "QUATERNION"),
        ("ATTRIBUTES", 4, 4, "MORE"),
        ("ATTRIBUTES", 4, -1, "NONE"),
        ("TRIANGLES", 4, 4, "NONE"),
        ("TRIANGLES", 4, 3, "EXPONENTIAL"),
        ("INDICES", 1, 3, "NONE"),
        ("OTHERS", 4, 3, "NONE"),
    ],
)
def test_layouts_that_there_are_not(mode: str, stride: int, count: int, filter: str) -> None:
    with pytest.raises(Broken, match="layout"):
        decode_meshopt(memoryview(bytes(99)), count, stride, mode, filter)


def test_mutated_streams_are_read_or_refused() -> None:
    """4,000 of them; what is read has the size that was stated."""
    chance = random.Random(15)
    read = 0
    for _ in range(4000):
        case = chance.choice(CASES)
        stream = mutate.of_bytes(chance.choice(streams(case)), chance)
        try:
            assert len(decoded(case, stream)) == case["count"] * case["stride"]
            read += 1
        except Broken:
            pass
    assert 400 < read < 3600


@pytest.mark.parametrize(("name", "exact"), [("ext.glb", False), ("khr.glb", True)])
def test_files_of_gltfpack(name: str, exact: bool) -> None:
    found, right = (load_mesh(DATA / folder) for folder in (f"meshopt/{name}", "scene/scene.glb"))
    assert len(found.faces) == len(right.faces)
    assert area(found) == pytest.approx(area(right), rel=1e-6 if exact else 1e-3)
    spans(found, right.vertices.min(axis=0), right.vertices.max(axis=0), 1e-6 if exact else 1e-3)
    assert {m.name for m in found.materials} == {m.name for m in right.materials} or exact
    corners = [_corners(mesh) for mesh in (found, right)]
    np.testing.assert_allclose(corners[0], corners[1], atol=1e-6 if exact else 1e-3)


def _corners(mesh: Any) -> np.ndarray:
    """The places of all corners in an order that does not depend on that of the faces."""
    corners = mesh.vertices[mesh.faces].reshape(-1, 3).astype(np.float64)
    return corners[np.lexsort(np.rint(corners * 100).T)]


def packed_square(name: str, **changed: Any) -> Gltf:
    """A square whose places are compressed; the buffer that they would fill is not there.

    The stream is written by hand: 16 deltas of a byte each, in bytes.
    """
    gltf = Gltf(name)
    rows = SQUARE.astype("<f4").view(np.uint8).reshape(4, 12)
    steps = np.diff(rows.astype(int), axis=0, prepend=rows[:1].astype(int))
    signed = (steps + 128) % 256 - 128
    zigzag = np.where(signed < 0, -2 * signed - 1, 2 * signed).astype(np.uint8)
    blocks = [b"\3" + zigzag[:, k].tobytes() + bytes(12) for k in range(12)]
    stream = b"\xa0" + b"".join(blocks) + bytes(20) + rows[0].tobytes()
    packed = gltf.view(stream)
    place = gltf.document["bufferViews"][packed]
    view = gltf.add(
        "bufferViews",
        {
            "buffer": 1,
            "byteLength": 48,
            "byteStride": 12,
            "extensions": {name: {**place, "byteStride": 12, "mode": "ATTRIBUTES", "count": 4}},
        },
    )
    gltf.document["bufferViews"][view]["extensions"][name].update(changed)
    accessor = {"bufferView": view, "componentType": 5126, "count": 4, "type": "VEC3"}
    primitive = {"attributes": {"POSITION": gltf.add("accessors", accessor)}}
    gltf.show({**primitive, "indices": gltf.accessor(SQUARE_FACES, "u2")})
    return gltf


def saved(gltf: Gltf, path: Path) -> Path:
    """With a placeholder as the second buffer."""
    document, rest = taken_apart(gltf.save(path))
    document["buffers"].append({"byteLength": 48})
    path.write_bytes(put_together(document, rest))
    return path


@pytest.mark.parametrize("name", [EXT, KHR])
def test_places_whose_fallback_is_not_there(tmp_path: Path, name: str) -> None:
    mesh = load_mesh(saved(packed_square(name), tmp_path / "a.glb"))
    spans(mesh, [0, 0, 0], [1, 0, 1])
    assert area(mesh) == pytest.approx(1)


@pytest.mark.parametrize(
    "changed",
    [
        {"count": 5},
        {"count": 2**40},
        {"count": "4"},
        {"byteStride": None},
        {"buffer": 1},
        {"buffer": 7},
        {"byteLength": 10},
        {"byteOffset": 4},
        {"byteOffset": -4},
        {"mode": "TRIANGLES"},
        {"filter": "OCTAHEDRAL"},
    ],
)
def test_what_does_not_fit_is_refused(tmp_path: Path, changed: dict[str, Any]) -> None:
    path = saved(packed_square(EXT, **changed), tmp_path / "a.glb")
    with pytest.raises(EngineError) as caught:
        load_mesh(path)
    assert caught.value.code == "mesh_broken"


def test_a_placeholder_is_never_read_as_the_data_of_the_file(tmp_path: Path) -> None:
    gltf = packed_square(EXT)
    del gltf.document["bufferViews"][1]["extensions"]
    with pytest.raises(EngineError) as caught:
        load_mesh(saved(gltf, tmp_path / "a.glb"))
    assert caught.value.code == "mesh_broken"


def test_much_out_of_little_is_refused(tmp_path: Path) -> None:
    """Blocks of zeros take a byte for a thousand, so that a small file could ask for gigabytes."""
    count = 256 * 1_500_000
    stream = b"\xa1" + bytes(count // 256) + bytes(24)
    gltf = packed_square(KHR)
    view = gltf.document["bufferViews"][1]
    place = gltf.document["bufferViews"][gltf.view(stream)]
    view["extensions"][KHR].update({**place, "count": count, "byteStride": 4})
    view["byteLength"] = 4 * count
    with pytest.raises(EngineError) as caught:
        load_mesh(saved(gltf, tmp_path / "a.glb"))
    assert caught.value.code == "mesh_too_large"
