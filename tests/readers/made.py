"""Small files of the tests, and what a mesh looks like at a place."""

import io
import json
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from engine.finishing.convert import mesh_to_ovoxels
from engine.mesh import Mesh
from engine.ovoxel.placement import fit_unit_cube
from engine.readers.load import load_mesh
from engine.report import Report

RED, GREEN, BLUE, WHITE, BLACK = (1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 1), (0, 0, 0)
SQUARE = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], np.float32)
SQUARE_FACES = np.array([0, 1, 2, 0, 2, 3], np.uint16)
SQUARE_UVS = np.array([[0, 1], [1, 1], [1, 0], [0, 0]], np.float32)
"""Of glTF, whose origin is at the top left."""

_COMPONENTS = {"i1": 5120, "u1": 5121, "i2": 5122, "u2": 5123, "u4": 5125, "f4": 5126}
_TYPES = {1: "SCALAR", 2: "VEC2", 3: "VEC3", 4: "VEC4", 16: "MAT4"}


def plain(*color: int, size: int = 4) -> bytes:
    """A PNG of one colour, in grey, RGB or RGBA by how many numbers there are."""
    pixels = np.broadcast_to(np.array(color, np.uint8), (size, size, len(color)))
    return encoded(pixels)


def quarters(size: int = 64) -> bytes:
    """A PNG: red top left, green top right, blue bottom left, white bottom right."""
    pixels = np.zeros((2, 2, 3), np.uint8)
    pixels[0, 0], pixels[0, 1], pixels[1, 0], pixels[1, 1] = (
        *((255, 0, 0), (0, 255, 0), (0, 0, 255)),
        (255, 255, 255),
    )
    return encoded(pixels.repeat(size // 2, axis=0).repeat(size // 2, axis=1))


def encoded(pixels: np.ndarray, kind: str = "PNG") -> bytes:
    stream = io.BytesIO()
    squeezed = pixels[..., 0] if pixels.shape[2] == 1 else pixels
    Image.fromarray(np.ascontiguousarray(squeezed)).save(stream, kind)
    return stream.getvalue()


class Gltf:
    """A glTF document in the making; node 0 is in the scene by ``show``."""

    def __init__(self, *extensions: str) -> None:
        self.binary = b""
        self.document: dict[str, Any] = {
            "asset": {"version": "2.0"},
            "scene": 0,
            "scenes": [{"nodes": []}],
        }
        if extensions:
            self.document["extensionsUsed"] = self.document["extensionsRequired"] = [*extensions]

    def add(self, kind: str, entry: dict[str, Any]) -> int:
        self.document.setdefault(kind, []).append(entry)
        return len(self.document[kind]) - 1

    def view(self, data: bytes, **more: Any) -> int:
        self.binary += b"\0" * (-len(self.binary) % 4)
        entry = {"buffer": 0, "byteOffset": len(self.binary), "byteLength": len(data), **more}
        self.binary += data
        return self.add("bufferViews", entry)

    def accessor(self, values: Any, kind: str = "f4", *, padded: bool = True, **more: Any) -> int:
        """Rows of numbers, each of which begins at a multiple of four bytes."""
        array = np.asarray(values).astype(f"<{kind}")
        rows = array.reshape(len(array), -1)
        size = rows.shape[1] * rows.itemsize
        stride: dict[str, int] = {}
        data = rows.tobytes()
        if padded and size % 4 and rows.shape[1] > 1:
            wide = np.zeros((len(rows), size + -size % 4), np.uint8)
            wide[:, :size] = np.frombuffer(data, np.uint8).reshape(len(rows), size)
            data, stride = wide.tobytes(), {"byteStride": wide.shape[1]}
        entry = {"bufferView": self.view(data, **stride), "componentType": _COMPONENTS[kind]}
        return self.add(
            "accessors", {**entry, "count": len(rows), "type": _TYPES[rows.shape[1]], **more}
        )

    def texture(self, data: bytes, sampler: dict[str, int] | None = None, **more: Any) -> int:
        image = self.add("images", {"bufferView": self.view(data), "mimeType": "image/png"})
        texture: dict[str, Any] = {"source": image, **more}
        if sampler is not None:
            texture["sampler"] = self.add("samplers", sampler)
        return self.add("textures", texture)

    def square(self, **attributes: int) -> dict[str, Any]:
        """A primitive in the plane x, y."""
        given = {"POSITION": self.accessor(SQUARE), **attributes}
        return {"attributes": given, "indices": self.accessor(SQUARE_FACES, "u2")}

    def mesh(self, *primitives: dict[str, Any], **more: Any) -> int:
        return self.add("meshes", {"primitives": list(primitives), **more})

    def show(self, *primitives: dict[str, Any], **node: Any) -> int:
        """A node of the scene with a mesh of these primitives."""
        if primitives:
            node["mesh"] = self.mesh(*primitives)
        index = self.add("nodes", node)
        self.document["scenes"][0]["nodes"].append(index)
        return index

    def painted(self, material: dict[str, Any], **attributes: int) -> None:
        """Show a square with UVs and a material."""
        primitive = self.square(TEXCOORD_0=self.accessor(SQUARE_UVS), **attributes)
        self.show({**primitive, "material": self.add("materials", material)})

    def save(self, path: Path, uri: str | None = None) -> Path:
        """GLB by suffix; else the buffer is in ``uri``."""
        binary = self.binary + b"\0" * (-len(self.binary) % 4)
        buffer: dict[str, Any] = {"byteLength": len(binary)}
        if uri is not None:
            buffer["uri"] = uri
        document = {**self.document, "buffers": [buffer]}
        text = json.dumps(document).encode()
        if path.suffix == ".gltf":
            path.write_bytes(text)
            return path
        text += b" " * (-len(text) % 4)
        head = struct.pack("<4sII", b"glTF", 2, 28 + len(text) + len(binary))
        head += struct.pack("<I4s", len(text), b"JSON")
        path.write_bytes(head + text + struct.pack("<I4s", len(binary), b"BIN\0") + binary)
        return path

    def load(self, folder: Path, **options: Any) -> Mesh:
        return load_mesh(self.save(folder / "made.glb"), **options)


def area(mesh: Mesh) -> float:
    a, b, c = (mesh.vertices[mesh.faces[:, k]].astype(np.float64) for k in range(3))
    return float(np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2)


def spans(mesh: Mesh, low: Any, high: Any, tolerance: float = 1e-5) -> None:
    """The used vertices fill the box from ``low`` to ``high``."""
    used = mesh.vertices[np.unique(mesh.faces)]
    np.testing.assert_allclose(used.min(axis=0), low, atol=tolerance)
    np.testing.assert_allclose(used.max(axis=0), high, atol=tolerance)


class Surface:
    """The O-Voxels of a mesh."""

    def __init__(self, mesh: Mesh, resolution: int = 32) -> None:
        placement = fit_unit_cube(mesh.vertices, mesh.faces)
        unit = replace(mesh, vertices=placement.to_unit(mesh.vertices))
        voxels = mesh_to_ovoxels(unit, placement, resolution, Report())
        centres = (voxels.grid.coords.astype(np.float64) + 0.5) / resolution - 0.5
        self.points = centres / placement.scale + placement.centre
        self._values = voxels.materials

    def at(self, *point: float) -> np.ndarray:
        """(6,) base colour, metallic, roughness, alpha of the nearest voxel."""
        return self._values[int(((self.points - point) ** 2).sum(axis=1).argmin())]

    def shows(self, point: tuple[float, float, float], color: Any, tolerance: float = 0.06) -> None:
        np.testing.assert_allclose(self.at(*point)[:3], color, atol=tolerance)


def shown(path: Path, resolution: int = 32) -> Surface:
    return Surface(load_mesh(path), resolution)


def notes_of(path: Path, **options: Any) -> list[str]:
    """What is told of a file."""
    said: list[str] = []
    load_mesh(path, tell=said.append, **options)
    return said
