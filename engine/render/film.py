"""Pictures that follow each other, as one file that moves: .webp, .gif, .mp4."""

import io
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from PIL import Image

from protocol.errors import EngineError

BACKDROP = (236, 236, 236)
"""sRGB behind what cannot be transparent: light, but white things show on it."""

_CODECS = ("libx264", "libopenh264", "mpeg4")
"""The first that is there: H.264 plays everywhere, MPEG-4 in players only."""
_GIF_TICK = 10
"""Milliseconds: what .gif counts in."""


def film_bytes(suffix: str, pictures: Sequence[Image.Image], seconds: float) -> bytes:
    """A file that shows pictures one after another, over and over where the format can.

    Args:
        suffix: one of ``FILMS``. Only .webp keeps transparency; the others get ``BACKDROP``.
        pictures: RGBA, all of one size.
        seconds: from the first picture to the first again.

    Raises:
        EngineError: ``video_missing`` where .mp4 is wanted and its library is not installed.
    """
    if suffix == ".webp":
        return _animated(pictures, seconds, "WEBP", quality=80, method=2)
    flat = [on_backdrop(picture) for picture in pictures]
    if suffix == ".mp4":
        return _video(flat, seconds)
    return _animated(_in_one_palette(flat), seconds, "GIF", optimize=False, disposal=1)


def on_backdrop(picture: Image.Image, color: tuple[int, int, int] = BACKDROP) -> Image.Image:
    """RGB, of an RGBA picture on a plain sRGB colour."""
    back = Image.new("RGBA", picture.size, (*color, 255))
    back.alpha_composite(picture)
    return back.convert("RGB")


def check_video() -> None:
    """Refuse before the work what ``film_bytes`` would refuse after it.

    Raises:
        EngineError: ``video_missing``.
    """
    try:
        import av  # noqa: F401  # pyright: ignore[reportUnusedImport]
    except ImportError as error:
        raise EngineError(
            "video_missing",
            "Films in .mp4 need the package av, which is not installed.",
            "Install it with: pip install av. Or write a .webp or .gif, which need nothing more.",
        ) from error


def _animated(
    pictures: Sequence[Image.Image], seconds: float, kind: str, **options: int | bool
) -> bytes:
    stream = io.BytesIO()
    pictures[0].save(
        *(stream, kind),
        save_all=True,
        append_images=pictures[1:],
        duration=_durations(len(pictures), seconds, _GIF_TICK if kind == "GIF" else 1),
        loop=0,
        **options,
    )
    return stream.getvalue()


def _durations(count: int, seconds: float, tick: int) -> list[int]:
    """Milliseconds of each picture in whole ticks, which add up to the whole time."""
    ends = np.rint(np.arange(count + 1) * (1000 * seconds / count / tick)) * tick
    return np.maximum(np.diff(ends), tick).astype(int).tolist()


def _in_one_palette(pictures: Sequence[Image.Image]) -> list[Image.Image]:
    """With the 256 colours that all of them share, so that nothing flickers."""
    some = pictures[:: max(len(pictures) // 8, 1)]
    sheet = Image.new("RGB", (sum(picture.width for picture in some), some[0].height), BACKDROP)
    at = 0
    for picture in some:
        sheet.paste(picture, (at, 0))
        at += picture.width
    palette = sheet.quantize(256, method=Image.Quantize.MAXCOVERAGE, kmeans=2)
    # Dithering would crawl from frame to frame.
    return [p.quantize(palette=palette, dither=Image.Dither.NONE) for p in pictures]


def _video(pictures: Sequence[Image.Image], seconds: float) -> bytes:
    check_video()
    import av

    stream = io.BytesIO()
    rate = Fraction(len(pictures) / seconds).limit_denominator(1000)
    # Colours are stored for 2 x 2 pixels together.
    width, height = (side + side % 2 for side in pictures[0].size)
    with av.open(stream, "w", format="mp4") as file:
        codec = next(name for name in _CODECS if name in av.codecs_available)
        track = file.add_stream(codec, rate=rate)
        assert isinstance(track, av.VideoStream)
        track.width, track.height, track.pix_fmt = width, height, "yuv420p"
        if codec == "libx264":
            track.options = {"crf": "18", "preset": "veryfast"}
        else:
            track.bit_rate = 8 * width * height
        for picture in pictures:
            frame = Image.new("RGB", (width, height), BACKDROP)
            frame.paste(picture)
            file.mux(track.encode(av.VideoFrame.from_image(frame)))
        file.mux(track.encode(None))
    return stream.getvalue()
