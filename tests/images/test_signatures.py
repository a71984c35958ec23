"""A picture is known by its first bytes, whatever format it is in."""

import io

import pytest
from PIL import Image

from engine.images.reading import FORMATS
from engine.images.signatures import may_be_picture


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_every_format_that_is_read_passes(kind: str, mode: str) -> None:
    file = io.BytesIO()
    Image.new(mode, (40, 30), 1).save(file, kind)
    assert may_be_picture(file.getvalue()[:4096])


def test_compressed_tga_passes() -> None:
    file = io.BytesIO()
    Image.new("RGB", (40, 30), (1, 2, 3)).save(file, "TGA", compression="tga_rle")
    assert may_be_picture(file.getvalue())


@pytest.mark.parametrize(
    "data",
    [b"", b"hello", b"P", b"Python is a language", b"\0" * 100, b"<svg>", b"%PDF-1.4", b"8BPS"],
)
def test_what_is_none_is_noticed(data: bytes) -> None:
    assert not may_be_picture(data)
