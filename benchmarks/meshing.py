"""Cleaning, simplifying, unwrapping and remeshing, stage by stage.

    python -m benchmarks.meshing [frequency]

The mesh is an organic sphere of 20 * frequency^2 faces (224: 1,003,520), scrambled in winding and
with holes. Beside it, where they are installed, the same by fast-simplification and xatlas.
"""

import sys
import time
from collections.abc import Callable
from typing import TypeVar

import numpy as np

from benchmarks.meshes import noisy_sphere
from engine.meshing.clean import clean_mesh
from engine.meshing.remesh import remesh
from engine.meshing.report import report_mesh
from engine.meshing.simplify import simplify_mesh
from engine.meshing.unwrap import count_cover, unwrap_mesh

Result = TypeVar("Result")


def raw_mesh(frequency: int) -> tuple[np.ndarray, np.ndarray]:
    """Bumps and wrinkles, random winding, and 200 faces missing."""
    mesh = noisy_sphere(frequency)
    d = mesh.vertices / np.linalg.norm(mesh.vertices, axis=1, keepdims=True)
    x, y, z = d[:, :1], d[:, 1:2], d[:, 2:]
    bumps = 0.06 * np.sin(9 * x) * np.sin(11 * y) * np.sin(8 * z)
    wrinkles = 0.01 * np.sin(40 * x) * np.sin(35 * y + 1) * np.sin(38 * z)
    random = np.random.default_rng(0)
    faces = np.delete(mesh.faces, random.choice(len(mesh.faces), 200, replace=False), axis=0)
    flip = random.random(len(faces)) < 0.2
    faces = np.where(flip[:, None], faces[:, ::-1], faces)
    return (mesh.vertices + d * (bumps + wrinkles)).astype(np.float32), faces.astype(np.int32)


def timed(name: str, function: Callable[[], Result], note: Callable[[Result], str]) -> Result:
    begin = time.perf_counter()
    result = function()
    print(f"{name:28s} {time.perf_counter() - begin:7.2f} s   {note(result)}", flush=True)
    return result


def run(frequency: int) -> None:
    vertices, faces = raw_mesh(frequency)
    timed("report", lambda: report_mesh(vertices, faces), str)
    clean = timed(
        "clean",
        lambda: clean_mesh(vertices, faces),
        lambda r: f"{report_mesh(r.vertices, r.faces)}; {r.removed}",
    )
    target = len(clean.faces) // 5
    low = timed(
        "simplify to a fifth",
        lambda: simplify_mesh(clean.vertices, clean.faces, target),
        lambda r: str(report_mesh(r.vertices, r.faces)),
    )
    timed(
        "unwrap",
        lambda: unwrap_mesh(low.vertices, low.faces),
        lambda r: (
            f"{r.method}, {r.chart_of_face.max() + 1} charts, "
            f"{(count_cover(r.corner_uvs, 2048) > 0).mean():.3f} covered, "
            f"{(count_cover(r.corner_uvs, 2048) > 1).sum()} overlapping texels"
        ),
    )
    timed(
        "remesh at 256",
        lambda: remesh(clean.vertices, clean.faces, 256),
        lambda r: str(report_mesh(r.vertices, r.faces)),
    )


def run_others(frequency: int) -> None:
    """The libraries that one would use instead; a fifth of the faces takes xatlas minutes."""
    import fast_simplification  # pyright: ignore[reportMissingImports]
    import xatlas  # pyright: ignore[reportMissingImports]

    vertices, faces = raw_mesh(frequency)
    low = timed(
        "fast-simplification",
        lambda: fast_simplification.simplify(vertices, faces, target_count=len(faces) // 5),
        lambda r: str(report_mesh(*r)),
    )
    timed(
        "xatlas",
        lambda: xatlas.parametrize(*low),
        lambda r: f"covered {(count_cover(r[2][r[1]], 2048) > 0).mean():.3f}",
    )


if __name__ == "__main__":
    asked = int(sys.argv[1]) if len(sys.argv) > 1 else 224
    run(5)
    print("-- compiled --")
    run(asked)
    try:
        run_others(min(asked, 50))
    except ImportError as error:
        print(f"nothing to compare with: {error}")
