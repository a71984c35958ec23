"""What is said of a picture before anything is spent on it."""

import numpy as np
import pytest
from PIL import Image

from engine.images.check import check_picture


def balls(
    *places: tuple[int, int, int], size: tuple[int, int] = (800, 600), shaded: bool = True
) -> Image.Image:
    """Red balls (x, y, radius) in front of light grey."""
    y, x = np.mgrid[0 : size[1], 0 : size[0]].astype(np.float32)
    pixels = np.full((size[1], size[0], 3), 240, np.float32)
    for at_x, at_y, radius in places:
        distance = np.hypot(x - at_x, y - at_y) / radius
        light = np.sqrt(np.clip(1 - distance**2, 0, 1)) if shaded else np.ones_like(distance)
        inside = distance < 1
        colour = (0.3 + 0.7 * light[inside])[:, None] * np.array([200, 80, 60], np.float32)
        pixels[inside] = colour
    return Image.fromarray(pixels.astype(np.uint8)).convert("RGBA")


def codes(image: Image.Image) -> list[str]:
    return [remark.code for remark in check_picture(image)]


def test_nothing_is_said_of_a_good_picture() -> None:
    assert codes(balls((400, 300, 200))) == []


@pytest.mark.parametrize(
    ("picture", "expected"),
    [
        (balls((60, 300, 200)), ["touches_border"]),
        (balls((200, 300, 140), (600, 300, 140)), ["several_objects"]),
        (balls((400, 300, 45)), ["small_object"]),
        (balls((400, 300, 200), shaded=False), ["flat_drawing"]),
        (Image.new("RGBA", (300, 300), (200, 200, 200, 255)), ["no_object"]),
        (Image.new("RGBA", (300, 300), (200, 200, 200, 0)), ["no_object"]),
        (Image.new("RGBA", (5, 5), (200, 200, 200, 255)), ["too_small"]),
    ],
)
def test_what_is_wrong_is_said(picture: Image.Image, expected: list[str]) -> None:
    assert codes(picture) == expected


def test_the_size_is_that_of_the_picture_itself() -> None:
    (remark,) = check_picture(balls((1600, 1200, 90), size=(3200, 2400)))
    assert remark.code == "small_object"
    width, height = (int(word) for word in remark.sentence.split() if word.isdecimal())
    assert abs(width - 180) < 40 and abs(height - 180) < 40


def test_a_transparent_background_needs_no_rule() -> None:
    image = balls((400, 300, 250))
    noise = np.random.default_rng(0).integers(0, 255, (600, 800, 3), dtype=np.uint8)
    busy = Image.fromarray(noise).convert("RGBA")
    assert codes(busy) == ["no_plain_background"]
    y, x = np.mgrid[0:600, 0:800]
    alpha = ((np.hypot(x - 400, y - 300) < 240) * 255).astype(np.uint8)
    image.putalpha(Image.fromarray(alpha))
    assert codes(image) == []


def test_crumbs_are_no_objects() -> None:
    image = balls((400, 300, 200), (40, 40, 12), (760, 560, 12))
    assert codes(image) == []
