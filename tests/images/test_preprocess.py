"""The square crop: its geometry, its arithmetic, and pictures without an object."""

import numpy as np
import pytest
from PIL import Image

from engine.images.preprocess import crop_to_foreground, preprocess, shrink
from protocol.errors import EngineError


def picture(width: int, height: int, box: tuple[int, int, int, int], alpha: int = 255):
    """Transparent green with a red box (left, top, right, bottom), ends included."""
    pixels = np.zeros((height, width, 4), np.uint8)
    pixels[..., 1] = 200
    left, top, right, bottom = box
    pixels[top : bottom + 1, left : right + 1] = (200, 0, 0, alpha)
    return Image.fromarray(pixels)


def test_only_large_pictures_are_shrunk_and_never_to_nothing():
    assert shrink(Image.new("RGBA", (1024, 300))).size == (1024, 300)
    assert shrink(Image.new("RGBA", (1300, 1040))).size == (1024, 819)
    assert shrink(Image.new("RGBA", (5000, 2))).size == (1024, 1)


def test_the_crop_is_a_square_around_the_object():
    result = crop_to_foreground(picture(60, 50, (10, 20, 30, 27)))
    # 20 pixels from the first column to the last; rows from 13.5 round to the even 14.
    assert result.mode == "RGB"
    assert result.size == (20, 20)
    red = np.asarray(result)[..., 0]
    assert np.flatnonzero(red.any(axis=1)).tolist() == list(range(6, 14))
    assert (np.asarray(result)[..., 1] == 0).all()


def test_outside_of_the_picture_is_black():
    result = np.asarray(crop_to_foreground(picture(30, 60, (0, 0, 29, 59))))
    assert result.shape == (58, 58, 3)
    assert (result[:, :14] == 0).all()


def test_faint_pixels_do_not_count_for_the_box_but_are_kept_premultiplied():
    pixels = np.asarray(picture(40, 40, (10, 10, 30, 30))).copy()
    pixels[5:8, 15:25] = (255, 255, 255, 204)
    pixels[12, 12] = (100, 50, 255, 204)
    result = np.asarray(crop_to_foreground(Image.fromarray(pixels)))
    assert result.shape == (20, 20, 3)
    assert result[2, 2].tolist() == [80, 40, 204]
    pixels[5:8, 15:25, 3] = 205
    assert crop_to_foreground(Image.fromarray(pixels)).size == (24, 24)


@pytest.mark.parametrize(
    "image",
    [
        Image.new("RGBA", (30, 30), (9, 9, 9, 0)),
        Image.new("RGBA", (30, 30), (9, 9, 9, 204)),
        picture(30, 30, (4, 4, 4, 4)),
        Image.new("RGBA", (1, 1), (9, 9, 9, 255)),
    ],
)
def test_a_picture_with_nothing_in_front_is_refused(image):
    with pytest.raises(EngineError) as caught:
        preprocess(image)
    assert caught.value.code == "image_no_foreground"
    assert "object" in caught.value.hint
