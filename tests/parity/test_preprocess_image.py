"""The square crop against the reference: every byte."""

from pathlib import Path

import numpy as np
from PIL import Image

from engine.images.preprocess import preprocess
from engine.images.reading import read_image


def test_every_recorded_picture_comes_out_the_same(goldens: Path):
    pictures = sorted((goldens / "preprocess_image").glob("in_*.png"))
    assert pictures
    for picture in pictures:
        expected = Image.open(picture.with_name(picture.name.replace("in_", "out_", 1)))
        result = preprocess(read_image(picture))
        assert result.mode == expected.mode == "RGB"
        np.testing.assert_array_equal(np.asarray(result), np.asarray(expected), str(picture))
