"""The square crop against the reference: every byte."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from engine.images.preprocess import preprocess
from engine.images.reading import read_image
from tests.parity.recorded import cases, need


@pytest.mark.parametrize("name", cases("preprocess_image/in_*.png"))
def test_every_recorded_picture_comes_out_the_same(goldens: Path, name: str):
    picture = goldens / name
    expected = Image.open(need(picture.with_name(picture.name.replace("in_", "out_", 1))))
    result = preprocess(read_image(picture))
    assert result.mode == expected.mode == "RGB"
    np.testing.assert_array_equal(np.asarray(result), np.asarray(expected), str(picture))
