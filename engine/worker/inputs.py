"""What travelled beside a job, from the files in which the front process put it."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from engine.assets.names import asset_of_job
from engine.mesh import Mesh
from engine.pipe.messages import AttachedFile, Run
from engine.systems.inputs import Inputs
from engine.systems.kept import Kept
from protocol.errors import EngineError
from protocol.layout import Array
from protocol.parts import check_mesh

KEPT = "kept"


def inputs_of(run: Run) -> Inputs:
    """The inputs of a job; what a job like it kept is looked into besides its own.

    Raises:
        EngineError: ``attachment_kind``, ``attachment_missing``, ``part_invalid``.
    """
    earlier = [Path(run.earlier, KEPT)] if run.earlier else []
    return Inputs(
        attached_values(run.attached),
        lambda job: asset_of_job(Path(run.stored[job])) if job in run.stored else _unknown(job),
        Kept(Path(run.folder, KEPT), earlier),
    )


def attached_values(files: Mapping[str, AttachedFile]) -> dict[str, Any]:
    """Pictures' bytes, Images and Meshes by the names that the job gives them.

    Raises:
        EngineError: ``attachment_kind``, ``part_invalid``.
    """
    values: dict[str, Any] = {}
    meshes: dict[str, dict[str, AttachedFile]] = {}
    for name, file in files.items():
        owner, dot, array = name.rpartition(".")
        shape = file.array.shape
        if dot and f"{owner}.corner_vert" in files:
            meshes.setdefault(owner, {})[array] = file
        elif file.array.dtype == "uint8" and len(shape) == 1:
            values[name] = Path(file.file).read_bytes()
        elif file.array.dtype == "uint8" and len(shape) == 3 and shape[2] == 4:
            values[name] = Image.fromarray(_array(file))
        else:
            raise EngineError(
                "attachment_kind",
                f"What is attached as {name!r} is neither a file, nor a picture, nor a mesh.",
                "Attach uint8 (size,), uint8 (height, width, 4), or the arrays of a mesh.",
            )
    return values | {name: _mesh(arrays) for name, arrays in meshes.items()}


def _mesh(files: Mapping[str, AttachedFile]) -> Mesh:
    described = tuple(_renamed(name, file) for name, file in files.items())
    data = {name: Path(file.file).read_bytes() for name, file in files.items()}
    check_mesh(described, data)
    arrays = {name: _array(file) for name, file in files.items()}
    faces = arrays["corner_vert"].reshape(-1, 3)
    corner_uv = arrays.get("corner_uv")
    return Mesh(
        arrays["position"],
        faces,
        uvs=None if corner_uv is None else corner_uv.reshape(-1, 3, 2),
        colors=arrays.get("color_srgb"),
        metallic_roughness=arrays.get("metallic_roughness"),
        polygons=arrays.get("face_polygon"),
    )


def _renamed(name: str, file: AttachedFile) -> Array:
    return replace(file.array, name=name, offset=0)


def _array(file: AttachedFile) -> np.ndarray:
    dtype = np.dtype(file.array.dtype).newbyteorder("<")
    return np.fromfile(file.file, dtype).reshape(file.array.shape)


def _unknown(job: str) -> Path:
    raise EngineError(
        "source_missing",
        f"The result of the job {job} is not here any more.",
        "Choose another source, or run that job again.",
    )
