"""What a job made, packed as clients take it, and written into the folder of the job.

The names of parts: "structure"; "mesh", the raw surface with colours; "finished", the mesh with
UVs, and "finished_lod1" and so on; "hull"; "textures", and "textures_lod1" and so on; "thumbnail";
"pictures" of a rendering; "model", a .glb file; "asset", a .zip file of the asset's folder.
"""

import hashlib
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from engine.export.gltf import encode_picture
from engine.finishing.finish import Finished
from engine.host.files import atomic_path
from engine.mesh import Mesh
from engine.pipe.messages import PartFile, Run
from protocol.finishes import Finish
from protocol.layout import Array, Layout
from protocol.limits import ImageFormat
from protocol.parts import THUMBNAIL_SIDE, Packed, pack_images, pack_mesh, pack_structure
from protocol.wire import Shaped


def packed_parts(name: str, value: Any) -> Iterator[tuple[str, Packed]]:
    """A part as ``engine.report`` gives it, under the names and as the arrays that clients know.

    Raises:
        EngineError: ``part_invalid``.
    """
    if name == "structure":
        yield name, pack_structure(*value)
    elif name == "mesh":
        yield name, packed_mesh(value)
    elif name == "finished":
        yield from _finished(*value)
    else:
        raise ValueError(f"{name!r} is no part that jobs have")


def packed_mesh(mesh: Mesh) -> Packed:
    """A mesh with whatever of UVs, normals, colours and materials of faces it has."""
    colors = None if mesh.colors is None else np.clip(mesh.colors, 0, 1)
    return pack_mesh(
        mesh.vertices,
        mesh.faces,
        color_srgb=colors,
        metallic_roughness=mesh.metallic_roughness,
        corner_uv=_corners(mesh.uvs),
        corner_normal=_corners(mesh.normals),
        face_material=mesh.face_material,
    )


def packed_textures(mesh: Mesh, image_format: ImageFormat) -> Packed | None:
    """The textures of a mesh's only material; None where it has none."""
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
            encode_picture(texture, image_format)[0],
            name == "base_color" and material.alpha_mode != "opaque",
        )
        for name, texture in textures.items()
        if texture is not None
    }
    return pack_images(pictures) if pictures else None


def packed_thumbnail(file: Path) -> Packed:
    """A picture as it is, and small as Blender's lists show it."""
    with Image.open(file) as image:
        small = image.convert("RGBA").resize((THUMBNAIL_SIDE, THUMBNAIL_SIDE), Image.Resampling.BOX)
    rows = np.ascontiguousarray(np.asarray(small))
    raw = Shaped(rows.tobytes(), "uint8", rows.shape)
    return pack_images({"thumbnail": (file.read_bytes(), True)}, thumbnail_rgba=raw)


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
    level = 0
    for named in finished.meshes:
        if named.bare:
            yield "hull", packed_mesh(named.mesh)
            continue
        suffix = f"_lod{level}" if level else ""
        level += 1
        yield f"finished{suffix}", packed_mesh(named.mesh)
        textures = packed_textures(named.mesh, settings.image_format)
        if textures is not None:
            yield f"textures{suffix}", textures


def _corners(values: np.ndarray | None) -> np.ndarray | None:
    """(F, 3, C) as (3 F, C)."""
    return None if values is None else values.reshape(-1, values.shape[-1])
