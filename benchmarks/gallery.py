"""The pictures of docs/gallery that show finishing: raw O-Voxels above, finished assets below.

    python -m benchmarks.gallery [--folder docs/gallery]

Prints what each asset's report says before and after.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks import gallery_meshes as meshes
from benchmarks.finish import print_table
from engine.finishing.finish import finish
from engine.images.writing import png_bytes
from engine.mesh import Mesh
from engine.meshing.weld import weld_positions
from engine.ovoxel import OVoxels, mesh_to_dual_grid, sample_materials
from engine.render.asset import mesh_of_ovoxels
from engine.render.camera import Camera, orbit
from engine.render.film import on_backdrop
from engine.render.picture import render
from engine.report import Report
from protocol.finishes import FINISHES

GRID, FACES, TEXTURE, SIDE = 256, 20_000, 1024, 288
BACKGROUND = (72, 72, 76)
ASSETS = {
    "lantern": (meshes.lantern, 18.0),
    "noisy torus": (meshes.noisy_torus, 40.0),
    "cloth": (meshes.cloth, 25.0),
    "nested shells": (meshes.nested_shells, 40.0),
    "glass jar": (meshes.glass_jar, 12.0),
}
"""Meshes, and degrees above the horizon that the camera stands."""


def before_and_after(mesh: Mesh) -> tuple[Mesh, Mesh, list[str]]:
    """The surface of a mesh's raw O-Voxels, the finished asset, and figures of both."""
    mesh = meshes.in_unit_cube(mesh)
    kept, new_index = weld_positions(mesh.vertices)
    grid = mesh_to_dual_grid(mesh.vertices[kept], new_index[mesh.faces], grid_size=GRID)
    voxels = OVoxels(grid, sample_materials(mesh, grid))
    raw = mesh_of_ovoxels(voxels)
    settings = replace(FINISHES["game"], faces=FACES, texture_size=TEXTURE, lod_shares=(1.0,))
    done = finish(voxels, settings, Report())
    before, after = done.log["before"], done.log["levels"][0]["after"]
    keys = ("faces", "components", "open_edges", "non_manifold_edges", "flipped_edges")
    figures = [f"{before[key]:,} -> {after[key]:,}" for key in keys]
    return raw, done.meshes[0].mesh, [*figures, f"{after['charts']}"]


def shot(mesh: Mesh, camera: Camera) -> np.ndarray:
    seen = render(mesh, camera, width=SIDE, samples=4)
    return np.asarray(on_backdrop(Image.fromarray(seen.rgba), BACKGROUND))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--folder", type=Path, default=Path("docs/gallery"))
    folder = parser.parse_args().folder
    columns, rows = [], []
    for name, (make, elevation) in ASSETS.items():
        raw, finished, figures = before_and_after(make())
        camera = orbit(30.0, elevation, radius=0.68)
        columns.append(np.concatenate([shot(raw, camera), shot(finished, camera)]))
        rows.append([name, *figures])
    picture = Image.fromarray(np.concatenate(columns, axis=1))
    palette = picture.quantize(256, dither=Image.Dither.FLOYDSTEINBERG)
    (folder / "finish.png").write_bytes(png_bytes(palette))
    head = "asset, faces, components, open edges, non-manifold edges, flipped edges, charts"
    print_table(head.split(", "), *rows)


if __name__ == "__main__":
    main()
