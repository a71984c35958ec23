"""Pictures of an asset for people: thumbnails, stills and turntables."""

import io
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from engine.host.files import check_place, write_bytes_atomic
from engine.host.parallel import map_chunks, thread_count
from engine.images.writing import png_bytes
from engine.mesh import Mesh
from engine.render.camera import ball_around, orbit
from engine.render.film import check_video, film_bytes, on_backdrop
from engine.render.lights import STUDIO, Studio
from engine.render.picture import Picture, render
from engine.render.picture_files import FILMS, check_pictures, is_turning, picture_files
from engine.render.surface import Surface, surface_of
from protocol.errors import EngineError

THUMBNAIL = 512
AZIMUTH, ELEVATION = 30.0, 18.0
_BESIDE = 2
"""Frames made at the same time, since a part of each keeps one core busy only."""
_LARGEST_BESIDE = 1024
"""Larger frames are made one by one: the memory for one is enough."""


def thumbnail(mesh: Mesh, *, size: int = THUMBNAIL, threads: int | None = None) -> Picture:
    """One picture of the whole mesh, from the front, a little from the right and from above."""
    surface = surface_of(mesh, threads)
    return still(mesh, surface, AZIMUTH, size=size, threads=threads)


def save_thumbnail(mesh: Mesh, path: Path) -> None:
    """Write ``thumbnail`` as a .png file.

    Raises:
        EngineError: ``disk_full``, ``unwritable``.
    """
    write_bytes_atomic(path, png_bytes(Image.fromarray(thumbnail(mesh).rgba)))


def still(
    mesh: Mesh,
    surface: Surface,
    azimuth_degrees: float,
    *,
    elevation_degrees: float = ELEVATION,
    size: int = THUMBNAIL,
    samples: int = 2,
    studio: Studio = STUDIO,
    threads: int | None = None,
) -> Picture:
    """A picture of the whole mesh from a direction; ``surface`` is that of ``surface_of(mesh)``."""
    centre, radius = ball_around(mesh.vertices, surface.faces)
    camera = orbit(azimuth_degrees, elevation_degrees, target=centre, radius=radius)
    return render(
        *(mesh, camera),
        width=size,
        samples=samples,
        studio=studio,
        surface=surface,
        threads=threads,
    )


def save_picture(
    mesh: Mesh,
    path: str | Path,
    *,
    size: int = THUMBNAIL,
    frames: int = 36,
    seconds: float = 4.0,
    on_progress: Callable[[int, int], None] | None = None,
    threads: int | None = None,
) -> list[Path]:
    """Write a still (.png, .jpg), a turntable (.webp, .gif, .mp4), or its frames (stills with a #).

    Frames are called as ``picture_files`` says. Backgrounds are transparent in .png and .webp,
    light grey elsewhere.

    Args:
        size: side of the square pictures in pixels.
        frames: of a turntable, 1 to 720; seconds: for one turn, 0.05 to 600.
        on_progress: called with (pictures made, pictures in all); may raise to stop.

    Returns:
        The files that were written.

    Raises:
        EngineError: ``picture_format``, ``picture_frames``, ``picture_empty``, ``unwritable``,
            ``video_missing``, and what ``render`` raises.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    check_pictures(path, frames, seconds)
    check_place(path)
    if suffix == ".mp4":
        check_video()
    surface = surface_of(mesh, threads)
    count = frames if is_turning(path) else 1
    threads = threads or thread_count()
    beside = min(_BESIDE if size <= _LARGEST_BESIDE else 1, threads, count)

    def frame(number: int) -> Image.Image:
        azimuth = AZIMUTH + 360.0 * number / count
        picture = still(mesh, surface, azimuth, size=size, threads=threads // beside)
        return Image.fromarray(picture.rgba)

    pictures = map_chunks(frame, range(count), threads=beside, on_done=on_progress)
    if not any(image.getchannel("A").getbbox() for image in pictures):
        raise EngineError(
            "picture_empty",
            "Nothing of the mesh can be seen: its faces have no area, are far too small, or are "
            "transparent.",
            "Check the mesh and the scale at which it was exported.",
        )
    if suffix in FILMS:
        write_bytes_atomic(path, film_bytes(suffix, pictures, seconds))
        return [path]
    targets = picture_files(path, count)
    for target, image in zip(targets, pictures, strict=True):
        write_bytes_atomic(target, png_bytes(image) if suffix == ".png" else _jpeg_bytes(image))
    return targets


def _jpeg_bytes(picture: Image.Image) -> bytes:
    stream = io.BytesIO()
    on_backdrop(picture).save(stream, "JPEG", quality=92)
    return stream.getvalue()
