"""How see-through a baked picture, or a mesh with values at its vertices, is."""

import numpy as np

from engine.kernels import kernel
from engine.mesh import AlphaMode

SOLID, HOLE = 250, 5
"""Alpha from SOLID on is solid, up to HOLE it is a hole (of 255)."""
GLASS = 0.9
"""Through less alpha (of 1) one sees what is inside; the networks' noise stays above."""
LEAST_SHARE = 1 / 2000
"""Fewer texels than this that are not solid are noise: the asset is opaque."""
MASK_SHARE = 0.9
"""When this share of the texels that are not solid are holes, they are cut out, not blended."""


def choose_alpha_mode(alpha: np.ndarray) -> AlphaMode:
    """opaque, mask or blend, for the alpha (N,) uint8 of all texels inside of charts, or vertices.

    opaque: hardly any texel is glass. mask: nearly all of those that are, are holes (leaves,
    nets): viewers sort cut-outs correctly, which they cannot do with blended surfaces. blend: the
    rest (glass).
    """
    if int((alpha < GLASS * 255).sum()) <= LEAST_SHARE * alpha.size:
        return "opaque"
    thin = int((alpha < SOLID).sum())
    holes = int((alpha <= HOLE).sum())
    return "mask" if holes >= MASK_SHARE * thin else "blend"


def solid_faces(face: np.ndarray, alpha: np.ndarray, face_count: int) -> np.ndarray:
    """(F,) bool, which faces have no texel that one can see through.

    Args:
        face: (H, W) int32 face of each texel, -1 for none; alpha: (H, W) uint8.
    """
    return _least_alpha(face, alpha, face_count) >= SOLID


@kernel
def _least_alpha(face, alpha, face_count):
    least = np.full(face_count, 255, np.uint8)
    for y in range(face.shape[0]):
        for x in range(face.shape[1]):
            if face[y, x] >= 0:
                least[face[y, x]] = min(least[face[y, x]], alpha[y, x])
    return least
