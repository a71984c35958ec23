"""What is said of a result."""

from pathlib import Path

import numpy as np
import pytest

from engine.commands.told import result_lines
from engine.mesh import Mesh
from protocol.finishes import FinishChoice


@pytest.mark.parametrize(
    ("polygons", "said"),
    [
        (None, "5 faces"),
        ([0, 0, 1, 1, 2], "2 quads and 1 triangle"),
        ([0, 0, 1, 1, 7], "2 quads and 1 triangle"),
        ([0, 0, 0, 1, 1], "5 faces"),
        ([0, 1, 2, 3, 3], "5 faces"),
    ],
)
def test_quads_are_counted_as_quads(polygons: list[int] | None, said: str, tmp_path: Path) -> None:
    file = tmp_path / "a.obj"
    file.write_bytes(b"v")
    corners = np.arange(15, dtype=np.float32).reshape(5, 3) / 5
    mesh = Mesh(
        corners, np.array([[0, 1, 2]] * 5, np.int32),
        polygons=None if polygons is None else np.array(polygons, np.int32),
    )  # fmt: skip
    first = next(result_lines([file], None, mesh, FinishChoice()))
    assert first.startswith(f"{file}: {said}, 1 B, 2.40 x 2.40 x 2.40 m")
