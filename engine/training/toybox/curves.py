"""Lines that shapes follow: outlines, profiles and paths."""

from collections.abc import Sequence

import numpy as np

Points = np.ndarray | Sequence[Sequence[float]]


def chaikin(points: Points, times: int = 2) -> np.ndarray:
    """(N, D) points with corners cut (Chaikin 1974); both ends stay where they are."""
    line = np.asarray(points, np.float64)
    for _ in range(times):
        near = 0.75 * line[:-1] + 0.25 * line[1:]
        far = 0.25 * line[:-1] + 0.75 * line[1:]
        cut = np.stack([near, far], axis=1).reshape(-1, line.shape[1])
        line = np.concatenate([line[:1], cut[1:-1], line[-1:]])
    return line


def arc(radius: float, first_degrees: float, last_degrees: float, steps: int = 16) -> np.ndarray:
    """(steps, 2) points of a circle around the origin."""
    turn = np.radians(np.linspace(first_degrees, last_degrees, steps))
    return radius * np.stack([np.cos(turn), np.sin(turn)], axis=1)


def in_plane(line: np.ndarray, plane: str) -> np.ndarray:
    """(N, 3) points of a flat (N, 2) line, its two axes named, as in "xz"."""
    points = np.zeros((len(line), 3))
    points[:, ["xyz".index(axis) for axis in plane]] = line
    return points


def rounded_rectangle(width: float, height: float, corner: float, steps: int = 5) -> np.ndarray:
    """(4 * steps, 2) anticlockwise around the origin; ``corner`` is the radius of its corners."""
    x, y = width / 2 - corner, height / 2 - corner
    centres = ((x, -y), (x, y), (-x, y), (-x, -y))
    return np.concatenate(
        [arc(corner, -90 + 90 * k, 90 * k, steps) + centre for k, centre in enumerate(centres)]
    )
