"""Make lantern.glb, a mesh to convert and finish: `python run.py python examples/make_lantern.py`.

A wooden foot and an enamelled body with copper bands (closed surfaces of revolution), a brass
handle (a closed tube), and a shade that is an open sheet without thickness. One texture holds the
colours of all four in its quarters, a second one their metallic and roughness. Y is up.
"""

from pathlib import Path

import numpy as np
import trimesh
from PIL import Image
from trimesh.exchange.gltf import export_glb
from trimesh.visual.material import PBRMaterial
from trimesh.visual.texture import TextureVisuals

SIZE = 256  # texels per side of a quarter
MARGIN = 4 / SIZE  # UVs keep away from the neighbouring quarter
TARGET = Path(__file__).parent / "lantern.glb"

Patch = tuple[np.ndarray, np.ndarray, np.ndarray]  # vertices, faces, UVs in 0..1


def patch(points: np.ndarray) -> Patch:
    """A (rows, columns, 3) net of points as triangles; u runs along columns, v along rows."""
    rows, columns = points.shape[:2]
    index = np.arange(rows * columns).reshape(rows, columns)
    a, b, c, d = index[:-1, :-1], index[:-1, 1:], index[1:, 1:], index[1:, :-1]
    faces = np.concatenate([np.stack([a, b, c], -1), np.stack([a, c, d], -1)], axis=0)
    v, u = np.meshgrid(np.linspace(0, 1, rows), np.linspace(0, 1, columns), indexing="ij")
    return points.reshape(-1, 3), faces.reshape(-1, 3), np.stack([u, v], -1).reshape(-1, 2)


def lathe(profile: list[tuple[float, float]], rows: int, columns: int = 49) -> Patch:
    """A profile of (radius, height) from bottom to top, turned around the y axis."""
    corners = np.array(profile)
    lengths = np.linalg.norm(np.diff(corners, axis=0), axis=1)
    along = np.concatenate([[0], np.cumsum(lengths)])
    # Every corner is a row, the others lie evenly between.
    at = np.unique(np.concatenate([along, np.linspace(0, along[-1], rows)]).round(9))
    radius, height = (np.interp(at, along, corners[:, i]) for i in range(2))
    angle = np.linspace(0, 2 * np.pi, columns)
    x, z = radius[:, None] * np.cos(angle), -radius[:, None] * np.sin(angle)
    return patch(np.stack([x, np.broadcast_to(height[:, None], x.shape), z], -1))


def ring(radius: float, thickness: float, height: float) -> Patch:
    """A ring that stands upright."""
    around, across = np.meshgrid(np.linspace(0, 2 * np.pi, 41), np.linspace(0, 2 * np.pi, 13))
    distance = radius + thickness * np.cos(across)
    points = [distance * np.cos(around), height + distance * np.sin(around)]
    return patch(np.stack([*points, thickness * np.sin(across)], -1))


def paint() -> tuple[np.ndarray, np.ndarray]:
    """Base colour and metallic-roughness pictures, both (2 SIZE, 2 SIZE, 3) uint8."""
    v, u = np.meshgrid(*[(np.arange(SIZE) + 0.5) / SIZE] * 2, indexing="ij")
    v = 1 - v
    color = np.zeros((2, 2, SIZE, SIZE, 3))
    metal, rough = np.zeros((2, 2, SIZE, SIZE)), np.ones((2, 2, SIZE, SIZE))

    rings = 0.5 + 0.5 * np.sin(40 * v + 2 * np.sin(2 * np.pi * 3 * u))
    color[0, 0] = [0.42, 0.25, 0.12] + rings[..., None] * np.array([0.18, 0.13, 0.08])
    rough[0, 0] = 0.75

    diamonds = (np.abs((12 * u) % 1 - 0.5) + np.abs((9 * v) % 1 - 0.5)) < 0.32
    bands = np.minimum(np.abs(v - 0.26), np.abs(v - 0.8)) < 0.04
    enamel = np.where(diamonds[..., None], [0.93, 0.87, 0.72], [0.08, 0.33, 0.42])
    color[0, 1] = np.where(bands[..., None], [0.86, 0.52, 0.36], enamel)
    metal[0, 1], rough[0, 1] = bands, np.where(bands, 0.25, 0.4)

    grooves = (24 * u) % 1 < 0.2
    color[1, 0] = np.where(grooves[..., None], [0.5, 0.38, 0.14], [0.89, 0.75, 0.38])
    metal[1, 0], rough[1, 0] = 1.0, np.where(grooves, 0.6, 0.2)

    stripes = (16 * u + 2 * v) % 1 < 0.5
    cloth = np.where(stripes[..., None], [0.75, 0.16, 0.14], [0.95, 0.9, 0.8])
    color[1, 1] = np.where((v < 0.12)[..., None], [0.2, 0.2, 0.25], cloth)
    rough[1, 1] = 0.9

    return atlas(color), atlas(np.stack([np.zeros_like(metal), rough, metal], -1))


def atlas(quarters: np.ndarray) -> np.ndarray:
    """(2, 2, SIZE, SIZE, 3) in 0..1 to one picture, the first index counting from the bottom."""
    picture = np.concatenate([np.concatenate(list(row), axis=1) for row in quarters[::-1]], axis=0)
    return np.rint(picture * 255).astype(np.uint8)


def main() -> None:
    foot = [(0, 0), (0.42, 0), (0.44, 0.05), (0.4, 0.12), (0, 0.12)]
    body = [(0, 0.12), (0.3, 0.12), (0.36, 0.3), (0.36, 0.55), (0.3, 0.75), (0.12, 0.82), (0, 0.82)]
    shade = [(0.62, 0.78), (0.5, 0.9), (0.3, 1.0), (0.1, 1.06)]
    patches = [
        (lathe(foot, 10), (0, 0)),
        (lathe(body, 24), (1, 0)),
        (ring(0.13, 0.025, 1.14), (0, 1)),
        (lathe(shade, 14), (1, 1)),
    ]
    starts = np.cumsum([0, *(len(part[0]) for part, _ in patches)])
    color, surface = (Image.fromarray(picture) for picture in paint())
    material = PBRMaterial(
        name="lantern",
        baseColorTexture=color,
        metallicRoughnessTexture=surface,
        metallicFactor=1.0,
        roughnessFactor=1.0,
        doubleSided=True,
    )
    uvs = [(MARGIN + (1 - 2 * MARGIN) * uv + corner) / 2 for (_, _, uv), corner in patches]
    mesh = trimesh.Trimesh(
        vertices=np.concatenate([part[0] for part, _ in patches]),
        faces=np.concatenate(
            [part[1] + start for (part, _), start in zip(patches, starts, strict=False)]
        ),
        visual=TextureVisuals(uv=np.concatenate(uvs), material=material),
        process=False,
    )
    TARGET.write_bytes(export_glb(trimesh.Scene({"lantern": mesh})))


if __name__ == "__main__":
    main()
