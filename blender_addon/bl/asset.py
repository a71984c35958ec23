"""Objects as assets: the mark, the preview from the thumbnail, and the catalog "Maquette"."""

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bpy  # pyright: ignore[reportMissingImports]
import numpy as np

from .build import arrays_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..protocol.client import Fetched

logger = logging.getLogger(__name__)

CATALOG = "5a2d7c9e-4b1f-4e6a-9c63-6d617175e77e"
"""The UUID of our catalog, the same in every library."""
CATALOG_NAME = "Maquette"
CATALOG_FILE = "blender_assets.cats.txt"
_HEADER = """# This is an Asset Catalog Definition file for Blender.
#
# Empty lines and lines starting with `#` will be ignored.
# The first non-ignored line should be the version indicator.
# Other lines are of the format "UUID:catalog/path/for/assets:simple catalog name"

VERSION 1

"""


def mark(thing: Any, thumbnail: "Fetched | None") -> None:
    """Make an object an asset of our catalog.

    Args:
        thumbnail: the part with its picture; None: Blender draws one when it likes.
    """
    thing.asset_mark()
    thing.asset_data.catalog_id = CATALOG
    thing.asset_data.description = "Made with Maquette"
    if thumbnail is not None:
        rgba = arrays_of(thumbnail).get("thumbnail_rgba")
        if rgba is not None:
            set_preview(thing.preview_ensure(), rgba)
    write_catalog()


def set_preview(preview: Any, rgba: "NDArray[np.uint8]") -> None:
    """Fill a preview: a tenth of a millisecond.

    Args:
        rgba: (H, W, 4), rows from the top.
    """
    height, width = rgba.shape[:2]
    preview.image_size = (width, height)
    pixels = rgba[::-1].reshape(-1).astype(np.float32) / np.float32(255)
    preview.image_pixels_float.foreach_set(pixels)


def write_catalog() -> None:
    """List our catalog in the file of catalogs, if the open file is saved and has assets of it.

    Called when an object is marked, and after every save.
    """
    if not bpy.data.filepath or not any(
        o.asset_data is not None and o.asset_data.catalog_id == CATALOG for o in bpy.data.objects
    ):
        return
    file = library_of(Path(bpy.data.filepath)) / CATALOG_FILE
    try:
        add_to(file)
    except OSError as error:
        # A library that is read-only: the asset is marked all the same.
        logger.warning("The catalog could not be added to %s: %s", file, error)


def library_of(blend: Path) -> Path:
    """The folder whose file of catalogs counts for a .blend: of its library, or else its own."""
    roots = [
        Path(bpy.path.abspath(library.path))
        for library in bpy.context.preferences.filepaths.asset_libraries
    ]
    inside = [root for root in roots if root in blend.parents]
    return max(inside, key=lambda root: len(root.parts), default=blend.parent)


def add_to(file: Path) -> None:
    """Add our line to a file of catalogs, or make one; what stands there stays as it is.

    Raises:
        OSError: it cannot be read or written.
    """
    old = file.read_text(encoding="utf-8") if file.exists() else ""
    if any(line.startswith(CATALOG) for line in old.splitlines()):
        return
    text = old or _HEADER
    if not text.endswith("\n"):
        text += "\n"
    text += f"{CATALOG}:{CATALOG_NAME}:{CATALOG_NAME}\n"
    # Written whole or not at all: other people's catalogs are in it.
    temporary = file.with_name(f"{file.name}.maquette")
    temporary.write_text(text, encoding="utf-8", newline="\n")
    os.replace(temporary, file)
