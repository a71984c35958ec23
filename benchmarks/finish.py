"""Seconds of finishing, stage by stage: raw O-Voxels of about a million faces to a textured GLB.

    python -m benchmarks.finish [--grid 384] [--faces 200000] [--texture 2048] [--xatlas-limit 600]

The raw mesh is that of a noisy, textured sphere; 384^3 voxels make a million faces. Beside it,
where they are installed, fast-simplification and xatlas do the same two stages on the same raw
mesh, and a thumbnail of a million textured faces is timed.
"""

import argparse
import multiprocessing
import os
import platform
import resource
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.meshes import noisy_sphere
from engine.export.mesh_file import save_scene
from engine.finishing.finish import Finished, finish
from engine.mesh import Mesh
from engine.meshing.report import report_mesh
from engine.meshing.unwrap import count_cover
from engine.meshing.weld import weld_positions
from engine.ovoxel import OVoxels, mesh_to_dual_grid, sample_materials
from engine.render.turntable import thumbnail
from engine.report import Report
from protocol.finishes import FINISHES, Finish

COVER_SIZE = 2048


def _raw(grid_size: int) -> OVoxels:
    mesh = noisy_sphere(100, textured=True)
    grid = mesh_to_dual_grid(mesh.vertices, mesh.faces, grid_size=grid_size)
    voxels = OVoxels(grid, sample_materials(mesh, grid))
    _ = voxels.grid_surface  # kept by the voxels; what is timed begins with the raw mesh
    return voxels


def print_table(head: Sequence[str], *rows: Sequence[str]) -> None:
    for row in (head, ["---"] * len(head), *rows):
        print("| " + " | ".join(row) + " |", flush=True)


def _ours(voxels: OVoxels, settings: Finish) -> tuple[Finished, dict[str, float]]:
    report = Report()
    start = time.perf_counter()
    finished = finish(voxels, settings, report)
    with tempfile.TemporaryDirectory() as folder, report.stage("writing"):
        save_scene(finished.meshes, Path(folder) / "asset.glb")
    total = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    times = [f"{seconds:.2f}" for seconds in report.seconds.values()]
    print_table([*report.seconds, "total", "peak"], [*times, f"{total:.2f}", f"{peak:.0f} MiB"])
    return finished, report.seconds


def _quality(vertices: np.ndarray, faces: np.ndarray) -> list[str]:
    after = report_mesh(vertices, faces)
    return [f"{len(faces):,}", f"{after.open_edges:,}", f"{after.non_manifold_edges:,}"]


def _compare(
    raw: Mesh, target: int, ours: Mesh, charts: int, seconds: dict[str, float], limit: int
) -> None:
    """Simplifying and unwrapping by libraries, in a table beside ours."""
    rows = [
        [
            "Maquette",
            f"{seconds['simplify']:.2f} (cleaning {seconds['clean']:.2f})",
            *_quality(*_welded(ours)),
            f"{seconds['unwrap']:.2f}",
            f"{charts:,}",
            _covered(ours.uvs),
        ]
    ]
    try:
        rows.append(_libraries(raw, target, limit))
    except ImportError as error:
        print(f"nothing to compare with: {error}")
    head = "tools, simplify, faces, open edges, non-manifold edges, unwrap, charts, covered"
    print_table(head.split(", "), *rows)


def _welded(mesh: Mesh) -> tuple[np.ndarray, np.ndarray]:
    kept, new_index = weld_positions(mesh.vertices)
    return mesh.vertices[kept], new_index[mesh.faces]


def _covered(corner_uvs: np.ndarray | None) -> str:
    if corner_uvs is None:
        return "none"
    return f"{100 * (count_cover(corner_uvs, COVER_SIZE) > 0).mean():.0f} %"


def _libraries(surface: Mesh, faces: int, limit: int) -> list[str]:
    """fast-simplification, then xatlas in a process of its own that ends at the limit."""
    import fast_simplification  # pyright: ignore[reportMissingImports]
    import xatlas  # noqa: F401  # pyright: ignore[reportMissingImports]

    start = time.perf_counter()
    vertices, low = fast_simplification.simplify(
        surface.vertices, surface.faces, target_count=faces
    )
    simplify = f"{time.perf_counter() - start:.2f}"
    quality = _quality(vertices, low)
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder) / "answer.npz"
        worker = multiprocessing.get_context("spawn").Process(
            target=_xatlas, args=(vertices, low, answer)
        )
        worker.start()
        worker.join(limit)
        if worker.is_alive():
            worker.kill()
            worker.join()
        unwrapped = ["", ""]
        taken = f"not done after {limit} s"
        if answer.is_file():
            with np.load(answer) as found:
                taken = f"{float(found['seconds']):.2f} (processor {float(found['processor']):.2f})"
                unwrapped = [f"{int(found['charts']):,}", _covered(found["corner_uvs"])]
    return ["fast-simplification, xatlas", simplify, *quality, taken, *unwrapped]


def _xatlas(vertices: np.ndarray, faces: np.ndarray, answer: Path) -> None:
    import xatlas  # pyright: ignore[reportMissingImports]

    start = time.perf_counter()
    atlas = xatlas.Atlas()
    atlas.add_mesh(vertices, faces)
    atlas.generate()
    seconds = time.perf_counter() - start
    _, indices, uvs = atlas[0]
    part = answer.with_suffix(".part.npz")
    np.savez(
        part,
        seconds=seconds,
        processor=time.process_time(),  # of all threads, whatever else runs
        charts=atlas.chart_count,
        corner_uvs=uvs[indices],
    )
    part.rename(answer)


def _thumbnail(frequency: int) -> None:
    mesh = noisy_sphere(frequency, textured=True)
    taken: list[float] = []
    for _ in range(4):
        start = time.perf_counter()
        thumbnail(mesh)
        taken.append(time.perf_counter() - start)
    print(f"512 px thumbnail of {len(mesh.faces):,} faces: ", end="")
    print(f"{min(taken[1:]):.2f} to {max(taken[1:]):.2f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--grid", type=int, default=384)
    parser.add_argument("--faces", type=int, default=200_000)
    parser.add_argument("--texture", type=int, default=2048)
    parser.add_argument("--xatlas-limit", type=int, default=600, help="seconds")
    arguments = parser.parse_args()
    usual = FINISHES["standard"]
    finish(_raw(48), replace(usual, faces=500, texture_size=64), Report())  # compiles the kernels
    voxels = _raw(arguments.grid)
    settings = replace(usual, faces=arguments.faces, texture_size=arguments.texture)
    print(f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    print(f"{len(voxels.grid_surface.faces):,} faces, {arguments.texture}^2 texels")
    finished, seconds = _ours(voxels, settings)
    thumbnail(noisy_sphere(10, textured=True))
    _thumbnail(224)
    charts = finished.log["levels"][0]["after"]["charts"]
    raw, ours = voxels.grid_surface, finished.meshes[0].mesh
    _compare(raw, settings.faces, ours, charts, seconds, arguments.xatlas_limit)


if __name__ == "__main__":
    main()
