"""Nasty meshes, made for each test: (V, 3) float32 vertices and (F, 3) int32 faces."""

import numpy as np

from benchmarks.meshes import noisy_sphere

Arrays = tuple[np.ndarray, np.ndarray]


def sphere(frequency: int = 12, radius: float = 0.42, noise: float = 0.0, seed: int = 0) -> Arrays:
    """A closed bumpy sphere of 20 * frequency^2 faces; ``noise`` moves each vertex on its own."""
    mesh = noisy_sphere(frequency, seed=seed)
    random = np.random.default_rng(seed)
    scale = (radius / 0.42) * (1 + noise * random.normal(size=(len(mesh.vertices), 1)))
    return (mesh.vertices * scale).astype(np.float32), mesh.faces


def organic(frequency: int) -> Arrays:
    """A closed sphere with dents, horns and wrinkles: 20 * frequency^2 faces."""
    vertices, faces = sphere(frequency)
    d = vertices / np.linalg.norm(vertices, axis=1, keepdims=True)
    x, y, z = d[:, :1], d[:, 1:2], d[:, 2:]
    bumps = 0.06 * np.sin(9 * x) * np.sin(11 * y) * np.sin(8 * z)
    wrinkles = 0.01 * np.sin(40 * x) * np.sin(35 * y + 1) * np.sin(38 * z)
    return (vertices + d * (bumps + wrinkles)).astype(np.float32), faces


def grid(columns: int, rows: int, height: float = 0.0) -> Arrays:
    """An open sheet from -0.5 to 0.5 of 2 * columns * rows faces, waved by ``height``."""
    u, v = np.meshgrid(
        np.linspace(-0.5, 0.5, columns + 1), np.linspace(-0.5, 0.5, rows + 1), indexing="ij"
    )
    vertices = np.stack([u, v, height * np.sin(7 * u) * np.cos(5 * v)], axis=-1).reshape(-1, 3)
    low = (np.arange(columns)[:, None] * (rows + 1) + np.arange(rows)).reshape(-1)
    high = low + rows + 1
    faces = np.concatenate(
        [np.stack([low, high, high + 1], axis=1), np.stack([low, high + 1, low + 1], axis=1)]
    )
    return vertices.astype(np.float32), faces.astype(np.int32)


def moebius(segments: int = 60, width: int = 4) -> Arrays:
    """A strip with one side."""
    turn = np.arange(segments) * (2 * np.pi / segments)
    across = np.linspace(-0.1, 0.1, width + 1)
    radius = 0.35 + across * np.cos(turn[:, None] / 2)
    vertices = np.stack(
        [
            radius * np.cos(turn[:, None]),
            radius * np.sin(turn[:, None]),
            across * np.sin(turn[:, None] / 2),
        ],
        axis=-1,
    ).reshape(-1, 3)
    faces = []
    for i in range(segments):
        for j in range(width):
            a, b = i * (width + 1) + j, i * (width + 1) + j + 1
            if i + 1 < segments:
                c, d = a + width + 1, b + width + 1
            else:  # the last meets the first the other way round
                c, d = width - j, width - j - 1
            faces += [(a, c, d), (a, d, b)]
    return vertices.astype(np.float32), np.array(faces, dtype=np.int32)


def joined(*parts: Arrays) -> Arrays:
    """Several meshes as one."""
    vertices, faces, count = [], [], 0
    for part_vertices, part_faces in parts:
        vertices.append(part_vertices)
        faces.append(part_faces + count)
        count += len(part_vertices)
    return np.concatenate(vertices), np.concatenate(faces).astype(np.int32)


def nested_shells() -> Arrays:
    """Two spheres inside a third, one of them close beneath it and wound inwards."""
    outer, faces = sphere(20)
    return joined((outer, faces), (outer * np.float32(0.98), faces[:, ::-1]), sphere(8, 0.1))


def with_floaters(count: int = 10_000, seed: int = 0) -> Arrays:
    """A sphere in a cloud of tiny tetrahedra."""
    random = np.random.default_rng(seed)
    direction = random.normal(size=(count, 1, 3))
    direction /= np.linalg.norm(direction, axis=2, keepdims=True)
    corners = direction * random.uniform(0.46, 0.5, (count, 1, 1))
    corners = corners + 1e-3 * np.array([(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)])
    tetrahedron = np.array([(0, 2, 1), (0, 1, 3), (0, 3, 2), (1, 2, 3)])
    faces = (np.arange(count)[:, None, None] * 4 + tetrahedron).reshape(-1, 3)
    return joined(sphere(20), (corners.reshape(-1, 3).astype(np.float32), faces))


def t_junctions() -> Arrays:
    """A closed box of six grids, each of its own fineness, so that sides meet in T-junctions."""
    parts = []
    for k, fineness in enumerate((1, 2, 3, 5, 8, 12)):
        vertices, faces = grid(fineness, fineness)
        vertices = vertices * np.float32(0.8)
        vertices[:, 2] = 0.4 if k % 2 else -0.4
        parts.append((np.roll(vertices, k // 2, axis=1), faces))
    return joined(*parts)


def scrambled(arrays: Arrays, seed: int = 0) -> Arrays:
    """The same surface with faces in any order and winding, each vertex once per face."""
    vertices, faces = arrays
    random = np.random.default_rng(seed)
    faces = faces[random.permutation(len(faces))]
    flip = random.random(len(faces)) < 0.5
    faces = np.where(flip[:, None], faces[:, ::-1], faces)
    return vertices[faces].reshape(-1, 3), np.arange(3 * len(faces), dtype=np.int32).reshape(-1, 3)


def punched(arrays: Arrays, count: int, seed: int = 0) -> Arrays:
    """The mesh without ``count`` of its faces."""
    vertices, faces = arrays
    gone = np.random.default_rng(seed).choice(len(faces), count, replace=False)
    return vertices, np.delete(faces, gone, axis=0)


def sampled(arrays: Arrays, count: int, seed: int = 0) -> np.ndarray:
    """(count, 3) points spread over the surface by area."""
    vertices, faces = arrays
    a, b, c = (vertices[faces[:, k]].astype(np.float64) for k in range(3))
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1)
    random = np.random.default_rng(seed)
    f = random.choice(len(faces), count, p=area / area.sum())
    u, v = random.random((2, count, 1))
    over = u + v > 1
    u, v = np.where(over, 1 - u, u), np.where(over, 1 - v, v)
    return a[f] + u * (b[f] - a[f]) + v * (c[f] - a[f])


def quad_torus(around: int, across: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A torus of quads: vertices, its triangles (two a quad, one after the other, that share the
    first's corners 0 and 2) and the quad of each."""
    i, j = (index.reshape(-1) for index in np.indices((around, across)))
    u, v = 2 * np.pi * i / around, 2 * np.pi * j / across
    radius = 1 + 0.4 * np.cos(v)
    vertices = np.stack([radius * np.cos(u), radius * np.sin(u), 0.4 * np.sin(v)], axis=1)
    right, up = (i + 1) % around, (j + 1) % across
    a, b = i * across + j, right * across + j
    c, d = right * across + up, i * across + up
    faces = np.stack([a, b, c, a, c, d], axis=1).reshape(-1, 3)
    polygons = np.repeat(np.arange(len(i)), 2)
    return vertices.astype(np.float32), faces.astype(np.int32), polygons
