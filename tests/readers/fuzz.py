"""Mutated files against the readers: each case by its number, and what became of it.

The readers promise an ``EngineError`` or a sound mesh, within ``SECONDS`` of the processor and
within ``MEMORY`` and ``TIMES`` the size of the files.
"""

import random
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from engine.mesh import Mesh
from engine.readers.load import load_mesh
from protocol.errors import EngineError
from tests.readers import mutate
from tests.readers.valid import Files, valid

SECONDS = 5.0
MEMORY, TIMES = 400 * 2**20, 100
"""Bytes beyond what the process had, and beyond that so many times the bytes of the files."""


@dataclass(frozen=True)
class Outcome:
    """
    Args:
        result: "mesh", or the code of the error.
        fault: what went against the promise; None.
        seconds: of the processor.
        memory: bytes by which the process grew at its peak; 0 where that cannot be known.
    """

    result: str
    fault: str | None
    seconds: float
    memory: int


def mutated(kind: str, seed: int, number: int) -> Files:
    """The files of a case; the same ones for the same numbers."""
    chance = random.Random(f"{kind} {seed} {number}")
    files = dict(chance.choice(valid(kind)))
    names = list(files)
    first = names[-1] if kind == "pictures" else names[0]
    name = first if chance.random() < 0.75 else chance.choice(names)
    files[name] = mutate.BY_SUFFIX[Path(name).suffix](files[name], chance)
    return files


def tried(files: Files, folder: Path) -> Outcome:
    """Read a case in an empty folder, which is emptied again."""
    for name, data in files.items():
        (folder / name).write_bytes(data)
    before, fault = _memory("VmRSS", forget=True), None
    start = time.process_time()
    try:
        mesh = load_mesh(folder / next(iter(files)), tell=lambda sentence: None)
        result, fault = "mesh", unsound(mesh)
    except EngineError as error:
        result = error.code
        if not (error.message and error.hint) or "object at 0x" in error.message:
            fault = f"the error says {error.message!r}"
    except Exception as error:  # noqa: BLE001 - whatever it is, it is what is looked for
        result, fault = type(error).__name__, f"{type(error).__name__}: {error}"
    seconds = time.process_time() - start
    memory = max(0, _memory("VmHWM") - before)
    size = sum(len(data) for data in files.values())
    if seconds > SECONDS:
        fault = fault or f"{seconds:.1f} s"
    if memory > MEMORY + TIMES * size:
        fault = fault or f"{memory / 2**20:.0f} MB for {size:,} bytes"
    for name in files:
        (folder / name).unlink()
    return Outcome(result, fault, seconds, memory)


def unsound(mesh: Mesh) -> str | None:
    """What is wrong with a mesh that a reader gave; None."""
    vertices, faces = mesh.vertices, mesh.faces
    if not len(faces) or faces.shape[1:] != (3,) or vertices.shape[1:] != (3,):
        return f"faces {faces.shape}, vertices {vertices.shape}"
    if not np.isfinite(vertices).all():
        return "a vertex is not finite"
    if faces.min() < 0 or faces.max() >= len(vertices):
        return "a face points beyond the vertices"
    shapes: dict[str, tuple[Any, tuple[int, ...]]] = {
        "uvs": (mesh.uvs, (len(faces), 3, 2)),
        "normals": (mesh.normals, (len(faces), 3, 3)),
        "tangents": (mesh.tangents, (len(faces), 3, 4)),
        "colors": (mesh.colors, (len(vertices), 4)),
        "metallic_roughness": (mesh.metallic_roughness, (len(vertices), 2)),
    }
    for name, (values, shape) in shapes.items():
        if values is None:
            continue
        if values.shape != shape or not np.isfinite(values).all():
            return f"{name} of the shape {values.shape}, or not finite"
    material = mesh.face_material
    if material is not None and not (material.min() >= 0 and material.max() < len(mesh.materials)):
        return "a face has a material that is not there"
    for each in mesh.materials:
        numbers = (*each.base_color_factor, each.alpha_factor, each.metallic_factor)
        if not all(0 <= n <= 1 for n in (*numbers, each.roughness_factor)):
            return f"a factor of {each.name[:40]} is beyond 0 and 1"
        if not np.isfinite(each.alpha_cutoff):
            return "an alpha cutoff is not finite"
    return None


def _memory(name: str, *, forget: bool = False) -> int:
    """Bytes that the process has (VmRSS) or had at its peak (VmHWM), which may be forgotten."""
    try:
        if forget:
            Path("/proc/self/clear_refs").write_text("5")
        text = Path("/proc/self/status").read_text()
    except OSError:
        return 0
    return int(text.partition(f"{name}:")[2].split()[0]) * 1024
