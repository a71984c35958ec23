"""How tall a result is, and where in it the origin lies."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from engine.export.gltf import NamedMesh
from engine.mesh import drop_unused_vertices
from protocol.errors import EngineError
from protocol.finishes import Finish


def stand(meshes: Sequence[NamedMesh], settings: Finish) -> tuple[NamedMesh, ...]:
    """Scale and move meshes together; levels of detail and hull stay where they fit the first.

    Args:
        meshes: in object space, Z-up.
        settings: of them ``height``: metres from the lowest to the highest point of what is seen;
            ``scale``: a factor instead, from the origin that the meshes have; ``origin``: "base":
            in the middle of the foot, so that the asset stands on the ground; "centre": of the
            bounding box; "kept".

    Raises:
        EngineError: ``height`` where all lies in a level plane and a height is wanted.
    """
    height, origin = settings.height, settings.origin
    if not is_moved(settings):
        return tuple(meshes)
    points = [drop_unused_vertices(named.mesh).vertices for named in meshes if not named.bare]
    low = np.min([some.min(axis=0) for some in points], axis=0).astype(np.float64)
    high = np.max([some.max(axis=0) for some in points], axis=0).astype(np.float64)
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


def is_moved(settings: Finish) -> bool:
    """Whether a result shall get another size or place than it comes with."""
    return bool(settings.height or settings.scale) or settings.origin != "kept"
