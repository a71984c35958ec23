"""What a baking source has at the points nearest to those of the simplified mesh."""

from typing import NamedTuple

import numpy as np


class Found(NamedTuple):
    """A row for each point; a plain tuple, so that kernels can take it.

    Args:
        values: (P, 6) float32 in [0, 1]: base colour (sRGB-encoded), metallic, roughness, alpha.
        normals: (P, 3) float32 unit normals.
        open_to_sky: (P,) float32 share of the sky that is seen.
        near: (P,) bool whether there is anything near; else the other columns say nothing.
    """

    values: np.ndarray
    normals: np.ndarray
    open_to_sky: np.ndarray
    near: np.ndarray
