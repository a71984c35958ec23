"""The preview of the chosen picture."""

from itertools import count
from types import SimpleNamespace
from typing import Any

import bpy  # noqa: F401 - what it brings along is imported below
import numpy as np
import pytest

from tests.blender import addon, parts

pytestmark = pytest.mark.usefixtures("blank")


serials = count(1)


def preview_of(picture: Any, cut_out: Any = None) -> Any:
    """What is made of it, as the next tick makes it after a draw."""
    serial = next(serials)
    thumbnails = addon.module("bl.thumbnails")
    session = SimpleNamespace(
        thumbnails={},
        snapshot=SimpleNamespace(picture=SimpleNamespace(serial=serial)),
        chosen=SimpleNamespace(picture=picture, cut_out=cut_out),
    )
    original = cut_out is None
    thumbnails.picture_icon(original)
    assert thumbnails.update(session)
    return thumbnails._previews[f"picture {original} {serial}"]


@pytest.mark.parametrize("width, height", [(4000, 20), (20, 4000), (300, 1)])
def test_a_thin_picture_is_shown_in_the_middle(width: int, height: int) -> None:
    rows = np.full((height, width, 3), (250, 10, 10), np.uint8)
    PictureIn = addon.module("core.pictures").PictureIn
    of_file = preview_of(PictureIn(title="Strip", data=parts.png_of(rows)))
    rgba = np.dstack([rows, np.full((height, width), 255, np.uint8)])
    of_rows = preview_of(PictureIn(title="Strip", rows=rgba.tobytes(), width=width, height=height))
    cut = preview_of(PictureIn(title="Strip", data=b"-"), (width, height, rgba.tobytes()))
    for preview in (of_file, of_rows, cut):
        across, down = preview.image_size
        assert max(across, down) == pytest.approx(8 * min(across, down), rel=0.1)
        flat = np.empty(across * down * 4, np.float32)
        preview.image_pixels_float.foreach_get(flat)
        shown = flat.reshape(down, across, 4)
        red = shown[..., 0] > shown[..., 1] + 0.5
        red = red if width > height else red.T
        middle = len(red) // 2
        assert red[middle - 1 : middle + 1].any(axis=0).all()
        assert not red[: middle // 2].any() and not red[-middle // 2 :].any()
        assert shown[..., 3].min() == 1  # over the checkerboard


def test_an_ordinary_picture_is_read_by_blender_when_it_draws() -> None:
    rows = np.full((1024, 1024, 3), 90, np.uint8)
    PictureIn = addon.module("core.pictures").PictureIn
    preview = preview_of(PictureIn(title="Square", data=parts.png_of(rows)))
    assert tuple(preview.image_size) == (256, 256)  # as Blender scales files
