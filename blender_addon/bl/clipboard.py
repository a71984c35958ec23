"""The picture, or the copied file, in the clipboard."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import bpy  # pyright: ignore[reportMissingImports]

from ..core.pictures import PictureIn, read_picture
from ..protocol.errors import EngineError
from . import images_out

PROGRAMS = (
    ("wl-paste", "--no-newline", "--type", "image/png"),
    ("xclip", "-selection", "clipboard", "-target", "image/png", "-out"),
)
"""Programs of a Linux desktop: Blender itself reads pictures on Windows, macOS and Wayland."""
LIMIT = 2.0
"""Seconds that a program may take; the window stands still meanwhile."""
_SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".avif", ".bmp", ".tif", ".tiff", ".tga"}


def picture() -> PictureIn:
    """Whatever of a picture is in the clipboard.

    Raises:
        EngineError: ``clipboard_empty``; ``file_unreadable``.
    """
    path = path_in(bpy.context.window_manager.clipboard)
    if path is not None:
        return read_picture(path, "Copy another file, or the picture itself.")
    data = _by_program() if sys.platform.startswith("linux") else b""
    if data:
        return PictureIn(title="Clipboard", data=data)
    pasted = _by_blender()
    if pasted is not None:
        return pasted
    raise EngineError(
        "clipboard_empty",
        "There is no picture in the clipboard.",
        "Copy a picture or an image file first; on Linux this needs wl-clipboard or xclip."
        if _programs_missing()
        else "Copy a picture or an image file first.",
    )


def path_in(text: str) -> Path | None:
    """The picture file that a copied path or file:// line names; None: it is something else."""
    lines = text.strip().splitlines()
    line = lines[0].strip().strip('"') if lines else ""
    if not line or len(line) > 4096 or "\0" in line:
        return None
    if line.startswith("file://"):
        line = unquote(urlsplit(line).path)
        if sys.platform == "win32":
            line = line.lstrip("/")
    path = Path(line)
    try:
        return path if path.suffix.lower() in _SUFFIXES and path.is_file() else None
    except OSError:
        return None


def _by_program() -> bytes:
    for name, *arguments in PROGRAMS:
        program = shutil.which(name)
        if program is None:
            continue
        try:
            done = subprocess.run([program, *arguments], capture_output=True, timeout=LIMIT)
        except (OSError, subprocess.TimeoutExpired):
            continue
        if done.returncode == 0 and done.stdout.startswith(b"\x89PNG"):
            return done.stdout
    return b""


def _programs_missing() -> bool:
    return sys.platform.startswith("linux") and not any(shutil.which(p[0]) for p in PROGRAMS)


def _by_blender() -> PictureIn | None:
    """Paste with Blender's own operator, which makes an image; it is read and removed."""
    window = bpy.context.window
    areas = window.screen.areas if window is not None else ()
    area = next((a for a in areas if a.type == "IMAGE_EDITOR"), None) or bpy.context.area
    if area is None:
        return None
    kind, before = area.type, {image.session_uid for image in bpy.data.images}
    shown: Any = area.spaces.active.image if kind == "IMAGE_EDITOR" else None
    try:
        area.type = "IMAGE_EDITOR"
        with bpy.context.temp_override(window=window, area=area):
            if not bpy.ops.image.clipboard_paste.poll():  # pyright: ignore[reportCallIssue]
                return None
            bpy.ops.image.clipboard_paste()
        new = [image for image in bpy.data.images if image.session_uid not in before]
        if not new:
            return None
        rows = images_out.rows_of(new[0])
        height, width = rows.shape[:2]
        if kind == "IMAGE_EDITOR":
            area.spaces.active.image = shown
        bpy.data.images.remove(new[0])
        return PictureIn(title="Clipboard", rows=rows.tobytes(), width=width, height=height)
    except RuntimeError:
        return None
    finally:
        area.type = kind
