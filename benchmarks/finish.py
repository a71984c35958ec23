"""Seconds of finishing, stage by stage: raw O-Voxels of about a million faces to a textured GLB.

    python -m benchmarks.finish [--grid 384] [--faces 200000] [--texture 2048]

The raw mesh is that of a noisy, textured sphere; 384^3 voxels make a million faces.
"""

import argparse
import os
import platform
import resource
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from benchmarks.meshes import noisy_sphere
from engine.export.mesh_file import save_scene
from engine.export.presets import PRESETS
from engine.ovoxel import dual_grid_to_mesh, mesh_to_dual_grid, sample_materials
from engine.pipelines.finish import FinishJob, finish
from engine.pipelines.report import Report


def _job(grid_size: int, faces: int, texture: int) -> FinishJob:
    mesh = noisy_sphere(100, textured=True)
    grid = mesh_to_dual_grid(mesh.vertices, mesh.faces, grid_size=grid_size)
    preset = replace(PRESETS["standard"], faces=faces, texture_size=texture)
    surface = dual_grid_to_mesh(grid, orient=True)
    return FinishJob(grid, sample_materials(mesh, grid), surface, preset)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--grid", type=int, default=384)
    parser.add_argument("--faces", type=int, default=200_000)
    parser.add_argument("--texture", type=int, default=2048)
    arguments = parser.parse_args()
    finish(_job(48, 500, 64), Report())  # compiles the kernels
    job = _job(arguments.grid, arguments.faces, arguments.texture)
    report = Report()
    start = time.perf_counter()
    finished = finish(job, report)
    with tempfile.TemporaryDirectory() as folder, report.stage("writing"):
        save_scene(finished.meshes, Path(folder) / "asset.glb")
    total = time.perf_counter() - start
    print(f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    print(
        f"{len(job.surface.faces):,} faces -> {len(finished.meshes[0].mesh.faces):,} faces, "
        f"{arguments.texture}^2 texels; {finished.log['levels'][0]['after']['charts']} charts"
    )
    print("| " + " | ".join([*report.seconds, "total", "peak"]) + " |")
    print("| " + " | ".join("---" for _ in range(len(report.seconds) + 2)) + " |")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    times = [f"{seconds:.2f}" for seconds in report.seconds.values()]
    print("| " + " | ".join([*times, f"{total:.2f}", f"{peak:.0f} MiB"]) + " |")


if __name__ == "__main__":
    main()
