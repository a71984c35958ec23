"""Parts as jobs really have them, made in no time: what the fake worker delivers."""

import json
import os
import struct
import zlib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.pipe.messages import AttachedFile, Run
from protocol.errors import EngineError
from protocol.jobs import TextureJob
from protocol.parts import (
    THUMBNAIL_SIDE,
    Packed,
    pack_file,
    pack_images,
    pack_mesh,
    pack_picture,
    pack_structure,
)
from protocol.plain import tag, to_dict
from protocol.references import Attached

if TYPE_CHECKING:
    from numpy.typing import NDArray

_COLOURS = ((200, 120, 40), (60, 90, 160))
"""Of a chequered texture, so that one sees where it lies."""
_SQUARES = 8


def packed_part(name: str, step: dict[str, Any], run: Run) -> Packed:
    """A part by its name; ``step`` as the script says, such as ``{"faces": 2000}``."""
    kind = name.partition("_lod")[0]
    if kind == "structure":
        import numpy as np

        return pack_structure(np.indices((4, 4, 4)).reshape(3, -1).T, 16)
    if kind == "finished":
        return _finished(step.get("faces", 200), run)
    if kind in ("mesh", "hull"):
        return _sheet(step.get("faces", 200), coloured=kind == "mesh")
    if kind == "textures":
        return _textures(step)
    if kind in ("source", "thumbnail"):
        return _picture(kind, run)
    if kind == "recipe":
        return pack_file("recipe.json", _recipe(run))
    return pack_file(f"{kind}.glb", os.urandom(step.get("bytes", 1000)))


def _finished(faces: int, run: Run) -> Packed:
    """With UVs; of a mesh that came with a texture job, that very mesh."""
    import numpy as np

    mesh = run.spec.mesh if isinstance(run.spec, TextureJob) else None
    name = mesh.name if isinstance(mesh, Attached) else ""
    if f"{name}.corner_vert" not in run.attached:
        packed = _sheet(faces, with_uvs=True)
        return replace(packed, layout=replace(packed.layout, uvs="new"))
    position = _array(run.attached[f"{name}.position"])
    corners = _array(run.attached[f"{name}.corner_vert"]).reshape(-1, 3)
    given = run.attached.get(f"{name}.corner_uv")
    if given is not None:
        uvs = _array(given)
    else:
        # A square of its own for each triangle.
        side = int(np.ceil(len(corners) ** 0.5))
        cells = np.stack(np.divmod(np.arange(len(corners)), side), axis=1)[:, None]
        uvs = ((cells + np.array([[0.1, 0.1], [0.9, 0.1], [0.1, 0.9]])) / side).reshape(-1, 2)
    packed = pack_mesh(position, corners, corner_uv=uvs)
    kept = "new" if given is None else "given"
    return replace(packed, layout=replace(packed.layout, uvs=kept))


def _sheet(faces: int, *, coloured: bool = False, with_uvs: bool = False) -> Packed:
    """A curved square of about so many triangles."""
    import numpy as np

    n = max(1, round((faces / 2) ** 0.5))
    u, v = (axis.reshape(-1) for axis in np.meshgrid(*[np.linspace(0, 1, n + 1)] * 2))
    position = np.stack([u - 0.5, v - 0.5, 0.2 * np.sin(3 * u) * np.cos(2 * v)], axis=1)
    corner = (np.arange(n)[:, None] * (n + 1) + np.arange(n)).reshape(-1)
    a, b, c, d = corner, corner + 1, corner + n + 2, corner + n + 1
    triangles = np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)])
    others: dict[str, Any] = {}
    if coloured:
        others["color_srgb"] = np.stack([u, v, 1 - u, np.ones_like(u)], axis=1)
        others["metallic_roughness"] = np.stack([np.zeros_like(u), v], axis=1)
    if with_uvs:
        others["corner_uv"] = np.stack([u, v], axis=1)[triangles].reshape(-1, 2)
    return pack_mesh(position, triangles, **others)


def _textures(step: dict[str, Any]) -> Packed:
    side, alpha = step.get("side", 64), bool(step.get("alpha"))
    base, other = _COLOURS
    opaque = (255,) if alpha else ()
    pictures = {
        "base_color": (png(side, (*base, *opaque), (*other, *((90,) if alpha else ()))), alpha),
        "metallic_roughness": (png(side, (255, 140, 0), (255, 60, 255)), False),
    }
    if step.get("normal"):
        pictures["normal"] = png(side, (128, 128, 255), (140, 128, 250)), False
    return pack_images(pictures)


def _picture(name: str, run: Run) -> Packed:
    """The picture that came with the job, where it is one, else a chequered square."""
    side = THUMBNAIL_SIDE
    picture = getattr(run.spec, "picture", None)
    file = run.attached.get(picture.name) if isinstance(picture, Attached) else None
    if name == "source" and file is not None and len(file.array.shape) == 1:
        from PIL import Image

        from engine.images.reading import read_image

        try:
            image = read_image(Path(file.file))
        except EngineError:  # scripts are played with anything for a picture
            pass
        else:
            small = image.resize((side, side), Image.Resampling.BOX).tobytes()
            return pack_picture(name, png_of_rows(*image.size, image.tobytes(), 4), small)
    first, second = ((*colour, 255) for colour in _COLOURS)
    return pack_picture(name, png(side, first, second), _rows(side, first, second))


def _recipe(run: Run) -> bytes:
    spec = to_dict(run.spec)
    kind = tag(type(run.spec)).removesuffix("_job")
    finish = None if run.finish is None else to_dict(run.finish)
    recipe = {"version": 2, "system": "fake", "kind": kind, **spec, "finish": finish}
    return json.dumps(recipe, indent=2, ensure_ascii=False).encode()


def _array(file: AttachedFile) -> "NDArray[Any]":
    import numpy as np

    dtype = np.dtype(file.array.dtype).newbyteorder("<")
    return np.fromfile(file.file, dtype).reshape(file.array.shape)


def _rows(side: int, first: tuple[int, ...], second: tuple[int, ...]) -> bytes:
    """A chequered square, row by row."""
    square = max(1, side // _SQUARES)
    pair = [bytes(first) * square, bytes(second) * square]
    width = side * len(first)
    even, odd = ((b"".join(order) * (_SQUARES + side))[:width] for order in (pair, reversed(pair)))
    return b"".join((even, odd)[row // square % 2] for row in range(side))


def png(side: int, first: tuple[int, ...], second: tuple[int, ...]) -> bytes:
    """A chequered square as the contents of a .png file.

    Args:
        first, second: three or four channels of 0 to 255.
    """
    return png_of_rows(side, side, _rows(side, first, second), len(first))


def png_of_rows(width: int, height: int, rows: bytes, channels: int) -> bytes:
    """Rows of 8 bits a channel, from the top, as the contents of a .png file."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + check

    stride = width * channels
    # Fast rather than small, and a filter byte before each row.
    packer = zlib.compressobj(1)
    data = b"".join(
        packer.compress(b"\0" + rows[row * stride : (row + 1) * stride]) for row in range(height)
    )
    kind = {3: 2, 4: 6}[channels]
    header = struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, 0)
    parts = (chunk(b"IHDR", header), chunk(b"IDAT", data + packer.flush()), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)
