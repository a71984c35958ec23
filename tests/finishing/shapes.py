"""Meshes for pipelines."""

from collections.abc import Sequence

import numpy as np

from engine.mesh import Mesh

_CORNERS = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]) / 2
_FACES = [
    (0, 1, 3), (0, 3, 2), (4, 6, 7), (4, 7, 5), (0, 4, 5), (0, 5, 1),
    (2, 3, 7), (2, 7, 6), (0, 2, 6), (0, 6, 4), (1, 5, 7), (1, 7, 3),
]  # fmt: skip


def box(size: Sequence[float], centre: Sequence[float] = (0, 0, 0)) -> Mesh:
    """A box with its faces outward."""
    vertices = _CORNERS * np.asarray(size) + np.asarray(centre)
    return Mesh(vertices.astype(np.float32), np.array(_FACES, np.int32))
