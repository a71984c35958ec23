"""ufbx, the library that reads FBX, in the way in which its Python bindings hold.

ufbx 0.0.5 lends an object that was asked for before without counting the reference, so that the
second use of a mesh or a texture frees it, and the process with it. Here everything that comes from
it is counted once more and so never freed; the process that reads a file ends with it
(`engine/readers/apart.py`).
"""

# ufbx may be absent.
# pyright: reportMissingImports=none

import ctypes
from typing import Any

import numpy as np
import ufbx

from engine.readers.source import Broken

FILE = 0
"""The texture type of a picture; others are made of pictures."""
_RIGHT_HANDED_Y_UP = (0, 2, 4)
"""Right, up and front: x, y, z."""


def load(path: str) -> Any:
    """The scene of a file.

    Raises:
        Broken: it is none of FBX 3.0 to 7.7.
    """
    try:
        # Whatever the content looks like, such as an OBJ of a wrong name, it is read as FBX.
        given = ufbx.load_file(path, file_format=ufbx.FileFormat.FBX, use_blender_pbr_material=True)
        return _kept(given)
    except ufbx.UfbxError as error:
        raise Broken(f"it is damaged, or something else ({str(error) or 'no FBX'})") from error


def get(given: Any, names: str) -> Any:
    """An attribute, or one of an attribute: ``get(mesh, "vertex_uv.values")``."""
    for name in names.split("."):
        given = _kept(getattr(given, name))
    return given


def items(given: Any, names: str) -> list[Any]:
    """The objects in a list."""
    found = get(given, names)
    return [_kept(found[k]) for k in range(len(found))]


def array(given: Any, names: str, dtype: type, width: int = 1) -> np.ndarray:
    """A list of numbers as (N,), or of ``width`` numbers as (N, width)."""
    values = np.array(get(given, names), dtype)
    return values.reshape(-1, width) if width > 1 else values.reshape(-1)


def matrix(given: Any, names: str) -> np.ndarray:
    """(4, 4) float64 for column vectors.

    Raises:
        Broken: some of it is no number.
    """
    made = np.eye(4)
    made[:3] = np.array(get(given, names), np.float64).T
    if not np.isfinite(made).all():
        raise Broken("it has an object whose place is no number")
    return made


def z_up_from(scene: Any) -> np.ndarray:
    """(3, 3) our axes from those of a scene: x right, y to the back, z up."""
    axes = get(scene, "settings.axes")
    given = [int(axes.right), int(axes.up), int(axes.front)]
    if sorted(axis // 2 for axis in given) != [0, 1, 2]:
        given = list(_RIGHT_HANDED_Y_UP)
    made = np.zeros((3, 3))
    for axis, row, sign in zip(given, (0, 2, 1), (1, 1, -1), strict=True):
        made[row, axis // 2] = sign * (-1 if axis % 2 else 1)
    return made


def real(element: Any, name: str) -> float | None:
    """A property that is a number; None without it."""
    found = ufbx.find_real(get(element, "props"), name, float("nan"))
    return None if np.isnan(found) else found


def text(given: Any, name: str) -> str:
    return str(get(given, name) or "")


def _kept(given: Any) -> Any:
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(given))
    return given
