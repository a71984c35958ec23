"""O-Voxels as a source of textures: a surface made of them, and their materials."""

import numpy as np

from engine.finishing.baking.detail import Detail, move_onto
from engine.finishing.baking.found import Found
from engine.kernels import kernel
from engine.ovoxel import OVoxels, sample_attributes
from engine.ovoxel.lookup import build_lookup, find_row

_VOXEL_RINGS = 6
"""How far, in voxels, the nearest voxel is searched where none touches a point."""


class VoxelSource:
    """A ``BakeSource`` in voxel units.

    A point moves to the nearest point of the detailed surface and takes the trilinear mean of the
    voxels around it, over those that are there (as TRELLIS.2 does); where there is none, the
    nearest voxel's values. Objects count for nothing: O-Voxels are one.

    Args:
        voxels: at least one; materials beyond [0, 1] are clamped.
        detail: of the surface that was simplified.
    """

    def __init__(self, voxels: OVoxels, detail: Detail) -> None:
        self._grid, self._detail = voxels.grid, detail
        self._lookup = build_lookup(voxels.grid.coords)
        materials = np.clip(np.asarray(voxels.materials, np.float32), 0, 1)
        # The last column becomes 1 where any voxel was found.
        self._feats = np.column_stack([materials, np.ones(len(materials))]).astype(np.float32)

    @property
    def occlusion(self) -> bool:
        return self._detail.occlusion

    def in_units(self, vertices: np.ndarray) -> np.ndarray:
        return self._grid.in_voxels(vertices)

    def find(
        self, points: np.ndarray, facing: np.ndarray, objects: np.ndarray | None, texel: float
    ) -> Found:
        met = move_onto(self._detail, points, facing)
        values = sample_attributes(
            self._grid.coords, self._feats, points, lookup=self._lookup, threads=1
        )
        _nearest_voxels(self._lookup, self._feats, points, values)
        near = (met.triangle >= 0) & (values[:, 6] > 0.5)
        return Found(np.ascontiguousarray(values[:, :6]), met.normals, met.open_to_sky, near)


@kernel
def _nearest_voxels(lookup, feats, points, values):
    """Values of the nearest voxel where trilinear sampling found none (last column 0)."""
    for p in range(len(points)):
        if values[p, 6] > 0.5:
            continue
        x, y, z = points[p, 0], points[p, 1], points[p, 2]
        i, j, k = int(np.floor(x)), int(np.floor(y)), int(np.floor(z))
        nearest, least = np.int64(-1), np.inf
        for a in range(i - _VOXEL_RINGS, i + _VOXEL_RINGS + 1):
            for b in range(j - _VOXEL_RINGS, j + _VOXEL_RINGS + 1):
                for c in range(k - _VOXEL_RINGS, k + _VOXEL_RINGS + 1):
                    away = (a + 0.5 - x) ** 2 + (b + 0.5 - y) ** 2 + (c + 0.5 - z) ** 2
                    if away < least:
                        row = find_row(lookup, 0, a, b, c)
                        if row >= 0:
                            nearest, least = row, away
        if nearest >= 0:
            values[p] = feats[nearest]
