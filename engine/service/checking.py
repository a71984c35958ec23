"""What is wrong with the inputs of a job, as far as it can be told at once and without torch."""

import os
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path

from engine.assets.names import RECIPE, is_asset_folder
from engine.images.signatures import HEAD, may_be_picture, what_it_is
from engine.readers.headers import check_header
from protocol.errors import EngineError
from protocol.jobs import FinishJob, Job, RenderJob
from protocol.references import Attached, File
from protocol.wire import Shaped


def check_inputs(spec: Job, buffers: Mapping[str, Shaped]) -> None:
    """Better now than when the job's turn has come. Reads the beginnings of files.

    Args:
        buffers: what came with the job; what came with an earlier one was looked at then.

    Raises:
        EngineError: ``file_absent``, ``file_unreadable``, ``image_unreadable``,
            ``attachment_kind``, ``asset_missing``, and as ``check_header``.
    """
    for field in fields(spec):
        value = getattr(spec, field.name)
        picture = field.name == "picture"
        if isinstance(value, Attached) and value.name in buffers:
            _check_attached(value.name, buffers[value.name], picture=picture)
        elif isinstance(value, File):
            _check_exists(value)
            if picture:
                _check_picture(f"The picture {value.path}", _head(Path(value.path)))
            else:
                _check_source(Path(value.path), spec)


def _check_exists(file: File) -> None:
    if not os.path.exists(file.path):
        raise EngineError(
            "file_absent",
            f"{file.path} does not exist on the engine's machine.",
            "Check the name; relative ones are looked for where the engine was started.",
        )


def _check_attached(name: str, shaped: Shaped, *, picture: bool) -> None:
    if not picture:
        raise EngineError(
            "attachment_kind",
            f"What is attached as {name!r} is a file, and a mesh is expected there.",
            "Name the file, or attach the arrays of the mesh (docs/protocol.md).",
        )
    if len(shaped.shape) == 1 and shaped.dtype == "uint8":
        _check_picture(f"The picture {name!r}", bytes(memoryview(shaped.data)[:HEAD]))
    elif len(shaped.shape) != 3 or shaped.shape[2] != 4 or shaped.dtype != "uint8":
        raise EngineError(
            "attachment_kind",
            f"What is attached as {name!r} is no picture.",
            "Attach uint8 (size,), a file, or uint8 (height, width, 4).",
        )


def _check_picture(name: str, head: bytes) -> None:
    if not may_be_picture(head):
        what = what_it_is(head) if head else "is empty"
        raise EngineError("image_unreadable", f"{name} {what}.", "Save it again as PNG or JPEG.")


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(HEAD)
    except OSError as error:
        raise EngineError(
            "file_unreadable",
            f"Cannot read {path}: {error.strerror or error}.",
            "Check the name, and whether the engine may read it.",
        ) from error


def _check_source(path: Path, spec: Job) -> None:
    """A mesh file or the folder of an asset; some jobs take O-Voxels, too."""
    if path.is_dir():
        if not is_asset_folder(path):
            raise EngineError(
                "asset_missing",
                f"{path} is not the folder of an asset: it has no {RECIPE}.",
                "Give a folder that generate, texture or upscale made: its name ends in .maquette.",
            )
    elif not (path.suffix.lower() == ".vxz" and isinstance(spec, FinishJob | RenderJob)):
        check_header(path)
