"""Objects that reach up to the border: the object or a refusal, never what is around it."""

import io

import numpy as np
import pytest
from PIL import Image, ImageDraw

from engine.images.plain_background import remove_plain_background
from protocol.errors import EngineError

RED, WHITE = (200, 30, 30), (255, 255, 255)


def cut(picture: Image.Image) -> np.ndarray | None:
    """Alpha; None when the picture was refused."""
    try:
        return np.asarray(remove_plain_background(picture))[..., 3]
    except EngineError as error:
        assert error.code in ("background_not_plain", "image_no_foreground") and error.hint
        return None


def jpeg(picture: Image.Image) -> Image.Image:
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=85)
    return Image.open(file).convert("RGB")


@pytest.mark.parametrize("side", [64, 256, 600])
@pytest.mark.parametrize("margin", [1, 2, 5, 12])
@pytest.mark.parametrize("lossy", [False, True])
def test_a_square_up_to_the_border(side, margin, lossy):
    picture = Image.new("RGB", (side, side), WHITE)
    ImageDraw.Draw(picture).rectangle([margin, margin, side - margin - 1, side - margin - 1], RED)
    alpha = cut(jpeg(picture) if lossy else picture)
    assert alpha is None or (alpha[side // 2, side // 2] > 200 and alpha[0, 0] < 50)


@pytest.mark.parametrize("margin", [0, 1, 2, 4])
@pytest.mark.parametrize("shape", ["ellipse", "upright", "lying", "label"])
def test_other_shapes_up_to_the_border_are_kept(margin, shape):
    picture = Image.new("RGB", (300, 300), WHITE)
    draw = ImageDraw.Draw(picture)
    box = [margin, margin, 299 - margin, 299 - margin]
    if shape == "ellipse":
        draw.ellipse(box, RED)
    elif shape == "upright":
        draw.rectangle([100, margin, 200, 299 - margin], RED)
    elif shape == "lying":
        draw.rectangle([margin, 90, 299 - margin, 210], RED)
    else:
        draw.rounded_rectangle(box, 60, RED)
        draw.ellipse([130, 130, 170, 170], (250, 220, 40))
    alpha = cut(picture)
    if shape == "label" and margin == 0:  # more than half of the border is the object
        assert alpha is None
        return
    assert alpha is not None
    assert alpha[150, 110] > 200 and alpha[2, 2] < 50 and alpha[150, 150] > 200


@pytest.mark.parametrize("width", [1, 2, 4])
def test_a_printed_frame_is_never_the_object(width):
    picture = Image.new("RGB", (256, 256), WHITE)
    draw = ImageDraw.Draw(picture)
    draw.rectangle([0, 0, 255, 255], outline=(10, 10, 10), width=width)
    draw.ellipse([80, 80, 180, 180], RED)
    alpha = cut(picture)
    assert alpha is None or (alpha[130, 130] > 200 and alpha[0, 0] < 50 and alpha[30, 128] < 50)


def test_a_full_picture_with_something_on_it_is_that_on_a_ground():
    """Nothing tells a red box with a label from a label in front of red."""
    picture = Image.new("RGB", (256, 256), RED)
    ImageDraw.Draw(picture).ellipse([80, 80, 180, 180], (250, 220, 40))
    alpha = cut(picture)
    assert alpha is not None and alpha[130, 130] > 200 and alpha[10, 10] < 50
