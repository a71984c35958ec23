"""Round trips, refusals, and hostile .vxz files."""

import json
import zlib
from pathlib import Path

import numpy as np
import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from engine.ovoxel.vxz import VxzFile, read_vxz, write_vxz
from engine.ovoxel.vxz_codec import compress, decompress
from protocol.errors import EngineError

DATA = Path(__file__).parents[1] / "data" / "vxz"
RECORDED = sorted(DATA.glob("*.vxz"))
FILTERS = ["none", "parent", "neighbor"]
COMPRESSIONS = ["none", "deflate", "lzma", "zstd"]
INTERLEAVES = ["as_is", "all", "none"]


def voxels(count: int = 300, extent: int = 70, seed: int = 0):
    rng = np.random.default_rng(seed)
    coords = np.unique(rng.integers(0, extent, (count, 3)), axis=0).astype(np.int32)
    coords = rng.permutation(coords)
    color = (coords * 3 + rng.integers(0, 4, coords.shape)).astype(np.uint8)
    return coords, {"base_color": color, "metallic": color[:, :1] // 7}


def morton_order(coords: np.ndarray, chunk_size: int) -> np.ndarray:
    """File order, found bit by bit: chunk x, y, z, then the bits of the place from the top."""
    keys = [*(coords // chunk_size).T]
    bit = chunk_size >> 1
    while bit:
        keys += [(column & bit) > 0 for column in coords.T]
        bit >>= 1
    return np.lexsort(keys[::-1])


def assert_same(read: VxzFile, coords, attributes, chunk_size: int) -> None:
    order = morton_order(coords, chunk_size)
    np.testing.assert_array_equal(read.coords, coords[order])
    assert read.coords.dtype == np.int32
    assert list(read.attributes) == list(attributes)
    for name, values in attributes.items():
        np.testing.assert_array_equal(read.attributes[name], values[order])


def parts(path: Path) -> tuple[dict, bytes]:
    data = path.read_bytes()
    start = int.from_bytes(data[4:8], "big")
    return json.loads(data[8:start]), data[start:]


def assemble(path: Path, header, binary: bytes) -> None:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(b"VXZ\x00" + (8 + len(text)).to_bytes(4, "big") + text + binary)


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_recorded_files_both_ways(path: Path, tmp_path: Path):
    with np.load(DATA / "voxels.npz") as archive:
        attributes = dict(archive)
    coords = attributes.pop("coords")
    read = read_vxz(path)
    header = read.header
    attributes = {name: attributes[name] for name, _ in header["attr"]}
    assert_same(read, coords, attributes, header["chunk_size"])
    write_vxz(
        tmp_path / "again.vxz",
        coords,
        attributes,
        chunk_size=header["chunk_size"],
        filter=header["filter"],
        compression=header["compression"],
        interleave=header["attr_interleave"],
    )
    assert (tmp_path / "again.vxz").read_bytes() == path.read_bytes()


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.differing_executors])
@given(st.data())
def test_written_is_read_back(tmp_path_factory, data):
    extent = data.draw(st.sampled_from([1, 3, 40, 1 << 21]))
    drawn = data.draw(
        hnp.arrays(np.int32, st.tuples(st.integers(1, 60), st.just(3)),
                   elements=st.integers(0, extent - 1))
    )  # fmt: skip
    coords = np.unique(drawn, axis=0)[::-1]
    widths = data.draw(st.lists(st.integers(1, 4), max_size=3))
    attributes = {
        f"a{i}": data.draw(hnp.arrays(np.uint8, (len(coords), width)))
        for i, width in enumerate(widths)
    }
    chunk_size = data.draw(st.sampled_from([2, 4, 32, 256, 1024]))
    compression = data.draw(st.sampled_from([*COMPRESSIONS, None]))
    path = tmp_path_factory.getbasetemp() / "written.vxz"
    write_vxz(
        path,
        coords,
        attributes,
        chunk_size=chunk_size,
        filter=data.draw(st.sampled_from(FILTERS)),
        compression=compression,
        # The strongest levels are covered by the recorded files, and are slow.
        level=None if compression in (None, "none") else data.draw(st.integers(1, 6)),
        interleave=data.draw(st.sampled_from(INTERLEAVES)),
    )
    assert_same(read_vxz(path), coords, attributes, chunk_size)


@pytest.mark.parametrize("filter", FILTERS)
def test_dense_block_and_thread_counts(tmp_path: Path, filter):
    coords = np.argwhere(np.ones((20, 20, 20), bool)).astype(np.int32)
    attributes = {"value": (coords * [1, 5, 25]).sum(1, keepdims=True).astype(np.uint8)}
    contents = []
    for threads in (1, 2, 5):
        path = tmp_path / f"{threads}.vxz"
        write_vxz(path, coords, attributes, chunk_size=8, filter=filter, threads=threads)
        assert_same(read_vxz(path, threads=threads), coords, attributes, 8)
        contents.append(path.read_bytes())
    assert contents[0] == contents[1] == contents[2]


def test_filters_by_hand(tmp_path: Path):
    """Four voxels of one 4^3 chunk, against streams worked out on paper."""
    coords = np.array([[0, 0, 0], [0, 0, 1], [0, 1, 1], [3, 0, 0]], np.int32)
    attributes = {"v": np.array([[10], [13], [9], [200]], np.uint8)}
    octree = bytes([0b00010001, 0b00001011, 0b00010000])
    streams = {
        "none": [10, 13, 9, 200],
        # root; root's second child 200-10; then 13-10 and 9-13 in the first child
        "parent": [10, 190, 3, 252],
        # (0,0,1) has -z: 13-10; (0,1,1) has -y and, later in the list, -yz: 9-10
        "neighbor": [10, 3, 255, 200],
    }
    for name, stream in streams.items():
        path = tmp_path / f"{name}.vxz"
        write_vxz(path, coords, attributes, chunk_size=4, filter=name, compression="none")  # type: ignore[arg-type]
        assert parts(path)[1] == octree + bytes(stream), name


def test_extra_header_entries(tmp_path: Path):
    coords, attributes = voxels()
    path = tmp_path / "extra.vxz"
    write_vxz(path, coords, attributes, extra={"maquette": {"scale": 0.25}})
    assert read_vxz(path).header["maquette"] == {"scale": 0.25}
    for extra in ({"chunks": 1}, {"attr": 1}, {"x": float("nan")}, {"x": object()}):
        with pytest.raises(EngineError, match="extra header") as caught:
            write_vxz(path, coords, attributes, extra=extra)
        assert caught.value.code == "vxz_option"
    assert_same(read_vxz(path), coords, attributes, 256)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"coords": np.zeros((0, 3), np.int32)}, "vxz_empty"),
        ({"coords": np.zeros((2, 3), np.int32)}, "vxz_coords"),
        ({"coords": np.array([[0, 0, -1], [0, 0, 0]])}, "vxz_coords"),
        ({"coords": np.array([[0, 0, 1 << 21], [0, 0, 0]])}, "vxz_coords"),
        ({"coords": np.array([[0, 0, 1.5], [0, 0, 0]])}, "vxz_coords"),
        ({"coords": np.zeros((2, 4), np.int32)}, "vxz_coords"),
        ({"attributes": {"a": np.zeros((3, 1), np.uint8)}}, "vxz_attributes"),
        ({"attributes": {"a": np.zeros((2, 1), np.float32)}}, "vxz_attributes"),
        ({"attributes": {"a": np.zeros(2, np.uint8)}}, "vxz_attributes"),
        ({"attributes": {"a": np.zeros((2, 0), np.uint8)}}, "vxz_attributes"),
        (
            {"attributes": {"svo": np.zeros((2, 1), np.uint8)}, "interleave": "as_is"},
            "vxz_attributes",
        ),
        ({"attributes": {"a": np.zeros((2, 5000), np.uint8)}}, "vxz_attributes"),
        ({"chunk_size": 48}, "vxz_option"),
        ({"chunk_size": 1}, "vxz_option"),
        ({"chunk_size": 2048}, "vxz_option"),
        ({"filter": "median"}, "vxz_option"),
        ({"compression": "rar"}, "vxz_option"),
        ({"compression": "deflate", "level": 12}, "vxz_option"),
        ({"interleave": "some"}, "vxz_option"),
    ],
)
def test_refusals_leave_no_file(tmp_path: Path, change, code):
    arguments = {"coords": np.array([[0, 0, 0], [0, 0, 1]]), "attributes": {}, **change}
    with pytest.raises(EngineError) as caught:
        write_vxz(tmp_path / "no.vxz", **arguments)
    assert caught.value.code == code
    assert not list(tmp_path.iterdir())


