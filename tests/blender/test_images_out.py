"""Pictures for the engine from images of every kind, converted or refused: report 14."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import bpy
import numpy as np
import pytest

from tests.blender import addon, parts

pytestmark = pytest.mark.usefixtures("blank")


def _rows(side: int = 8, alpha: int = 255) -> Any:
    rows = np.random.default_rng(3).integers(0, 256, (side, side, 4)).astype(np.uint8)
    rows[..., 3] = alpha
    return rows


def _file(tmp_path: Path, name: str = "Cat Ёж.png", **more: Any) -> Path:
    file = tmp_path / name
    file.write_bytes(parts.png_of(_rows(**more)[..., :4]))
    return file


def _picture(image: Any) -> Any:
    return addon.module("bl.images_out").picture(image)


def _decoded(picture: Any) -> Any:
    return np.frombuffer(picture.rows, np.uint8).reshape(picture.height, picture.width, 4)


def _refused(image: Any) -> str:
    with pytest.raises(addon.module("protocol.errors").EngineError) as error:
        _picture(image)
    assert error.value.hint
    return error.value.message


def test_a_file_is_sent_as_it_is(tmp_path: Path) -> None:
    file = _file(tmp_path)
    picture = _picture(bpy.data.images.load(str(file)))
    assert picture.data == file.read_bytes() and not picture.rows
    assert picture.title == "Cat Ёж" and picture.path == str(file)


def test_a_packed_image_is_sent_as_it_is(tmp_path: Path) -> None:
    file = _file(tmp_path)
    image = bpy.data.images.load(str(file))
    image.pack()
    bytes_of_file = file.read_bytes()
    file.unlink()
    assert _picture(image).data == bytes_of_file


@pytest.mark.parametrize("packed", [False, True])
def test_what_was_painted_is_sent_and_not_the_old_file(tmp_path: Path, packed: bool) -> None:
    image = bpy.data.images.load(str(_file(tmp_path)))
    if packed:
        image.pack()
    wanted = _rows()
    wanted[2:4] = (10, 20, 30, 255)
    image.pixels.foreach_set((wanted[::-1] / np.float32(255)).astype(np.float32).reshape(-1))
    assert image.is_dirty
    assert (_decoded(_picture(image)) == wanted).all()


def test_a_generated_image_that_was_never_saved() -> None:
    image = bpy.data.images.new("Generated", 4, 4)
    image.generated_color = (1, 0.5, 0, 1)
    assert (_decoded(_picture(image)) == (255, 128, 0, 255)).all()


def test_a_half_transparent_image_keeps_its_colours() -> None:
    image = bpy.data.images.new("Straight", 8, 8, alpha=True)
    wanted = _rows(alpha=100)
    image.pixels.foreach_set((wanted[::-1] / np.float32(255)).astype(np.float32).reshape(-1))
    assert (_decoded(_picture(image)) == wanted).all()


def test_a_float_exr_is_converted(tmp_path: Path) -> None:
    image = bpy.data.images.new("Float", 8, 8, float_buffer=True)
    linear = np.full(
        (8, 8, 4), (0.2158605, 0.5, 4.0, 1.0), np.float32
    )  # sRGB 128, 188, above white
    image.pixels.foreach_set(linear.reshape(-1))
    settings = bpy.context.scene.render.image_settings
    if hasattr(settings, "media_type"):
        settings.media_type = "IMAGE"
    settings.file_format, settings.color_depth = "OPEN_EXR", "32"
    image.save_render(str(tmp_path / "a.exr"))
    rows = _decoded(_picture(bpy.data.images.load(str(tmp_path / "a.exr"))))
    assert np.abs(rows.astype(int) - (128, 188, 255, 255)).max() <= 1


def test_float_colours_that_alpha_is_multiplied_into() -> None:
    encoded = addon.module("bl.images_out").encoded
    pixels = np.array([[[0.2158605 / 2, 0.25, 2.0, 0.5], [0, 0, 0, 0], [np.nan, np.inf, -1, 1]]])
    rows = encoded(pixels.astype(np.float32), linear=True)
    assert rows.tolist() == [[[128, 188, 255, 128], [0, 0, 0, 0], [0, 255, 0, 255]]]
    assert encoded(np.full((1, 1, 1), 0.5, np.float32), linear=False).tolist() == [
        [[128, 128, 128, 255]]
    ]


def test_a_16_bit_png_is_sent_as_it_is(tmp_path: Path) -> None:
    image = bpy.data.images.new("Deep", 8, 8, float_buffer=True)
    image.filepath_raw, image.file_format = str(tmp_path / "deep.png"), "PNG"
    settings = bpy.context.scene.render.image_settings
    if hasattr(settings, "media_type"):
        settings.media_type = "IMAGE"
    settings.file_format, settings.color_depth = "PNG", "16"
    image.save_render(str(tmp_path / "deep.png"))
    data = (tmp_path / "deep.png").read_bytes()
    assert data[24] == 16  # bits a channel
    assert _picture(bpy.data.images.load(str(tmp_path / "deep.png"))).data == data


def test_a_greyscale_image(tmp_path: Path) -> None:
    settings = bpy.context.scene.render.image_settings
    if hasattr(settings, "media_type"):
        settings.media_type = "IMAGE"
    settings.file_format, settings.color_mode = "TIFF", "BW"
    source = bpy.data.images.new("Grey", 8, 8)
    source.generated_color = (0.5, 0.5, 0.5, 1)
    source.save_render(str(tmp_path / "grey.tif"))
    rows = _decoded(_picture(bpy.data.images.load(str(tmp_path / "grey.tif"))))
    assert (rows[..., 0] == rows[..., 2]).all() and (rows[..., 3] == 255).all()
    assert 0 < rows[0, 0, 0] < 255


def test_of_a_udim_the_first_tile_is_taken() -> None:
    image = bpy.data.images.new("Tiles", 4, 4, tiled=True)
    image.tiles.new(1002)
    with bpy.context.temp_override(edit_image=image):
        assert image.source == "TILED"
    image.pixels.foreach_set(np.tile(np.array([1, 0, 0, 1], np.float32), 16))
    picture = _picture(image)
    assert (_decoded(picture) == (255, 0, 0, 255)).all()


@pytest.mark.parametrize(("source", "word"), [("MOVIE", "movie"), ("SEQUENCE", "sequence")])
def test_movies_and_sequences_are_refused(tmp_path: Path, source: str, word: str) -> None:
    image = bpy.data.images.load(str(_file(tmp_path)))
    image.source = source
    assert word in _refused(image)


def test_a_missing_file_and_an_empty_one(tmp_path: Path) -> None:
    file = _file(tmp_path)
    image = bpy.data.images.load(str(file))
    file.unlink()
    assert str(file) in _refused(image)
    (tmp_path / "empty.png").write_bytes(b"")
    image = bpy.data.images.load(str(tmp_path / "empty.png"))
    assert "no pixels" in _refused(image)
    assert _refused(None)


def test_an_8k_image_is_made_smaller() -> None:
    image = bpy.data.images.new("Large", 8192, 4096)
    image.generated_color = (0, 1, 0, 1)
    picture = _picture(image)
    assert (picture.width, picture.height) == (2048, 1024)
    assert _decoded(picture)[500, 500].tolist() == [0, 255, 0, 255]


def test_the_last_render_is_taken_as_it_is_seen(tmp_path: Path) -> None:
    capture, error = addon.module("bl.capture"), addon.module("protocol.errors").EngineError
    scene = bpy.context.scene
    with pytest.raises(error, match="no render yet"):
        capture.last_render(bpy.context)
    camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
    scene.collection.objects.link(camera)
    scene.camera = camera
    scene.render.engine = "CYCLES"
    scene.cycles.samples = 1
    scene.cycles.use_denoising = False
    scene.render.resolution_x, scene.render.resolution_y = 32, 16
    scene.render.resolution_percentage = 100
    settings = scene.render.image_settings
    if hasattr(settings, "media_type"):
        settings.media_type = "IMAGE"
    settings.file_format = "OPEN_EXR"
    bpy.ops.render.render()
    data = capture.last_render(bpy.context).data
    assert data.startswith(b"\x89PNG") and data[16:24] == bytes((0, 0, 0, 32, 0, 0, 0, 16))
    assert settings.file_format == "OPEN_EXR"


def test_a_viewer_node_has_no_colour_space_of_which_blender_would_warn() -> None:
    class Viewer:
        """Of what ``rows_of`` reads; where nothing is drawn, Blender makes none."""

        name, source, size, channels, is_float = "Viewer Node", "VIEWER", (2, 2), 4, True
        has_data = True
        pixels = SimpleNamespace(foreach_get=lambda flat: flat.fill(0.5))

        @property
        def colorspace_settings(self) -> None:
            raise AssertionError("Blender warns of this")

    rows = addon.module("bl.images_out").rows_of(Viewer())
    assert rows.shape == (2, 2, 4) and rows[0, 0, 0] == 255  # linear, alpha multiplied in


def test_views_need_a_camera_and_a_graphics_card() -> None:
    capture, error = addon.module("bl.capture"), addon.module("protocol.errors").EngineError
    with pytest.raises(error, match="has no camera"):
        capture.camera_view(bpy.context)
    with pytest.raises(error, match=r"cannot be drawn|viewport"):
        capture.viewport(bpy.context)


def test_an_empty_clipboard_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    clipboard = addon.module("bl.clipboard")
    monkeypatch.setattr(clipboard.shutil, "which", lambda _: None)
    with pytest.raises(addon.module("protocol.errors").EngineError, match="no picture"):
        clipboard.picture()


def test_a_copied_path_is_found(tmp_path: Path) -> None:
    path_in = addon.module("bl.clipboard").path_in
    file = _file(tmp_path)
    assert path_in(str(file)) == file
    assert path_in(f'"{file}"\n') == file
    assert path_in(file.as_uri() + "\r\n") == file
    assert path_in("\udc89PNG") is None and path_in("") is None and path_in(str(tmp_path)) is None
    assert path_in("a" * 5000) is None and path_in("/no/such.png") is None
