"""Five assets for docs/gallery, each hard on one part of finishing."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from engine.mesh import Material, Mesh, Texture
from engine.ovoxel.placement import fit_unit_cube
from engine.readers.load import load_mesh

ROOT = Path(__file__).resolve().parents[1]
Color = tuple[float, float, float]


def net(points: np.ndarray, repeat: tuple[float, float] = (1, 1)) -> Mesh:
    """A (rows, columns, 3) net of points as triangles; UVs run ``repeat`` times across it."""
    rows, columns = points.shape[:2]
    index = np.arange(rows * columns).reshape(rows, columns)
    a, b, c, d = index[:-1, :-1], index[:-1, 1:], index[1:, 1:], index[1:, :-1]
    faces = np.concatenate([np.stack([a, b, c], -1), np.stack([a, c, d], -1)], axis=0)
    v, u = np.meshgrid(
        np.linspace(0, repeat[0], rows), np.linspace(0, repeat[1], columns), indexing="ij"
    )
    faces = faces.reshape(-1, 3).astype(np.int32)
    uv = np.stack([u, v], -1).reshape(-1, 2).astype(np.float32)
    # Rounded, so that seams close exactly.
    return Mesh(points.reshape(-1, 3).round(7).astype(np.float32), faces, uvs=uv[faces])


def lathe(profile: list[tuple[float, float]], rows: int = 120, columns: int = 200) -> Mesh:
    """A profile of (radius, height) turned around Z; outward when it runs upwards."""
    corners = np.array(profile)
    along = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(corners, axis=0), axis=1))])
    at = np.unique(np.concatenate([along, np.linspace(0, along[-1], rows)]).round(9))
    radius, height = (np.interp(at, along, corners[:, i])[:, None] for i in range(2))
    angle = np.linspace(0, 2 * np.pi, columns)[None]
    points = [radius * np.cos(angle), radius * np.sin(angle), height + 0 * angle]
    return net(np.stack(points, axis=-1).round(9))


def ball(
    radius: float, centre: tuple[float, float, float] = (0, 0, 0), top: float = 1.0, rows: int = 80
) -> Mesh:
    """A sphere, open above the share ``top`` of its radius when that is below 1."""
    up = np.linspace(np.pi, np.arccos(top), rows)
    mesh = lathe([(radius * np.sin(t), radius * np.cos(t)) for t in up], rows, 2 * rows)
    return replace(mesh, vertices=(mesh.vertices + np.asarray(centre)).astype(np.float32))


def joined(*parts: tuple[Mesh, Material]) -> Mesh:
    """All parts in one mesh, each with its material."""
    starts = np.cumsum([0, *(len(mesh.vertices) for mesh, _ in parts)])
    meshes = [mesh for mesh, _ in parts]
    corners = [np.zeros((len(m.faces), 3, 2)) if m.uvs is None else m.uvs for m in meshes]
    return Mesh(
        np.concatenate([m.vertices for m in meshes]),
        np.concatenate([m.faces + start for m, start in zip(meshes, starts, strict=False)]),
        uvs=np.concatenate(corners).astype(np.float32),
        materials=tuple(material for _, material in parts),
        face_material=np.repeat(
            np.arange(len(parts), dtype=np.int32), [len(m.faces) for m in meshes]
        ),
    )


def plain(color: Color, metallic: float = 0.0, roughness: float = 0.6) -> Material:
    return Material(base_color_factor=color, metallic_factor=metallic, roughness_factor=roughness)


def lantern() -> Mesh:
    return load_mesh(ROOT / "examples" / "lantern.glb")


def noisy_torus() -> Mesh:
    """A rough striped ring with 60 holes, and 300 floaters around it."""
    random = np.random.default_rng(0)
    big, small = np.meshgrid(
        np.linspace(0, 2 * np.pi, 700), np.linspace(0, 2 * np.pi, 260), indexing="ij"
    )
    bumps = 0.004 * np.sin(20 * big + 9 * small) + 0.003 * np.sin(31 * big - 12 * small)
    tube = 0.13 + bumps
    ring = 0.32 + tube * np.cos(small)
    points = np.stack([ring * np.cos(big), ring * np.sin(big), tube * np.sin(small)], axis=-1)
    points[1:-1, 1:-1] += random.normal(0, 0.0007, points[1:-1, 1:-1].shape)
    torus = net(points, (6, 1))
    centres = torus.vertices[torus.faces].mean(axis=1)
    holes = centres[random.choice(len(centres), 60, replace=False)]
    near = np.linalg.norm(centres[:, None] - holes[None], axis=2).min(axis=1)
    kept = near > 0.004
    torus = replace(torus, faces=torus.faces[kept], uvs=np.asarray(torus.uvs)[kept])
    y, x = np.mgrid[0:128, 0:128]
    stripes = np.where(((x + y) % 128 < 64)[..., None], (214, 96, 48), (238, 222, 190))
    paint = Material(base_color_texture=Texture(stripes.astype(np.uint8)), roughness_factor=0.55)
    places = random.uniform(-0.48, 0.48, (300, 3))
    crumbs = [(ball(0.004, tuple(p.tolist()), rows=6), plain((0.3, 0.3, 0.3))) for p in places]
    return joined((torus, paint), *crumbs)


def cloth() -> Mesh:
    """An open sheet without thickness that hangs in folds."""
    y, x = np.meshgrid(np.linspace(-1, 1, 300), np.linspace(-1, 1, 300), indexing="ij")
    far = np.sqrt(x * x + y * y)
    fall = np.clip(far - 0.45, 0, None)
    folds = 0.22 * fall * np.sin(9 * np.arctan2(y, x))
    points = np.stack([0.42 * x, 0.42 * y, 0.1 - 0.55 * fall + 0.35 * folds], axis=-1)
    v, u = np.mgrid[0:256, 0:256] // 32
    checks = np.where(((u + v) % 2)[..., None] > 0, (40, 84, 140), (226, 226, 216))
    return replace(
        net(points),
        materials=(
            Material(base_color_texture=Texture(checks.astype(np.uint8)), roughness_factor=0.9),
        ),
    )


def nested_shells() -> Mesh:
    """Three bowls without thickness inside each other, and a ball of rough steel."""
    return joined(
        (ball(0.45, top=0.1), plain((0.75, 0.25, 0.2))),
        (ball(0.35, top=0.35), plain((0.9, 0.75, 0.35))),
        (ball(0.25, top=0.6), plain((0.3, 0.55, 0.6))),
        (ball(0.16, (0, 0, 0.14)), plain((0.75, 0.76, 0.78), 1.0, 0.9)),
    )


def glass_jar() -> Mesh:
    """A jar with walls of glass, a lid of brass, and marbles in it."""
    outer = [(0, -0.4), (0.25, -0.4), (0.28, -0.37), (0.28, 0.15), (0.22, 0.25), (0.22, 0.32)]
    inner = [(0.2, 0.32), (0.2, 0.24), (0.26, 0.14), (0.26, -0.36), (0.24, -0.38), (0, -0.38)]
    lid = [(0.0, 0.325), (0.24, 0.325), (0.24, 0.4), (0.22, 0.42), (0, 0.42)]
    glass = Material(
        base_color_factor=(0.75, 0.9, 0.88),
        alpha_factor=0.3,
        alpha_mode="blend",
        roughness_factor=0.1,
    )
    random = np.random.default_rng(4)
    marbles = []
    for level in range(3):
        for place in range(5):
            turn = 2 * np.pi * (place / 5 + level / 10)
            centre = (0.155 * np.cos(turn), 0.155 * np.sin(turn), -0.3 + 0.145 * level)
            color = tuple(random.uniform(0.15, 0.95, 3).tolist())
            marbles.append((ball(0.072, centre, rows=40), plain(color, roughness=0.25)))
    return joined(
        (lathe(outer + inner), glass), (lathe(lid), plain((0.85, 0.65, 0.3), 1, 0.35)), *marbles
    )


def in_unit_cube(mesh: Mesh) -> Mesh:
    return replace(mesh, vertices=fit_unit_cube(mesh.vertices, mesh.faces).to_unit(mesh.vertices))