def _set(*keys, value):
    def change(header):
        target = header
        for key in keys[:-1]:
            target = target[key]
        target[keys[-1]] = value
        return header

    return change


@pytest.mark.parametrize(
    "change",
    [
        *[_set(key, value=value) for key in
          ("num_voxel", "chunk_size", "filter", "compression", "attr_interleave", "attr", "chunks",
           "raw_size", "compressed_size")
          for value in (None, -1, 0, True, 1.5, "x", [], {}, [[]], [None], 1 << 40)],
        _set("chunks", 0, value={}),
        _set("chunks", 0, "idx", value=[0, 0, -1]),
        _set("chunks", 0, "idx", value=[0, 0, 1 << 20]),
        _set("chunks", 0, "idx", value=[0, 0, 1]),
        _set("chunks", 0, "ptr", value=[-1, 5]),
        _set("chunks", 0, "ptr", value=[1 << 60, 5]),
        _set("chunks", 0, "svo", value=[-3, 5]),
        _set("chunks", 0, "svo", value=[0, 1 << 70]),
        _set("chunks", 0, "svo", value=[0, 0]),
        _set("chunks", 1, "ptr", value=[0, 200]),
        _set("attr", value=[["base_color", 1 << 31], ["metallic", 1]]),
        _set("attr", value=[["svo", 3], ["metallic", 1]]),
        _set("attr", value=[["base_color", 3], ["base_color", 1]]),
        lambda header: [header],
        lambda header: b"{",
        lambda header: b"\xff\xfe",
        lambda header: b"[" * 200_000,
        lambda header: b'{"num_voxel": ' + b"9" * 5000 + b"}",
    ],
)  # fmt: skip
def test_altered_headers(tmp_path: Path, change):
    path = tmp_path / "altered.vxz"
    write_vxz(path, *voxels(), chunk_size=32, compression="none", interleave="as_is")
    header, binary = parts(path)
    assert header["chunks"][1]["idx"] == [0, 0, 1]
    assemble(path, change(header), binary)
    with pytest.raises(EngineError, match=r"altered\.vxz") as caught:
        read_vxz(path)
    assert caught.value.code in ("vxz_damaged", "vxz_too_large")


