"""Pictures of what Blender shows: the last render, a viewport, the camera's view."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import bpy  # pyright: ignore[reportMissingImports]
import numpy as np

from ..core.language import said
from ..core.pictures import PictureIn
from ..protocol.errors import EngineError

LARGEST = 2048


def last_render(context: Any) -> PictureIn:
    """The last render as it is seen, with its alpha.

    Raises:
        EngineError: ``nothing_rendered``.
    """
    scene = context.scene
    result = next((i for i in bpy.data.images if i.type == "RENDER_RESULT"), None)
    # Without a window has_data is false whatever there is.
    if result is None or not (result.has_data or bpy.app.background):
        raise _nothing()
    with tempfile.TemporaryDirectory(prefix="maquette-") as folder, _as_png(scene):
        file = Path(folder, "render.png")
        try:
            result.save_render(str(file), scene=scene)
            data = file.read_bytes()
        except (RuntimeError, OSError) as error:
            raise _nothing() from error
    return PictureIn(title="Render", data=data)


def viewport(context: Any) -> PictureIn:
    """What a 3D viewport shows, without overlays and background.

    Raises:
        EngineError: ``no_viewport``, ``no_gpu``.
    """
    area, region = _viewport(context)
    space = area.spaces.active
    view = space.region_3d
    # An object is often a small part of the view: what the window shows is too coarse for it.
    scale = LARGEST / max(region.width, region.height, 1)
    width, height = max(1, int(region.width * scale)), max(1, int(region.height * scale))
    return _drawn(context, area, width, height, view.view_matrix, view.window_matrix, "Viewport")


def camera_view(context: Any) -> PictureIn:
    """What the scene's camera sees, in the shading of a viewport, as large as a render.

    Raises:
        EngineError: ``no_camera``, ``no_viewport``, ``no_gpu``.
    """
    scene, camera = context.scene, context.scene.camera
    if camera is None:
        raise EngineError("no_camera", "The scene has no camera.", "Add one by Add > Camera.")
    area, _ = _viewport(context)
    render = scene.render
    width = render.resolution_x * render.pixel_aspect_x
    height = render.resolution_y * render.pixel_aspect_y
    scale = min(1.0, LARGEST / max(width, height))
    width, height = max(1, int(width * scale)), max(1, int(height * scale))
    depsgraph = context.evaluated_depsgraph_get()
    lens = camera.calc_matrix_camera(depsgraph, x=width, y=height)
    view = camera.matrix_world.inverted()
    return _drawn(context, area, width, height, view, lens, "Camera View")


def _drawn(
    context: Any, area: Any, width: int, height: int, view: Any, lens: Any, title: str
) -> PictureIn:
    import gpu  # pyright: ignore[reportMissingImports]

    _, region = _viewport(context, area)
    space = area.spaces.active
    try:
        offscreen = gpu.types.GPUOffScreen(width, height)
    except (SystemError, RuntimeError, ValueError) as error:
        raise EngineError(
            "no_gpu",
            said("A viewport cannot be drawn here: {error}.", error=error),
            "Use a picture file, or a render, instead.",
        ) from error
    try:
        with _without_overlays(space):
            offscreen.draw_view3d(
                context.scene, context.view_layer, space, region, view, lens,
                do_color_management=True, draw_background=False,
            )  # fmt: skip
            buffer = offscreen.texture_color.read()
    finally:
        offscreen.free()
    buffer.dimensions = width * height * 4
    pixels = np.array(buffer, dtype=np.uint8).reshape(height, width, 4)[::-1]
    if not pixels[..., 3].any():
        raise EngineError(
            "nothing_seen", "There is nothing in this view.", "Move the view to an object."
        )
    return PictureIn(
        title=title, rows=np.ascontiguousarray(pixels).tobytes(), width=width, height=height
    )


def _viewport(context: Any, area: Any | None = None) -> tuple[Any, Any]:
    """A 3D viewport, if possible the one that was clicked, and its main region."""
    area = area or context.area
    if area is None or area.type != "VIEW_3D":
        areas = context.screen.areas if context.screen else ()
        area = next((a for a in areas if a.type == "VIEW_3D"), None)
    region = area and next((r for r in area.regions if r.type == "WINDOW"), None)
    if area is None or region is None:
        raise EngineError("no_viewport", "No 3D viewport is open.", "Open one.")
    return area, region


@contextmanager
def _without_overlays(space: Any) -> Iterator[None]:
    before = space.overlay.show_overlays, space.show_gizmo
    space.overlay.show_overlays = space.show_gizmo = False
    try:
        yield
    finally:
        space.overlay.show_overlays, space.show_gizmo = before


@contextmanager
def _as_png(scene: Any) -> Iterator[None]:
    """Renders are saved as the scene says, whatever the name of the file is."""
    settings = scene.render.image_settings
    names = ("media_type", "file_format", "color_mode", "color_depth")
    there = [name for name in names if hasattr(settings, name)]
    before = [(name, getattr(settings, name)) for name in there]
    wanted = {
        "media_type": "IMAGE", "file_format": "PNG", "color_mode": "RGBA", "color_depth": "8",
    }  # fmt: skip
    try:
        for name in there:
            setattr(settings, name, wanted[name])
        yield
    finally:
        for name, value in before:
            setattr(settings, name, value)


def _nothing() -> EngineError:
    return EngineError("nothing_rendered", "There is no render yet.", "Render first, by F12.")
