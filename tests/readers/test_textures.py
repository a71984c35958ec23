"""Pictures on meshes: depth, transparency and profiles of every kind; numbers are no colours."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from engine.readers.load import load_mesh
from engine.readers.textures import decode_texture
from protocol.errors import EngineError
from tests.images.png_kinds import GREY, PALETTE, RGB, chunk, linear_profile, png, transparent
from tests.readers.made import Gltf, notes_of

HALF, HALF_IN_SRGB = 128, 188
OBJ = "mtllib a.mtl\nusemtl a\nv 0 0 0\nv 1 0 0\nv 0 1 0\nvt 0 0\nvt 1 0\nvt 0 1\nf 1/1 2/2 3/3\n"


def pixel(data: bytes, **options: Any) -> list[int]:
    return decode_texture(data, "a.png", **{"alpha": True, **options}).pixels[0, 0].tolist()


def grey(mode: str = "RGB", **options: Any) -> bytes:
    """A picture of half grey in the profile of light itself."""
    space = "GRAY" if mode in ("L", "LA") else "RGB "
    value = {"L": HALF, "LA": (HALF, 77), "RGBA": (HALF, HALF, HALF, 77)}.get(mode, (HALF,) * 3)
    file = io.BytesIO()
    Image.new(mode, (4, 4), value).save(file, "PNG", icc_profile=linear_profile(space), **options)
    return file.getvalue()


def materials(folder: Path, text: str) -> Any:
    (folder / "a.obj").write_text(OBJ)
    (folder / "a.mtl").write_text("newmtl a\n" + text)
    return load_mesh(folder / "a.obj").materials[0]


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
def test_a_transparent_grey(bits: int) -> None:
    data = png(GREY, bits, np.array([[[0], [2**bits - 1]]]), transparent(2**bits - 1))
    pixels = decode_texture(data, "a.png", alpha=True).pixels
    assert pixels.tolist() == [[[0, 0, 0, 255], [255, 255, 255, 0]]]
    assert decode_texture(data, "a.png", alpha=False).pixels.shape == (1, 2, 3)


def test_transparent_colours_and_entries_of_a_palette() -> None:
    assert pixel(png(RGB, 16, np.array([[[65535, 0, 0]]]), transparent(65535, 0, 0)))[3] == 0
    entries = chunk(b"PLTE", bytes([10, 20, 30])), chunk(b"tRNS", bytes([90]))
    assert pixel(png(PALETTE, 8, np.array([[[0]]]), *entries)) == [10, 20, 30, 90]


def test_sixteen_bits_are_scaled() -> None:
    assert pixel(png(GREY, 16, np.array([[[0x8080]]]))) == [128] * 3
    assert pixel(png(RGB, 16, np.array([[[0xFFFF, 0x8080, 0]]]))) == [255, 128, 0]


def test_shares_of_one_in_floating_point() -> None:
    file = io.BytesIO()
    Image.fromarray(np.array([[0.5, 2.0], [-1.0, np.nan]], np.float32)).save(file, "TIFF")
    pixels = decode_texture(file.getvalue(), "a.tif", alpha=False).pixels
    assert pixels[..., 0].tolist() == [[128, 255], [0, 0]]


def test_cmyk_keeps_its_colours() -> None:
    file = io.BytesIO()
    Image.new("CMYK", (16, 16), (0, 255, 255, 0)).save(file, "JPEG", quality=95)
    red = pixel(file.getvalue())
    assert red[0] > 240 and max(red[1:]) < 15


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
def test_a_profile_counts_for_colours_alone(mode: str) -> None:
    data = grey(mode)
    assert pixel(data)[:3] == [HALF] * 3
    found = pixel(data, by_profile=True)
    assert max(abs(value - HALF_IN_SRGB) for value in found[:3]) <= 2
    assert found[3:] == ([77] if mode in ("LA", "RGBA") else [])


def test_profiles_in_an_obj(tmp_path: Path) -> None:
    (tmp_path / "g.png").write_bytes(grey())
    made = materials(tmp_path, "map_Kd g.png\nmap_Pr g.png\nmap_Pm g.png\nnorm g.png\n")
    assert abs(int(made.base_color_texture.pixels[0, 0, 0]) - HALF_IN_SRGB) <= 2
    assert made.metallic_roughness_texture.pixels[0, 0].tolist() == [255, HALF, HALF]
    assert made.normal_texture.pixels[0, 0].tolist() == [HALF] * 3


def test_a_profile_in_an_alpha_map_is_no_colour(tmp_path: Path) -> None:
    (tmp_path / "g.png").write_bytes(grey("L"))
    assert materials(tmp_path, "map_d g.png\n").base_color_texture.pixels[0, 0, 3] == HALF


def test_glTF_forbids_profiles_and_gamma(tmp_path: Path) -> None:
    gltf = Gltf()
    index = gltf.texture(grey())
    gltf.painted({"pbrMetallicRoughness": {"baseColorTexture": {"index": index}}})
    texture = gltf.load(tmp_path).materials[0].base_color_texture
    assert texture is not None and texture.pixels[0, 0].tolist() == [HALF] * 3


@pytest.mark.parametrize("by_profile", [True, False])
def test_the_turn_of_a_photo_does_not_count(by_profile: bool) -> None:
    """UVs are those of the pixels as they are stored: Blender and games read them so."""
    turned = Image.Exif()
    turned[0x0112] = 6
    file = io.BytesIO()
    Image.new("RGB", (8, 4), (255, 0, 0)).save(file, "JPEG", exif=turned)
    texture = decode_texture(file.getvalue(), "a.jpg", alpha=True, by_profile=by_profile)
    assert texture.pixels.shape == (4, 8, 3)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is empty"),
        (b"DDS " + bytes(200), "is a DDS texture"),
        (b"<!DOCTYPE html><html></html>", "a text file or a web page"),
        (grey()[:60], "is damaged"),
    ],
)
def test_what_is_no_picture_is_named(tmp_path: Path, data: bytes, words: str) -> None:
    with pytest.raises(EngineError) as caught:
        decode_texture(data, "a.png", alpha=True)
    assert caught.value.code == "texture_broken" and words in caught.value.message
    assert "BytesIO" not in caught.value.message and caught.value.hint
    (tmp_path / "a.obj").write_text(OBJ)
    (tmp_path / "a.mtl").write_text("newmtl a\nmap_Kd a.png\n")
    (tmp_path / "a.png").write_bytes(data)
    assert any(words in note and "a.png" in note for note in notes_of(tmp_path / "a.obj"))


def test_a_texture_may_be_larger_than_a_picture_for_a_network() -> None:
    file = io.BytesIO()
    Image.new("1", (12000, 7500)).save(file, "PNG")
    assert decode_texture(file.getvalue(), "a.png", alpha=False).pixels.shape == (7500, 12000, 3)
