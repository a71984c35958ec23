"""Our .vxz files against those that the reference wrote: equal bytes, equal contents."""

import json
from pathlib import Path

import numpy as np
import pytest

from engine.ovoxel.vxz import read_vxz, write_vxz
from tests.parity.recorded import need, need_tensors

TYPES = {"U8": "u1", "I32": "<i4"}


@pytest.fixture(scope="module")
def folder(goldens: Path) -> Path:
    if not (goldens / "vxz" / "io.safetensors").is_file():
        pytest.skip(f"no vxz case in {goldens}")
    return goldens / "vxz"


@pytest.fixture(scope="module")
def tensors(folder: Path) -> dict[str, np.ndarray]:
    data = (folder / "io.safetensors").read_bytes()
    start = 8 + int.from_bytes(data[:8], "little")
    found: dict[str, np.ndarray] = {}
    for name, entry in json.loads(data[8:start]).items():
        if name != "__metadata__":
            begin, end = (start + offset for offset in entry["data_offsets"])
            flat = np.frombuffer(data[begin:end], TYPES[entry["dtype"]])
            found[name] = flat.reshape(entry["shape"])
    return found


def _files(folder: Path) -> list[Path]:
    files = sorted(folder.glob("*.vxz"))
    if not files:
        pytest.skip(f"no .vxz files in {folder}")
    return files


def test_every_recorded_file_is_read_exactly(folder: Path, tensors: dict[str, np.ndarray]):
    recorded = json.loads(need(folder / "meta.json").read_text())
    for path in _files(folder):
        read = read_vxz(path)
        prefix = f"out.chunk{read.header['chunk_size']}"
        need_tensors(tensors, f"{prefix}.coord")
        np.testing.assert_array_equal(read.coords, tensors[f"{prefix}.coord"], path.name)
        assert read.attributes
        for name, values in read.attributes.items():
            np.testing.assert_array_equal(values, tensors[f"{prefix}.{name}"], path.name)
        # meta.json leaves the chunks of most files out.
        expected = recorded[path.name]["header"]
        assert {name: read.header[name] for name in expected} == expected


def test_every_recorded_file_is_written_to_the_byte(
    folder: Path, tensors: dict[str, np.ndarray], tmp_path: Path
):
    for path in _files(folder):
        header = read_vxz(path).header
        write_vxz(
            tmp_path / path.name,
            tensors["in.coord"],
            {name: tensors[f"in.{name}"] for name, _ in header["attr"]},
            chunk_size=header["chunk_size"],
            filter=header["filter"],
            compression=header["compression"],
            interleave=header["attr_interleave"],
        )
        assert (tmp_path / path.name).read_bytes() == path.read_bytes(), path.name
