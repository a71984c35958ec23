"""Meshes to measure with."""

import numpy as np

from engine.mesh import Material, Mesh, Texture


def noisy_sphere(frequency: int, *, textured: bool = False, seed: int = 0) -> Mesh:
    """An icosphere of 20 * frequency^2 faces, radius about 0.42, bumpy; spherical UVs if textured.

    The same kind of mesh as in the reference's timings: 100 gives 200,000 faces, 224 gives
    1,003,520.
    """
    golden = (1 + 5**0.5) / 2
    corners = np.array(
        [(0, a, b * golden) for a in (-1, 1) for b in (-1, 1)]
        + [(a, b * golden, 0) for a in (-1, 1) for b in (-1, 1)]
        + [(b * golden, 0, a) for a in (-1, 1) for b in (-1, 1)]
    )
    distances = np.linalg.norm(corners[:, None] - corners[None], axis=2)
    near = distances < 2.1
    triangles = [
        (i, j, k)
        for i in range(12)
        for j in range(i + 1, 12)
        for k in range(j + 1, 12)
        if near[i, j] and near[j, k] and near[i, k]
    ]
    row, col = np.meshgrid(np.arange(frequency + 1), np.arange(frequency + 1), indexing="ij")
    inside = row + col <= frequency
    number = np.full(row.shape, -1)
    number[inside] = np.arange(inside.sum())
    weights = np.stack([row[inside], col[inside]], axis=1) / frequency
    up = (row + col < frequency)[:-1, :-1]
    down = (row + col < frequency - 1)[:-1, :-1]
    patch = np.concatenate(
        [
            np.stack([number[:-1, :-1][up], number[1:, :-1][up], number[:-1, 1:][up]], axis=1),
            np.stack([number[1:, :-1][down], number[1:, 1:][down], number[:-1, 1:][down]], axis=1),
        ]
    )
    points, faces = [], []
    for i, j, k in triangles:
        a, b, c = corners[i], corners[j], corners[k]
        if np.dot(np.cross(b - a, c - a), a) < 0:
            b, c = c, b
        faces.append(patch + len(points) * len(weights))
        points.append(a + weights[:, :1] * (b - a) + weights[:, 1:] * (c - a))
    directions = np.concatenate(points)
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    _, first, inverse = np.unique(
        np.round(directions * 1e7).astype(np.int64), axis=0, return_index=True, return_inverse=True
    )
    directions = directions[first]
    faces = inverse.reshape(-1)[np.concatenate(faces)].astype(np.int32)
    random = np.random.default_rng(seed)
    radius = np.full(len(directions), 0.42)
    for _ in range(6):
        wave = random.normal(size=3) * 6
        radius += 0.006 * np.sin(directions @ wave + random.uniform(0, 6))
    vertices = (directions * radius[:, None]).astype(np.float32)
    if not textured:
        return Mesh(vertices, faces)
    u = np.arctan2(directions[:, 1], directions[:, 0]) / (2 * np.pi) + 0.5
    v = np.arccos(directions[:, 2].clip(-1, 1)) / np.pi
    corner_u = u[faces]
    # The seam: corners on the far side of it move by a whole turn.
    corner_u = np.where(corner_u.max(1, keepdims=True) - corner_u > 0.5, corner_u + 1, corner_u)
    picture = random.integers(0, 256, (1024, 1024, 3), dtype=np.uint8)
    material = Material(
        base_color_texture=Texture(picture),
        metallic_roughness_texture=Texture(random.integers(0, 256, (1024, 1024, 3), np.uint8)),
        metallic_factor=1.0,
    )
    uvs = np.stack([corner_u, v[faces]], axis=2).astype(np.float32)
    return Mesh(vertices, faces, uvs=uvs, materials=(material,))
