"""Whether a mesh was edited by hand since it came, so that its stored result no longer shows it.

A mesh that is moved or scaled as a whole, such as by Apply Scale, has the same shape. Every file
remembers on the mesh itself what it was like, so that copies and other files know it too.
"""

import time
import zlib
from typing import TYPE_CHECKING, Any

import bpy  # pyright: ignore[reportMissingImports]

if TYPE_CHECKING:
    from numpy.typing import NDArray

PROPERTY = "maquette_shape"
"""Custom property of a mesh: how many vertices, corners and faces, a checksum of what they join,
and ``_sums``."""
COUNTS = 3
NOISE = 3e-7
"""Of the size of a mesh, that its vertices may be off by after they were scaled or moved."""
REST = 20
"""Times as long as a look took, nothing is looked at again: a large mesh that is edited all the
time costs little."""

_known: dict[int, bool] = {}
"""Whether a mesh was edited, by its ``session_uid``, until something changes it."""
_asked: dict[int, str] = {}
"""Meshes that a panel wants to know of, by ``session_uid``: their names."""
_not_before = 0.0


def remember(mesh: Any) -> None:
    """What the mesh is like now is what its stored result shows."""
    mesh[PROPERTY] = _likeness(mesh)
    _known.pop(mesh.session_uid, None)


def edited(thing: Any) -> bool:
    """Whether the mesh of an object has another shape than when it came; False where nobody knows.
    It reads the whole mesh: 0.06 s for two million faces."""
    if thing.mode == "EDIT":
        thing.update_from_editmode()
    then = list(thing.data.get(PROPERTY, ()))
    if not then:
        return False
    if _counts(thing.data) != then[:COUNTS]:
        return True
    now = _likeness(thing.data)
    near = NOISE * (1 + max(1.0, now[0]) ** 0.5)
    exact = COUNTS + 1
    return now[:exact] != then[:exact] or any(
        abs(a - b) > near for a, b in zip(now[exact:], then[exact:], strict=True)
    )


def seen(thing: Any) -> bool:
    """As ``edited``, for panels: it reads nothing. What is not known yet is looked at in a tick,
    and the panel drawn again."""
    mesh = thing.data
    then = mesh.get(PROPERTY)
    if then is None:
        return False
    if _counts(mesh) != list(then[:COUNTS]):
        return True
    uid = mesh.session_uid
    if uid not in _known and thing.mode == "OBJECT":
        _asked[uid] = thing.name
    return _known.get(uid, False)


def look() -> bool:
    """Look at one mesh that a panel asked for; whether panels have to be drawn again for it."""
    global _not_before
    begun = time.monotonic()
    if not _asked or begun < _not_before:
        return False
    uid, name = _asked.popitem()
    thing = bpy.data.objects.get(name)
    if thing is None or thing.type != "MESH" or thing.data.session_uid != uid:
        return False
    if thing.data.is_editmode:
        return False
    _known[uid] = edited(thing)
    _not_before = time.monotonic() + REST * (time.monotonic() - begun)
    return _known[uid]


def forget() -> None:
    """Another file is open, or something was undone: nothing is known any more."""
    _known.clear()
    _asked.clear()


def changed(depsgraph: Any) -> None:
    """What was changed is to be looked at again."""
    if not _known:
        return
    for update in depsgraph.updates:
        if update.is_updated_geometry:
            block = update.id.original
            data = block.data if isinstance(block, bpy.types.Object) else block
            if isinstance(data, bpy.types.Mesh):
                _known.pop(data.session_uid, None)


def _counts(mesh: Any) -> list[float]:
    return [float(len(mesh.vertices)), float(len(mesh.loops)), float(len(mesh.polygons))]


def _likeness(mesh: Any) -> list[float]:
    import numpy as np

    joined = np.empty(len(mesh.loops), np.int32)
    if len(joined):
        mesh.attributes[".corner_vert"].data.foreach_get("value", joined)
    points = np.empty(3 * len(mesh.vertices), np.float32)
    if len(points):
        mesh.attributes["position"].data.foreach_get("vector", points)
    return [*_counts(mesh), float(zlib.crc32(joined.data)), *_sums(points.reshape(-1, 3))]


def _sums(points: "NDArray[Any]") -> list[float]:
    """(V, 3) points as six numbers that change when one of them moves and stay when all do, or are
    scaled: sums of their places in their box, each with a weight of its own."""
    import numpy as np

    if not len(points):
        return []
    # By columns: numpy takes ten times as long by rows.
    low, high = (
        np.array([one(points[:, axis]) for axis in range(3)], np.float64)
        for one in (np.min, np.max)
    )
    size = max(float((high - low).max()), 1e-12)
    places = (points.astype(np.float64) - (low + high) / 2) / size
    found: list[float] = []
    number = np.arange(len(points), dtype=np.uint32)
    for factor in (2654435761, 2246822519):
        # Mixed by multiplying: the same in every version of numpy, unlike its random numbers.
        weight = (number * np.uint32(factor)).astype(np.float64) / 2**32 - 0.5
        found += [float(x) for x in weight @ places]
    return found
