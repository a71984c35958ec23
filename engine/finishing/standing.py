"""How tall a result is, and where in it the origin lies."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from engine.export.gltf import NamedMesh
from engine.mesh import drop_unused_vertices
from engine.report import Report
from protocol.errors import EngineError
from protocol.finishes import Finish

_FAR = 1e4
"""Sizes away from the origin at which float32 (24 bits) is good to a 1,700th of the size only."""


def stand(meshes: Sequence[NamedMesh], settings: Finish, report: Report) -> tuple[NamedMesh, ...]:
    """Scale and move meshes together; levels of detail and hull stay where they fit the first.

    Args:
        meshes: in object space, Z-up.
        settings: of them ``height``: metres from the lowest to the highest point of what is seen,
            which is the finest level of detail;
            ``scale``: a factor instead, from the origin that the meshes have; ``origin``: "base":
            in the middle of the foot, so that the asset stands on the ground; "centre": of the
            bounding box; "kept".
        report: told where the result is too far from the origin.

    Raises:
        EngineError: ``height`` where all lies in a level plane and a height is wanted.
    """
    stood = _moved(meshes, settings) if is_moved(settings) else tuple(meshes)
    if settings.textured:  # files for printing put everything above the origin
        _tell_if_far(stood, report)
    return stood


def _moved(meshes: Sequence[NamedMesh], settings: Finish) -> tuple[NamedMesh, ...]:
    height, origin = settings.height, settings.origin
    low, high = _bounds(meshes)
    scale = settings.scale or 1.0
    if height is not None:
        if not high[2] > low[2]:
            raise EngineError(
                "height",
                "The asset is flat and lies level, so it cannot be given a height.",
                "Leave --height out.",
            )
        scale = height / (high[2] - low[2])
    anchor = np.zeros(3)
    if origin != "kept":
        anchor = (low + high) / 2
        anchor[2] = low[2] if origin == "base" else anchor[2]
    return tuple(
        replace(named, mesh=replace(named.mesh, vertices=(named.mesh.vertices - anchor) * scale))
        for named in meshes
    )


def _tell_if_far(meshes: Sequence[NamedMesh], report: Report) -> None:
    """Say where a result lies so far from the origin that other programs blur it."""
    low, high = _bounds(meshes)
    size, away = (high - low).max(), np.abs((low + high) / 2).max()
    if away > _FAR * size:
        report.note(
            f"The mesh lies {away / size:,.0f} times its size away from the origin. The file keeps "
            "its detail, but programs that hold places in 32 bits do not; --origin base puts it "
            "there."
        )


def _bounds(meshes: Sequence[NamedMesh]) -> tuple[np.ndarray, np.ndarray]:
    """(3,) float64 corners of the box around what is seen at first."""
    points = [drop_unused_vertices(named.mesh).vertices for named in meshes if not named.hidden]
    low = np.min([some.min(axis=0) for some in points], axis=0).astype(np.float64)
    high = np.max([some.max(axis=0) for some in points], axis=0).astype(np.float64)
    return low, high


def is_moved(settings: Finish) -> bool:
    """Whether a result shall get another size or place than it comes with."""
    return bool(settings.height or settings.scale) or settings.origin != "kept"
