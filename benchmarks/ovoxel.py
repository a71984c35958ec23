"""Seconds and memory of mesh -> O-Voxels -> mesh, beside the reference's recorded times.

    python -m benchmarks.ovoxel [--faces 200k 1M] [--grids 256 512 1024]

Each row runs in a process of its own, so that its peak memory is its own; kernels are compiled
before. The reference's times are single-threaded C++ on the same kind of machine
(reference/timings.json of the shared folder).
"""

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import time
from pathlib import Path

FREQUENCIES = {"200k": 100, "1M": 224}
TIMINGS = Path(__file__).resolve().parents[2] / "shared" / "reference" / "timings.json"


def measure(faces: str, grid_size: int, repeats: int = 3) -> dict[str, float]:
    from benchmarks.meshes import noisy_sphere
    from engine.ovoxel import dual_grid_to_mesh, mesh_to_dual_grid, sample_materials

    small = noisy_sphere(8, textured=True)
    grid = mesh_to_dual_grid(small.vertices, small.faces, grid_size=32)
    sample_materials(small, grid)
    dual_grid_to_mesh(grid)

    mesh = noisy_sphere(FREQUENCIES[faces], textured=True)
    best = {"geometry": float("inf"), "materials": float("inf"), "mesh": float("inf")}
    quads = 0
    for _ in range(repeats):
        start = time.perf_counter()
        grid = mesh_to_dual_grid(mesh.vertices, mesh.faces, grid_size=grid_size)
        geometry = time.perf_counter()
        sample_materials(mesh, grid)
        materials = time.perf_counter()
        result = dual_grid_to_mesh(grid)
        end = time.perf_counter()
        quads = len(result.faces) // 2
        for name, seconds in (
            ("geometry", geometry - start),
            ("materials", materials - geometry),
            ("mesh", end - materials),
        ):
            best[name] = min(best[name], seconds)
    return best | {
        "voxels": len(grid.coords),
        "quads": quads,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def reference_seconds() -> dict[tuple[str, str, int], float]:
    if not TIMINGS.exists():
        return {}
    rows = json.loads(TIMINGS.read_text())["rows"]
    return {(row["function"], row["mesh"], row["grid"]): row["wall_s_min"] for row in rows}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--faces", nargs="+", default=["200k", "1M"], choices=FREQUENCIES)
    parser.add_argument("--grids", nargs="+", type=int, default=[256, 512, 1024])
    parser.add_argument("--row", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.row:
        print(json.dumps(measure(arguments.row[0], int(arguments.row[1]))))
        return
    reference = reference_seconds()
    load = os.getloadavg()[0]
    print(f"{platform.machine()}, {os.cpu_count()} cores, load {load:.1f}; best of 3, seconds")
    print(
        "| faces | grid | voxels | geometry | materials | both | reference | faster | mesh | peak |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for faces in arguments.faces:
        for grid in arguments.grids:
            command = [sys.executable, "-m", "benchmarks.ovoxel", "--row", faces, str(grid)]
            row = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
            both = row["geometry"] + row["materials"]
            recorded = [
                reference.get((function, faces, grid))
                for function in (
                    "mesh_to_flexible_dual_grid_cpu",
                    "textured_mesh_to_volumetric_attr_cpu",
                )
            ]
            known = [seconds for seconds in recorded if seconds is not None]
            beside = f"{sum(known):.2f} | {sum(known) / both:.1f}x" if len(known) == 2 else "- | -"
            print(
                f"| {faces} | {grid} | {row['voxels']:,} | {row['geometry']:.2f} "
                f"| {row['materials']:.2f} | {both:.2f} | {beside} | {row['mesh']:.2f} "
                f"| {row['peak_mib']:.0f} MiB |",
                flush=True,
            )


if __name__ == "__main__":
    main()