@pytest.mark.parametrize(
    "octree", [b"", b"\x00", b"\x01", b"\x03\x01", b"\x01\x01\x01", b"\x01\x03"]
)
def test_octrees_that_do_not_fit(tmp_path: Path, octree: bytes):
    """One voxel at the origin of a 4^3 chunk has the octree 01 01, and nothing else."""
    path = tmp_path / "octree.vxz"
    write_vxz(path, np.zeros((1, 3), np.int32), {}, chunk_size=4, compression="none")
    header, binary = parts(path)
    assert binary == b"\x01\x01"
    header["chunks"][0].update(svo=[0, len(octree)], ptr=[0, len(octree)])
    header["compressed_size"] = len(octree)
    assemble(path, header, octree)
    with pytest.raises(EngineError) as caught:
        read_vxz(path)
    assert caught.value.code == "vxz_damaged"


@pytest.mark.parametrize("compression", ["deflate", "lzma", "zstd"])
def test_bombs_are_not_unpacked(tmp_path: Path, compression):
    path = tmp_path / "bomb.vxz"
    write_vxz(path, np.zeros((1, 3), np.int32), {"a": np.zeros((1, 1), np.uint8)},
              compression=compression, level=1, interleave="as_is")  # fmt: skip
    header, binary = parts(path)
    bomb = compress(bytes(50_000_000), compression, 1)
    for name in ("svo", "a"):
        chunk = dict(header["chunks"][0])
        chunk[name] = [len(binary), len(bomb)]
        chunk["ptr"] = [0, len(binary) + len(bomb)]
        changed = {**header, "chunks": [chunk], "compressed_size": len(binary) + len(bomb)}
        assemble(path, changed, binary + bomb)
        with pytest.raises(EngineError) as caught:
            read_vxz(path)
        assert caught.value.code == "vxz_damaged"


def test_large_promise_is_refused(tmp_path: Path):
    coords, attributes = voxels()
    path = tmp_path / "large.vxz"
    write_vxz(path, coords, attributes)
    with pytest.raises(EngineError) as caught:
        read_vxz(path, max_bytes=1000)
    assert caught.value.code == "vxz_too_large"


@pytest.mark.parametrize("path", [None, *RECORDED], ids=lambda path: path.stem if path else "ours")
def test_random_damage(path: Path | None, tmp_path: Path):
    """Any flipped or missing bytes: an error that names the file, or sound contents."""
    victim = tmp_path / "victim.vxz"
    if path is None:
        write_vxz(victim, *voxels(), chunk_size=64)
    else:
        victim.write_bytes(path.read_bytes())
    sound = victim.read_bytes()
    rng = np.random.default_rng(zlib.crc32(victim.read_bytes()))
    refused = 0
    for attempt in range(150):
        data = bytearray(sound)
        if attempt % 3 == 0:
            del data[rng.integers(len(data)) :]
        elif attempt % 3 == 1:  # the header, where the numbers are
            data[rng.integers(int.from_bytes(sound[4:8], "big"))] = rng.integers(256)
        else:
            for _ in range(rng.integers(1, 4)):
                data[rng.integers(len(data))] ^= 1 << rng.integers(8)
        victim.write_bytes(data)
        try:
            read = read_vxz(victim)
        except EngineError as error:
            assert error.code in ("vxz_damaged", "vxz_too_large")
            assert "victim.vxz" in error.message
            refused += 1
        else:
            assert len(np.unique(read.coords, axis=0)) == len(read.coords) > 0
            assert read.coords.min() >= 0
            assert all(len(values) == len(read.coords) for values in read.attributes.values())
    assert refused >= 50  # all the cut ones, at least


def test_missing_file(tmp_path: Path):
    with pytest.raises(EngineError) as caught:
        read_vxz(tmp_path / "nowhere.vxz")
    assert caught.value.code == "vxz_unreadable"


def test_long_zstd_streams_are_those_of_the_threaded_mode():
    """Which the reference uses; above 512 kB its frames are not those of the plain mode."""
    data = np.random.default_rng(0).normal(128, 9, 1_500_000).astype(np.uint8).tobytes()
    ours = compress(data, "zstd", 3)
    assert ours == zstandard.ZstdCompressor(level=3, threads=-1).compress(data)
    assert decompress(ours, "zstd", 3, len(data)) == data
