"""What a job made, packed as clients take it, and written into the folder of the job.

The names of parts: "source", the picture as the networks see it, without its background;
"structure"; "mesh", the raw surface with colours; "finished", the mesh with UVs, and
"finished_lod1" and so on; "hull"; "textures", and "textures_lod1" and so on; "thumbnail";
"pictures" of a rendering; "model", a .glb file, and "model_lod1" and so on where each level of
detail has one; "recipe", a .json file; "asset", a .zip file of the asset's folder.
"""

import hashlib
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from engine.export.gltf import encode_picture
from engine.finishing.finish import Finished
from engine.host.color import linear_from_srgb
from engine.host.files import atomic_path
from engine.images.writing import png_bytes
from engine.mesh import Mesh, Texture
from engine.pipe.messages import PartFile, Run
from protocol.finishes import Finish
from protocol.layout import Array, Layout
from protocol.limits import ImageFormat
from protocol.parts import (
    THUMBNAIL_SIDE,
    Packed,
    pack_images,
    pack_mesh,
    pack_picture,
    pack_structure,
)

ENOUGH = 512
"""Texels a side that are enough for a mean."""


def packed_parts(name: str, value: Any) -> Iterator[tuple[str, Packed]]:
    """A part as ``engine.report`` gives it, under the names and as the arrays that clients know.

    Raises:
        EngineError: ``part_invalid``.
    """
    if name == "structure":
        yield name, pack_structure(*value)
    elif name == "source":
        yield name, packed_picture(name, value, png_bytes(value))
    elif name == "mesh":
        yield name, packed_mesh(value)
    elif name == "finished":
        yield from _finished(*value)
    else:
        raise ValueError(f"{name!r} is no part that jobs have")


def packed_mesh(mesh: Mesh, *, polygons: bool = False) -> Packed:
    """A mesh with whatever of UVs, normals, colours and materials of faces it has.

    Args:
        polygons: whether what its triangles are pieces of goes along.
    """
    colors = None if mesh.colors is None else np.clip(mesh.colors, 0, 1)
    return pack_mesh(
        mesh.vertices,
        mesh.faces,
        color_srgb=colors,
        metallic_roughness=mesh.metallic_roughness,
        corner_uv=_corners(mesh.uvs),
        corner_normal=_corners(mesh.normals),
        face_material=mesh.face_material,
        face_polygon=mesh.polygons if polygons else None,
    )


def packed_textures(mesh: Mesh, image_format: ImageFormat) -> Packed | None:
    """The textures of a mesh's only material; None where it has none.

    On their way into a program they need not be as small as WebP makes them.
    """
    if not mesh.materials:
        return None
    material = mesh.materials[0]
    textures = {
        "base_color": material.base_color_texture,
        "metallic_roughness": material.metallic_roughness_texture,
        "normal": material.normal_texture,
    }
    pictures = {
        name: (
            encode_picture(
                texture,
                "png" if image_format == "webp" else image_format,
                numbers=name != "base_color",
            )[0],
            name == "base_color" and material.alpha_mode != "opaque",
        )
        for name, texture in textures.items()
        if texture is not None
    }
    base = material.base_color_texture
    means = {} if base is None else {"base_color": mean_color(base)}
    return pack_images(pictures, means=means) if pictures else None


def mean_color(texture: Texture) -> tuple[float, ...]:
    """The mean of a texture of three or four channels as linear RGB in [0, 1]."""
    step = 1 + max(texture.pixels.shape[:2]) // ENOUGH
    some = texture.pixels[::step, ::step, :3].reshape(-1, 3)
    light = linear_from_srgb(np.arange(256) / 255)
    return tuple(float(x) for x in light[some].mean(axis=0, dtype=np.float64))


def packed_thumbnail(file: Path) -> Packed:
    """The picture of an asset."""
    with Image.open(file) as image:
        return packed_picture("thumbnail", image, file.read_bytes())


def packed_picture(name: str, image: Image.Image, data: bytes) -> Packed:
    """A picture, and small in the middle of a square.

    Args:
        data: the bytes of its file.
    """
    side = THUMBNAIL_SIDE
    scale = side / max(image.size)
    size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    small = Image.new("RGBA", (side, side))
    small.paste(
        image.convert("RGBA").resize(size, Image.Resampling.BOX),
        ((side - size[0]) // 2, (side - size[1]) // 2),
    )
    return pack_picture(name, data, small.tobytes())


def file_part(run: Run, name: str, path: Path) -> PartFile:
    """A file that lies in the folder of the job already, as a part."""
    with path.open("rb") as stream:
        sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
    size = path.stat().st_size
    return PartFile(
        job=run.job,
        name=name,
        file=path.relative_to(run.folder).as_posix(),
        bytes=size,
        sha256=sha256,
        layout=Layout(
            kind="file",
            arrays=(Array(name="data", dtype="uint8", shape=(size,)),),
            file_name=path.name,
        ),
    )


def zip_folder(folder: Path, target: Path) -> None:
    """The files of a folder, not compressed: what is large in them is compressed already.

    Raises:
        EngineError: ``disk_full``, ``unwritable``.
    """
    with atomic_path(target) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for file in sorted(folder.iterdir()):
            archive.write(file, file.name)


def _finished(finished: Finished, settings: Finish) -> Iterator[tuple[str, Packed]]:
    for named in finished.meshes:
        if named.bare:
            yield "hull", packed_mesh(named.mesh)
            continue
        suffix = f"_lod{named.level}" if named.level else ""
        packed = packed_mesh(named.mesh, polygons=finished.has_quads)
        layout = replace(packed.layout, uvs=finished.uvs_of(named))
        yield f"finished{suffix}", replace(packed, layout=layout)
        pictures = {
            (id(m.base_color_texture), id(m.metallic_roughness_texture), id(m.normal_texture))
            for m in named.mesh.materials
        }
        if len(pictures) > 1:
            continue  # of a mesh that kept its own: these are in the file alone
        textures = packed_textures(named.mesh, settings.image_format)
        if textures is not None:
            yield f"textures{suffix}", textures


def _corners(values: np.ndarray | None) -> np.ndarray | None:
    """(F, 3, C) as (3 F, C)."""
    return None if values is None else values.reshape(-1, values.shape[-1])
