"""Picture files of every kind a user may drop in."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms

from engine.images import reading
from engine.images.reading import read_image
from protocol.errors import EngineError


def stored(image: Image.Image, kind: str = "PNG", **options) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def noise(size=(40, 30), mode="RGB") -> Image.Image:
    channels = len(Image.new(mode, (1, 1)).getbands())
    shape = (size[1], size[0], channels)
    values = np.random.default_rng(0).integers(0, 255, shape, dtype=np.uint8)
    return Image.fromarray(values if channels > 1 else values[..., 0], mode=None)


def pixels(data) -> np.ndarray:
    image = read_image(data)
    assert image.mode == "RGBA"
    return np.asarray(image)


def refused(data) -> EngineError:
    with pytest.raises(EngineError) as caught:
        read_image(data)
    assert caught.value.hint
    return caught.value


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP", "WEBP", "PPM"])
def test_lossless_kinds_keep_every_pixel(kind):
    image = noise()
    options = {"lossless": True} if kind == "WEBP" else {}
    read = pixels(stored(image, kind, **options))
    assert (read[..., :3] == np.asarray(image)).all()
    assert (read[..., 3] == 255).all()


def test_a_path_and_its_bytes_give_the_same(tmp_path):
    path = tmp_path / "a picture.png"
    path.write_bytes(stored(noise(mode="RGBA")))
    assert (pixels(path) == pixels(path.read_bytes())).all()
    assert (pixels(str(path)) == pixels(path)).all()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_the_rotation_of_cameras_is_applied(orientation, kind):
    # A quarter of the picture is red: upper left once it is upright.
    upright = np.full((32, 48, 3), 40, np.uint8)
    upright[:16, :24] = (220, 30, 30)
    undo = {
        1: lambda a: a,
        2: lambda a: a[:, ::-1],
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: a.swapaxes(0, 1),
        6: lambda a: np.rot90(a, 1),
        7: lambda a: a.swapaxes(0, 1)[::-1, ::-1],
        8: lambda a: np.rot90(a, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = stored(Image.fromarray(np.ascontiguousarray(undo(upright))), kind, exif=exif)
    read = pixels(data)[..., :3].astype(int)
    assert read.shape == upright.shape
    assert np.abs(read - upright).mean() < 3


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_broken_exif_does_not_cost_the_picture(caplog):
    data = stored(noise(), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\x7f" + b"\1" * 40)
    assert pixels(data).shape == (30, 40, 4)


def test_sixteen_bits_are_scaled_not_clipped():
    values = np.array([[0, 257, 32896, 65535]], np.uint16)
    for kind in ("PNG", "TIFF"):
        assert pixels(stored(Image.fromarray(values), kind))[0, :, 0].tolist() == [0, 1, 128, 255]


def test_sixteen_bits_of_colour_are_scaled():
    def chunk(name: bytes, body: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(name + body))
        return struct.pack(">I", len(body)) + name + body + check

    row = b"\0" + struct.pack(">6H", 65535, 32768, 257, 0, 65535, 300)
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 2, 1, 16, 2, 0, 0, 0))
    data += chunk(b"IDAT", zlib.compress(row)) + chunk(b"IEND", b"")
    assert pixels(data)[0].tolist() == [[255, 128, 1, 255], [0, 255, 1, 255]]


def test_transparency_of_all_kinds_becomes_alpha():
    palette = Image.new("P", (2, 1))
    palette.putpalette([255, 0, 0, 0, 255, 0])
    palette.putdata([0, 1])
    assert pixels(stored(palette, "PNG", transparency=1))[0].tolist() == [
        [255, 0, 0, 255],
        [0, 255, 0, 0],
    ]
    partly = pixels(stored(palette, "PNG", transparency=bytes([10, 200])))
    assert partly[0, :, 3].tolist() == [10, 200]
    assert pixels(stored(palette, "GIF", transparency=0))[0, :, 3].tolist() == [0, 255]
    assert pixels(stored(Image.new("LA", (1, 1), (9, 77))))[0, 0].tolist() == [9, 9, 9, 77]
    grey = Image.fromarray(np.array([[5, 6]], np.uint8))
    assert pixels(stored(grey, "PNG", transparency=5))[0, :, 3].tolist() == [0, 255]
    deep = Image.fromarray(np.array([[500, 600]], np.uint16))
    assert pixels(stored(deep, "PNG", transparency=500))[0, :, 3].tolist() == [0, 255]


def test_print_colours_become_screen_colours():
    read = pixels(stored(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "TIFF"))
    assert read[0, 0].tolist() == [255, 0, 0, 255]
    inverted = pixels(stored(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG", quality=95))
    assert np.abs(inverted[0, 0].astype(int) - (255, 0, 0, 255)).max() < 4


def test_black_and_white_and_one_pixel():
    assert pixels(stored(Image.new("1", (3, 2), 1)))[0, 0].tolist() == [255, 255, 255, 255]
    assert pixels(stored(Image.new("RGB", (1, 1), (1, 2, 3)))).tolist() == [[[1, 2, 3, 255]]]


def test_of_an_animation_the_first_frame_is_taken_and_the_log_says_so(caplog):
    frames = [Image.new("RGB", (5, 4), colour) for colour in ("red", "blue")]
    data = stored(frames[0], "GIF", save_all=True, append_images=frames[1:])
    with caplog.at_level("INFO"):
        assert pixels(data)[0, 0].tolist() == [255, 0, 0, 255]
    assert "first frame" in caplog.text


def test_an_srgb_profile_changes_no_pixel():
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    image = noise()
    read = pixels(stored(image, "PNG", icc_profile=profile))
    assert (read[..., :3] == np.asarray(image)).all()


def test_another_profile_is_converted_around_the_alpha():
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    image = noise(mode="RGBA")
    # A profile of another space than the picture's is useless and is ignored.
    assert (pixels(stored(image, "PNG", icc_profile=lab)) == np.asarray(image)).all()
    red_green_swapped = swapped_profile()
    read = pixels(stored(image, "PNG", icc_profile=red_green_swapped)).astype(int)
    given = np.asarray(image).astype(int)
    assert (read[..., 3] == given[..., 3]).all()
    # Rounding between the profiles costs a few levels, most of all in dark colours.
    assert np.abs(read[..., [1, 0, 2]] - given[..., :3]).mean() < 2


def swapped_profile() -> bytes:
    """sRGB with red and green exchanged, under another name."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    tags = {bytes(data[i : i + 4]): i for i in range(132, 132 + 12 * data[131], 12)}
    red, green = tags[b"rXYZ"], tags[b"gXYZ"]
    data[red : red + 4], data[green : green + 4] = b"gXYZ", b"rXYZ"
    return bytes(data).replace("sRGB".encode("utf-16-be"), "swap".encode("utf-16-be"))


