"""Depth, transparency and colours of picture files of every kind."""

import io
import struct

import numpy as np
import pytest
from PIL import Image

from engine.images.reading import read_image
from protocol.errors import EngineError
from tests.images.png_kinds import (
    GREY,
    GREY_ALPHA,
    PALETTE,
    RGB,
    RGBA,
    chunk,
    linear_profile,
    png,
    transparent,
)


def row(data: bytes) -> list[list[int]]:
    return np.asarray(read_image(data))[0].tolist()


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
@pytest.mark.parametrize("which", [0, 1])
def test_the_transparent_grey_of_a_png(bits, which):
    top = 2**bits - 1
    samples = np.array([[[0], [top]]])
    got = row(png(GREY, bits, samples, transparent(which * top)))
    assert got == [[0, 0, 0, 255 * (which != 0)], [255, 255, 255, 255 * (which != 1)]]


@pytest.mark.parametrize("bits", [2, 4])
def test_a_transparent_grey_in_the_middle_is_not_mistaken_for_another(bits):
    values = np.arange(2**bits)
    got = row(png(GREY, bits, values[None, :, None], transparent(1)))
    assert [pixel[3] for pixel in got] == [0 if value == 1 else 255 for value in values]
    assert [pixel[0] for pixel in got] == [round(255 * v / (2**bits - 1)) for v in values]


@pytest.mark.parametrize("bits", [8, 16])
def test_the_transparent_colour_of_a_png(bits):
    top = 2**bits - 1
    samples = np.array([[[top, 0, 0], [0, top // 2, top]]])
    assert row(png(RGB, bits, samples, transparent(top, 0, 0))) == [
        [255, 0, 0, 0],
        [0, 127, 255, 255],
    ]


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_transparent_entries_of_a_palette(bits):
    colours = chunk(b"PLTE", bytes([10, 20, 30, 40, 50, 60]))
    alphas = chunk(b"tRNS", bytes([0, 128]))
    got = row(png(PALETTE, bits, np.array([[[0], [1]]]), colours, alphas))
    assert got == [[10, 20, 30, 0], [40, 50, 60, 128]]


@pytest.mark.parametrize("kind", [GREY_ALPHA, RGBA])
@pytest.mark.parametrize("bits", [8, 16])
def test_an_alpha_channel(kind, bits):
    top = 2**bits - 1
    colour = [top // 2] * (1 if kind == GREY_ALPHA else 3)
    samples = np.array([[[*colour, 0], [*colour, top // 2], [*colour, top]]])
    assert row(png(kind, bits, samples)) == [[127] * 3 + [alpha] for alpha in (0, 127, 255)]


def test_an_empty_fourth_channel_of_a_tga_means_none():
    file = io.BytesIO()
    picture = Image.new("RGBA", (4, 4), (200, 30, 30, 0))
    picture.save(file, "TGA")
    assert row(file.getvalue())[0] == [200, 30, 30, 255]
    picture.putpixel((0, 0), (200, 30, 30, 90))
    file = io.BytesIO()
    picture.save(file, "TGA")
    assert [pixel[3] for pixel in row(file.getvalue())] == [90, 0, 0, 0]


def test_an_empty_alpha_of_a_png_stays():
    assert row(png(RGBA, 8, np.array([[[9, 9, 9, 0]]])))[0][3] == 0


def test_a_linear_png_is_brightened_and_an_srgb_one_is_not():
    half = np.array([[[128, 128, 128]]])
    linear = chunk(b"gAMA", struct.pack(">I", 100000))
    usual = chunk(b"gAMA", struct.pack(">I", 45455))
    srgb = chunk(b"sRGB", b"\0")
    assert abs(row(png(RGB, 8, half, linear))[0][0] - 186) <= 1
    assert row(png(RGB, 8, half, usual))[0][0] == 128
    assert row(png(RGB, 8, half, linear, srgb))[0][0] == 128
    assert row(png(RGB, 8, half, chunk(b"gAMA", struct.pack(">I", 0))))[0][0] == 128


@pytest.mark.parametrize("mode", ["L", "LA", "P"])
def test_a_profile_of_grey_or_of_a_palette_is_converted(mode):
    """A profile whose curve is light itself: 128 of 255 is 188 in sRGB."""
    profile = linear_profile("GRAY" if mode in ("L", "LA") else "RGB ")
    picture = Image.new(mode, (2, 2), {"L": 128, "LA": (128, 77), "P": 0}[mode])
    if mode == "P":
        picture.putpalette([128, 128, 128])
    file = io.BytesIO()
    picture.save(file, "PNG", icc_profile=profile)
    pixel = row(file.getvalue())[0]
    assert abs(pixel[0] - 188) <= 2 and pixel[0] == pixel[1] == pixel[2]
    assert pixel[3] == (77 if mode == "LA" else 255)


def test_cmyk_of_a_jpeg_keeps_its_colours():
    file = io.BytesIO()
    Image.new("CMYK", (16, 16), (0, 255, 255, 0)).save(file, "JPEG", quality=95)
    red = row(file.getvalue())[0]
    assert red[0] > 240 and max(red[1:3]) < 15


def test_a_png_of_more_pixels_than_it_holds_is_damaged():
    """Pillow would give black for the missing rows, as many as there are said to be."""
    whole = png(RGB, 8, np.full((8, 8, 3), 200))
    assert row(whole)[0] == [200, 200, 200, 255]
    header = struct.pack(">IIBBBBB", 8, 2_000_000, 8, 2, 0, 0, 0)
    longer = whole[:8] + chunk(b"IHDR", header) + whole[33:]
    with pytest.raises(EngineError) as caught:
        read_image(longer)
    assert "pixels are missing" in caught.value.message
    flat = png(GREY, 1, np.zeros((4000, 4000, 1), int))
    assert np.asarray(read_image(flat)).shape == (4000, 4000, 4)


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC"),
        (b"8BPS\0\x01" + bytes(30), "Photoshop"),
        (b"v/1\x01\x02\0\0\0" + bytes(30), "OpenEXR"),
        (b'<?xml version="1.0"?><svg xmlns="x"/>', "SVG"),
        (b"<!DOCTYPE html><html></html>", "web page"),
        (b"%PDF-1.7 " + bytes(20), "document"),
        (b"\x01\x02\x03\x04\x05nothing known", "known format"),
    ],
)
def test_other_files_are_named(data, word):
    with pytest.raises(EngineError) as caught:
        read_image(data)
    assert caught.value.code == "image_unreadable" and word in caught.value.message
    assert caught.value.hint
