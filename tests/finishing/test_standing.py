"""Height, scale and origin of a result."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from engine.cli import app
from engine.export.gltf import NamedMesh
from engine.export.mesh_file import save_scene
from engine.finishing.standing import is_moved, stand
from engine.mesh import Mesh
from engine.readers.load import load_mesh
from engine.report import Report
from protocol.errors import EngineError
from protocol.finishes import FINISHES, Finish, FinishChoice
from protocol.limits import Origin
from tests.finishing.shapes import box


def asked(
    height: float | None = None, origin: Origin = "kept", scale: float | None = None
) -> Finish:
    return replace(FINISHES["standard"], height=height, origin=origin, scale=scale)


def bounds(*meshes: Mesh) -> tuple[np.ndarray, np.ndarray]:
    points = np.concatenate([mesh.vertices for mesh in meshes])
    return points.min(axis=0), points.max(axis=0)


def test_it_stands_on_the_ground_as_tall_as_was_asked_for() -> None:
    low_box, high_box = box((1, 2, 1), (5, 0, 1.5)), box((1, 1, 3), (5, 0, 3.5))
    hull = NamedMesh("UCX_a", box((2, 2, 9), (5, 0, 3)), bare=True)
    first, second, beside = stand(
        [NamedMesh("a", low_box), NamedMesh("b", high_box), hull], asked(2.0, "base"), Report()
    )
    low, high = bounds(first.mesh, second.mesh)
    np.testing.assert_allclose(low, (-0.25, -0.5, 0), atol=1e-6)
    np.testing.assert_allclose(high, (0.25, 0.5, 2), atol=1e-6)
    # What is not seen does not count, and goes along.
    np.testing.assert_allclose(bounds(beside.mesh)[1][2], (7.5 - 1) / 2, atol=1e-6)
    assert (first.name, second.name, beside.bare) == ("a", "b", True)


def test_only_the_finest_level_counts() -> None:
    """A coarser one that sticks out makes the first neither smaller nor lifts it off the ground."""
    levels = [
        NamedMesh("a_LOD0", box((1, 1, 2), (0, 0, 1))),
        NamedMesh("a_LOD1", box((1.2, 1.2, 2.2), (0, 0, 1)), level=1),
    ]
    first, second = stand(levels, asked(1.0, "base"), Report())
    np.testing.assert_allclose(bounds(first.mesh), ((-0.25, -0.25, 0), (0.25, 0.25, 1)), atol=1e-6)
    np.testing.assert_allclose(bounds(second.mesh)[1][2], 1.05, atol=1e-6)


@pytest.mark.parametrize("options", [[], ["--rebuild", "--resolution", "16", "--texture", "64"]])
@pytest.mark.parametrize(
    ("name", "origin", "told"),
    [("b.glb", "kept", True), ("b.glb", "base", False), ("b.stl", "kept", False)],
)
def test_far_from_the_origin_is_told_of_what_is_written(
    tmp_path: Path, options: list[str], name: str, origin: str, told: bool
) -> None:
    """Printing files put everything above the origin."""
    source = tmp_path / "a.obj"
    source.write_text("v 99999 0 0\nv 100000 0 0\nv 99999 1 0\nv 99999 0 1\n"
                      "f 1 3 2\nf 1 2 4\nf 1 4 3\nf 2 3 4\n")  # fmt: skip
    words = ["finish", str(source), "-o", str(tmp_path / name), "--origin", origin, *options]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    notes = " ".join(done.stderr.split())
    assert ("times its size away from the origin" in notes) == told
    assert ("--origin base puts it there" in notes) == told


@pytest.mark.parametrize(
    ("height", "origin", "low", "high"),
    [
        (None, "kept", (2, 3, 4), (4, 5, 8)),
        (None, "centre", (-1, -1, -2), (1, 1, 2)),
        (None, "base", (-1, -1, 0), (1, 1, 4)),
        (8.0, "kept", (4, 6, 8), (8, 10, 16)),
        (1.0, "centre", (-0.25, -0.25, -0.5), (0.25, 0.25, 0.5)),
    ],
)
def test_each_origin(height, origin, low, high) -> None:
    (named,) = stand([NamedMesh("a", box((2, 2, 4), (3, 4, 6)))], asked(height, origin), Report())
    found = bounds(named.mesh)
    np.testing.assert_allclose(found, (low, high), atol=1e-6)


@pytest.mark.parametrize(
    ("origin", "low", "high"),
    [
        ("kept", (0.2, 0.3, 0.4), (0.4, 0.5, 0.8)),
        ("centre", (-0.1, -0.1, -0.2), (0.1, 0.1, 0.2)),
        ("base", (-0.1, -0.1, 0), (0.1, 0.1, 0.4)),
    ],
)
def test_a_scale_is_from_the_origin(origin: Origin, low, high) -> None:
    (named,) = stand(
        [NamedMesh("a", box((2, 2, 4), (3, 4, 6)))], asked(None, origin, 0.1), Report()
    )
    np.testing.assert_allclose(bounds(named.mesh), (low, high), atol=1e-6)
    assert is_moved(asked(scale=0.1)) and not is_moved(asked())


def test_refusals() -> None:
    flat = Mesh(np.array([[0, 0, 1], [1, 0, 1], [0, 1, 1]], np.float32), np.array([[0, 1, 2]]))
    with pytest.raises(EngineError) as caught:
        stand([NamedMesh("a", flat)], asked(1.0), Report())
    assert caught.value.code == "height"
    (double,) = stand([NamedMesh("a", flat)], asked(scale=2.0), Report())
    np.testing.assert_array_equal(double.mesh.vertices, 2 * flat.vertices)
    for scale in (0, -1.0, float("nan"), 1e7, True):
        with pytest.raises(EngineError) as caught:
            FinishChoice(scale=scale)
        assert caught.value.code == "scale" and "0.000001" in caught.value.hint
    with pytest.raises(EngineError) as caught:
        FinishChoice(scale=2.0, height=1.8)
    assert caught.value.code == "scale" and "one of the two" in caught.value.hint
    for height in (0, -1.0, float("nan"), float("inf"), True):
        with pytest.raises(EngineError) as caught:
            FinishChoice(height=height)
        assert caught.value.code == "height"
    with pytest.raises(EngineError) as caught:
        FinishChoice(origin="top")  # pyright: ignore[reportArgumentType]
    assert caught.value.code == "origin" and "base" in caught.value.hint


@pytest.mark.parametrize("options", [[], ["--rebuild", "--resolution", "32", "--texture", "64"]])
def test_of_the_command_with_both_ways(tmp_path: Path, options: list[str]) -> None:
    source, target = tmp_path / "a.glb", tmp_path / "b.glb"
    save_scene([NamedMesh("post", box((1, 1, 4), (3, 4, 6)))], source)
    done = CliRunner().invoke(
        app,
        ["finish", str(source), "-o", str(target), "--height", "1.8", "--origin", "base", *options],
    )
    assert done.exit_code == 0, done.output
    low, high = bounds(load_mesh(target))
    np.testing.assert_allclose(low[2], 0, atol=1e-5)
    np.testing.assert_allclose(high[2], 1.8, atol=1e-5)
    np.testing.assert_allclose((low + high)[:2], 0, atol=1e-5)


def test_scale_of_the_command(tmp_path: Path) -> None:
    source, target = tmp_path / "a.glb", tmp_path / "b.glb"
    save_scene([NamedMesh("post", box((1, 1, 4), (3, 4, 6)))], source)
    words = ["finish", str(source), "-o", str(target), "--scale", "0.01"]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    np.testing.assert_allclose(bounds(load_mesh(target))[1], (0.035, 0.045, 0.08), atol=1e-6)
    both = CliRunner().invoke(app, [*words, "--height", "2"])
    assert both.exit_code != 0 and "A height and a scale both say" in both.output