def test_a_broken_profile_is_ignored(caplog):
    image = noise()
    read = pixels(stored(image, "PNG", icc_profile=b"no profile at all" * 10))
    assert (read[..., :3] == np.asarray(image)).all()
    assert "colour profile" in caplog.text


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "TIFF", "BMP"])
def test_truncated_files_are_refused(kind):
    data = stored(noise((200, 200)), kind)
    for share in (0.02, 0.3, 0.7):
        assert refused(data[: int(share * len(data))]).code == "image_unreadable"


@pytest.mark.parametrize("data", [b"", b"hello" * 50, b"\x89PNG\r\n\x1a\n", b"GIF89a", b"\xff\xd8"])
def test_junk_is_refused(data):
    error = refused(data)
    assert error.code == "image_unreadable"
    assert "BytesIO" not in error.message


def test_postscript_is_not_handed_to_another_program():
    assert refused(stored(Image.new("RGB", (3, 3)), "EPS")).code == "image_unreadable"


def test_damaged_bytes_never_raise_anything_else():
    generator = np.random.default_rng(1)
    for kind in ("PNG", "JPEG", "GIF", "TIFF", "WEBP"):
        data = np.frombuffer(stored(noise((64, 48)), kind), np.uint8)
        for _ in range(40):
            broken = data.copy()
            spots = generator.integers(0, len(broken), 6)
            broken[spots] = generator.integers(0, 256, 6)
            try:
                assert read_image(broken.tobytes()).mode == "RGBA"
            except EngineError as error:
                assert error.code.startswith("image_")


def test_too_many_pixels_are_refused_before_they_are_decoded(monkeypatch):
    monkeypatch.setattr(reading, "MAX_PIXELS", 1000)
    assert refused(stored(noise((40, 30)))).code == "image_too_large"
    assert read_image(stored(noise((40, 25)))).size == (40, 25)


@pytest.mark.parametrize("side", [12_000, 60_000])
def test_a_decompression_bomb_is_refused(side):
    def chunk(name: bytes, body: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(name + body))
        return struct.pack(">I", len(body)) + name + body + check

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
    data += chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    assert refused(data).code == "image_too_large"


def test_floating_point_and_deep_integers_are_refused():
    assert refused(stored(Image.fromarray(np.ones((2, 2), np.float32)), "TIFF")).code == (
        "image_depth"
    )
    assert refused(stored(Image.fromarray(np.array([[70000]], np.int32)), "TIFF")).code == (
        "image_depth"
    )


def test_missing_files_and_folders_are_named(tmp_path):
    error = refused(tmp_path / "nothing.png")
    assert error.code == "image_missing"
    assert "nothing.png" in error.message
    assert refused(tmp_path).code == "image_missing"


def test_a_path_that_cannot_be():
    assert refused("a\0b.png").code == "image_missing"


def test_whole_numbers_of_32_bits_are_refused_however_small(tmp_path):
    Image.fromarray(np.array([[500, 600]], np.int32)).save(tmp_path / "deep.tiff")
    assert refused(tmp_path / "deep.tiff").code == "image_depth"
    Image.fromarray(np.array([[500, 600]], np.uint16)).save(tmp_path / "fine.tiff")
    assert read_image(tmp_path / "fine.tiff").getpixel((0, 0)) == (2, 2, 2, 255)


def test_a_decoder_that_gives_up_at_run_time(monkeypatch):
    """Damaged AVIF ends in a RuntimeError."""

    def give_up(_image):
        raise RuntimeError("Failed to decode frame 0")

    stream = io.BytesIO()
    Image.new("RGB", (4, 4)).save(stream, "PNG")
    monkeypatch.setattr("PIL.PngImagePlugin.PngImageFile.load", give_up)
    assert refused(stream.getvalue()).code == "image_unreadable"
