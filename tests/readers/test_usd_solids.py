"""USD: solids without points, and what is left out with a note."""

from pathlib import Path

import numpy as np
import pytest

from engine.readers.load import load_mesh
from protocol.errors import EngineError
from tests.readers.made import area, notes_of, spans
from tests.readers.test_usd import METRES, square, stage

pytest.importorskip("pxr")
pytestmark = pytest.mark.usefixtures("in_this_process")


@pytest.mark.parametrize(
    ("kind", "values", "high", "size"),
    [
        ("Cube", "double size = 4", (2, 2, 2), 96),
        ("Sphere", "double radius = 2", (2, 2, 2), 16 * np.pi),
        ("Cylinder", 'double height = 6\nuniform token axis = "X"', (3, 1, 1), 14 * np.pi),
        ("Cone", 'double height = 6\nuniform token axis = "Y"', (1, 3, 1), np.pi * (37**0.5 + 1)),
        ("Capsule", "double height = 4\ndouble radius = 1", (1, 1, 3), 12 * np.pi),
        ("Plane", "double width = 4\ndouble length = 2", (2, 1, 0), 8),
    ],
)
def test_solids(tmp_path: Path, kind: str, values: str, high: tuple, size: float) -> None:
    color = "color3f[] primvars:displayColor = [(0, 1, 0)]"
    mesh = load_mesh(stage(tmp_path, f'def {kind} "a" {{\n{values}\n{color}\n}}', head=METRES))
    spans(mesh, tuple(-value for value in high), high, 0.03)
    assert area(mesh) == pytest.approx(size, rel=0.01)
    a, b, c = (mesh.vertices[mesh.faces[:, k]] for k in range(3))
    across = np.cross(b - a, c - a)
    assert (np.linalg.norm(across, axis=1) > 0).all()
    outside = (0, 0, 1) if kind == "Plane" else a + b + c
    assert ((across * outside).sum(axis=1) > 0).all()
    assert mesh.colors is not None
    np.testing.assert_allclose(mesh.colors, np.tile([0, 1, 0, 1], (len(mesh.colors), 1)))


def test_a_solid_without_a_size_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EngineError) as caught:
        load_mesh(stage(tmp_path, 'def Sphere "a" {\ndouble radius = -1\n}'))
    assert caught.value.code == "mesh_broken"


def test_free_form_surfaces_are_left_out_with_a_note(tmp_path: Path) -> None:
    path = stage(tmp_path, square(), 'def NurbsPatch "s"\n{\n}', head=METRES)
    assert "1 part of a free-form surface" in notes_of(path)[-1]


def test_a_network_of_materialx_is_named_and_replaced(tmp_path: Path) -> None:
    network = """def Material "steel"
{
token outputs:mtlx:surface.connect = </steel/s.outputs:out>
def Shader "s"
{
uniform token info:id = "ND_standard_surface_surfaceshader"
token outputs:out
}
}
"""
    bound = square(
        "a",
        "rel material:binding = </steel>",
        about="""(
prepend apiSchemas = ["MaterialBindingAPI"]
)""",
    )
    notes = notes_of(stage(tmp_path, bound, network, head=METRES))
    assert sum("steel" in n and "ND_standard_surface" in n and "neutral" in n for n in notes) == 1
