"""Where a mesh stood before it was fitted into the unit cube."""

from dataclasses import dataclass

import numpy as np

from protocol.errors import EngineError

# The longest side in the cube, a little less than 1 so that nothing lies on the border.
LONGEST_SIDE = 0.99999


@dataclass(frozen=True)
class Placement:
    """unit_from_object: a point p goes to (p - centre) * scale.

    Args:
        scale: more than 0.
        centre: of the bounding box, in object space.
    """

    scale: float = 1.0
    centre: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def to_unit(self, points: np.ndarray) -> np.ndarray:
        """(V, 3) float32 in the unit cube from (V, 3) in object space."""
        return ((np.asarray(points, np.float64) - self.centre) * self.scale).astype(np.float32)

    def to_object(self, points: np.ndarray) -> np.ndarray:
        """(V, 3) float64 in object space from (V, 3) in the unit cube."""
        return np.asarray(points, np.float64) / self.scale + self.centre


def fit_unit_cube(vertices: np.ndarray, faces: np.ndarray) -> Placement:
    """The placement that centres all triangles in [-0.5, 0.5]^3, the longest side just below 1.

    Args:
        vertices: (V, 3) finite; those that no face uses do not count.
        faces: (F, 3) integer, F >= 1.

    Raises:
        EngineError: ``mesh_flat`` when all triangles lie in one point.
    """
    used = np.zeros(len(vertices), dtype=bool)
    used[faces] = True
    points = np.asarray(vertices, np.float64)[used]
    low, high = points.min(axis=0), points.max(axis=0)
    longest = float((high - low).max())
    # Below this a division would leave the range of float32.
    if longest < 1e-30:
        raise EngineError(
            "mesh_flat",
            "All triangles of the mesh lie in one point.",
            "Check the scale at which it was exported.",
        )
    x, y, z = ((low + high) / 2).tolist()
    return Placement(LONGEST_SIDE / longest, (x, y, z))
