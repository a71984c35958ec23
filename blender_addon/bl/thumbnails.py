"""Previews for panels: results in the history, and the chosen picture. A draw asks for an icon and
gets what is there; the next tick makes what is missing.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import bpy.utils.previews  # pyright: ignore[reportMissingImports]
import numpy as np

from ..core.pictures import size_of_file
from .asset import set_preview

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..core.pictures import PictureIn
    from ..core.session import Session

LARGEST = 512
THIN = 8
"""So many times as long as wide: Blender would draw a hair, or wait for it forever."""
_MOST = 400
_CHECKER = 16
_previews: Any = None
_seen: dict[str, None] = {}
"""Jobs whose icons were drawn since the last tick, in order."""
_made: dict[str, int] = {}
_pictures: dict[bool, tuple[int, int]] = {}
"""Of the original (True) and the cut-out (False): the serial and the icon."""
_asked: set[bool] = set()
_temporary: Path | None = None


def icon(job: str) -> int:
    """Of a result, for ``icon_value``; 0 as long as there is none."""
    _seen[job] = None
    return _made.get(job, 0)


def picture_icon(original: bool) -> int:
    """Of the chosen picture as it came, or cut out over a checkerboard; 0: there is none yet."""
    _asked.add(original)
    return _pictures.get(original, (0, 0))[1]


def update(session: "Session") -> bool:
    """Make what was asked for since the last tick; a tenth of a millisecond each.

    Returns:
        Whether there is a new icon, so that panels have to be drawn again.
    """
    made = False
    if _seen:
        jobs = list(_seen)
        _seen.clear()
        session.show(jobs)
        if len(_made) > _MOST:
            forget_results()
        for job in jobs:
            rows = session.thumbnails.get(job)
            if rows is not None and job not in _made:
                side = round((len(rows) / 4) ** 0.5)
                _made[job] = _make(job, np.frombuffer(rows, np.uint8).reshape(side, side, 4))
                made = True
    serial = session.snapshot.picture.serial
    for original in list(_asked):
        _asked.discard(original)
        if _pictures.get(original, (-1, 0))[0] != serial:
            _pictures[original] = serial, _icon_of_picture(session, original, serial)
            made = True
    return made


def over_checkerboard(rgba: "NDArray[np.uint8]") -> "NDArray[np.uint8]":
    """(H, W, 4) opaque, light and dark squares where it was transparent."""
    height, width = rgba.shape[:2]
    squares = np.add.outer(np.arange(height) // _CHECKER, np.arange(width) // _CHECKER) % 2
    ground = np.where(squares, np.float32(120), np.float32(90))[..., None]
    alpha = rgba[..., 3:].astype(np.float32) / 255
    mixed = np.empty_like(rgba)
    mixed[..., :3] = rgba[..., :3] * alpha + ground * (1 - alpha) + 0.5
    mixed[..., 3] = 255
    return mixed


def forget_results() -> None:
    """Drop the icons of results; those that are still drawn come again."""
    for job in _made:
        _previews.pop(job, None)
    _made.clear()


def clear() -> None:
    """Drop everything."""
    global _previews
    _seen.clear()
    _made.clear()
    _pictures.clear()
    _asked.clear()
    _drop_temporary()
    if _previews is not None:
        bpy.utils.previews.remove(_previews)
        _previews = None


def _icon_of_picture(session: "Session", original: bool, serial: int) -> int:
    for old in [name for name in (_previews or ()) if name.startswith(f"picture {original}")]:
        _previews.pop(old)
    name = f"picture {original} {serial}"
    picture, cut_out = session.chosen.picture, session.chosen.cut_out
    if not original and cut_out is not None:
        width, height, rows = cut_out
        rgba = np.frombuffer(rows, np.uint8).reshape(height, width, 4)
        return _make(name, over_checkerboard(not_thin(_small(rgba))))
    if picture is None:
        return 0
    if picture.rows:
        rgba = np.frombuffer(picture.rows, np.uint8).reshape(picture.height, picture.width, 4)
        return _make(name, over_checkerboard(not_thin(_small(rgba))))
    loaded = _collection().load(name, str(file_of(picture)), "IMAGE")
    sides = size_of_file(picture.data)
    if sides is None or max(sides) <= THIN * min(sides):
        return loaded.icon_id  # Blender reads it in a thread of its own
    rgba = _pixels(loaded)
    _previews.pop(name)
    return _make(name, over_checkerboard(not_thin(rgba)))


def not_thin(rgba: "NDArray[np.uint8]") -> "NDArray[np.uint8]":
    """(H, W, 4); one that is too thin to be seen in the middle of transparent rows or columns."""
    height, width = rgba.shape[:2]
    least = -(-max(height, width) // THIN)
    missing = max(0, least - height), max(0, least - width)
    sides = [(one // 2, one - one // 2) for one in missing]
    return np.pad(rgba, (*sides, (0, 0)))


def _pixels(preview: Any) -> "NDArray[np.uint8]":
    """(H, W, 4), rows from the top; reads the file at once."""
    width, height = preview.image_size
    flat = np.empty(width * height * 4, np.float32)
    preview.image_pixels_float.foreach_get(flat)
    return (flat.reshape(height, width, 4)[::-1] * 255 + 0.5).astype(np.uint8)


def file_of(picture: "PictureIn") -> Path:
    """A file that Blender can read when it draws the icon."""
    global _temporary
    if picture.path and Path(picture.path).is_file():
        return Path(picture.path)
    _drop_temporary()
    _temporary = Path(bpy.app.tempdir, f"maquette_{picture.sha256[:16]}.img")
    _temporary.write_bytes(picture.data)
    return _temporary


def _drop_temporary() -> None:
    global _temporary
    if _temporary is not None:
        _temporary.unlink(missing_ok=True)
        _temporary = None


def _small(rgba: "NDArray[np.uint8]") -> "NDArray[np.uint8]":
    """Means of square blocks, so that no side is longer than ``LARGEST``."""
    step = -(-max(rgba.shape[:2]) // LARGEST)
    if step == 1:
        return rgba
    height, width = (side // step for side in rgba.shape[:2])
    if not height or not width:
        return rgba[::step, ::step]
    blocks = rgba[: height * step, : width * step].reshape(height, step, width, step, 4)
    return blocks.mean(axis=(1, 3)).astype(np.uint8)


def _make(name: str, rgba: "NDArray[np.uint8]") -> int:
    preview = _collection().new(name)
    set_preview(preview, rgba)
    return preview.icon_id


def _collection() -> Any:
    global _previews
    if _previews is None:
        _previews = bpy.utils.previews.new()
    return _previews
