"""What is said of a closed surface that misses its faces."""

import numpy as np
import pytest

from engine.finishing import reduced
from engine.finishing.reduced import first_surface, simplified
from engine.meshing.clean import clean_mesh
from engine.meshing.simplify import Simplified
from engine.ovoxel import OVoxels, mesh_to_dual_grid
from engine.report import Report
from protocol.finishes import Finish
from tests.meshes import sphere


@pytest.mark.parametrize(
    ("counts", "kept", "cells"),
    [((200, 300, 300, 300, 300, 300), 200, None), ((200, 300, 150, 300, 300, 300), 150, 28)],
)
def test_the_cells_that_are_told_are_those_of_the_surface_that_is_kept(
    monkeypatch: pytest.MonkeyPatch, counts: tuple[int, ...], kept: int, cells: int | None
) -> None:
    """64 cells, then 42, 28, 18, 12 and 8; no try reaches 100 faces."""
    left = list(counts)

    def stuck(vertices: np.ndarray, faces: np.ndarray, target: int, **_: object) -> Simplified:
        return Simplified(vertices, faces[: left.pop(0)], np.arange(len(vertices)))

    monkeypatch.setattr(reduced, "simplify_mesh", stuck)
    settings = Finish(faces=100, texture_size=16, closed=True, remesh_cells=64)
    voxels = OVoxels.plain(mesh_to_dual_grid(*sphere(20), grid_size=32))
    raw = voxels.grid_surface
    clean = clean_mesh(raw.vertices, raw.faces)
    report = Report()
    surface = first_surface(voxels, clean, settings, report)
    made = simplified(surface, clean, settings, 0, 100, report)
    assert not left and len(made.faces) == kept
    told = [note for note in report.notes if "the surface was closed with" in note]
    assert len(told) == (cells is not None)
    assert cells is None or f"closed with {cells} instead of 64 cells" in told[0]
