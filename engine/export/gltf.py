"""glTF 2.0 binary files, written from scratch: several named meshes in one scene."""

import io
import json
import logging
import struct
from collections.abc import Sequence, Set
from dataclasses import dataclass, replace
from itertools import chain, count
from typing import Any

import numpy as np
from PIL import Image

from engine import __version__
from engine.host.color import linear_from_srgb
from engine.host.parallel import map_chunks
from engine.mesh import Material, Mesh, Texture, far_centre
from engine.meshing.alpha import choose_alpha_mode
from engine.meshing.axes import Y_UP_FROM_Z_UP
from engine.meshing.normals import vertex_normals
from engine.meshing.rows import unique_rows
from protocol.errors import EngineError
from protocol.limits import ImageFormat

log = logging.getLogger(__name__)

Json = dict[str, Any]

_ARRAY_BUFFER, _ELEMENT_ARRAY_BUFFER = 34962, 34963
_COMPONENTS = {np.dtype(np.float32): 5126, np.dtype(np.uint16): 5123, np.dtype(np.uint32): 5125}
_SHAPES = {1: "SCALAR", 2: "VEC2", 3: "VEC3", 4: "VEC4"}
_LINEAR, _NEAREST, _LINEAR_MIPMAP = 9729, 9728, 9987
_WRAPS = {"clamp": 33071, "mirror": 33648, "repeat": 10497}
_OF_CORNERS = ("NORMAL", "TANGENT", "TEXCOORD_0", "TEXCOORD_1")
"""Attributes that may differ between corners in the same vertex."""
JPEG_QUALITY = 92
WEBP_QUALITY = 92
_WEBP = "EXT_texture_webp"
_VISIBILITY = "KHR_node_visibility"
_LARGEST_WEBP = 16_383


@dataclass(frozen=True)
class NamedMesh:
    """A mesh with the name of its node, such as ``chair_LOD1`` or ``UCX_chair``.

    Args:
        bare: only geometry is written, no material (collision hulls).
        level: of detail, the finest is 0.
    """

    name: str
    mesh: Mesh
    bare: bool = False
    level: int = 0

    @property
    def hidden(self) -> bool:
        """Not to be seen at first: further levels of detail, and hulls."""
        return self.bare or self.level > 0


def glb_bytes(
    meshes: Sequence[NamedMesh], *, name: str = "asset", image_format: ImageFormat = "png"
) -> bytes:
    """A .glb file of all meshes, side by side in one scene, Y-up.

    Positions, normals (the mesh's own, or else those of vertices), tangents where there is a
    normal map, UVs (second ones as TEXCOORD_1), colours (linear, 16 bits) and _METALLIC_ROUGHNESS
    of vertices are written; pictures once however many materials share them. No extension is
    needed, but for EXT_texture_webp where ``image_format`` is "webp"; readers that do not know
    KHR_node_visibility show what is hidden.

    Args:
        meshes: at least one, none empty; object space, Z-up.
        name: of the asset: of materials without a name, and with which names of pictures begin.

    Raises:
        EngineError: ``mesh_empty``, ``mesh_broken``.
    """
    writer = _Writer(name, image_format)
    for named in meshes:
        check_mesh(named.mesh, named.name)
    writer.encode([m for named in meshes if not named.bare for m in _used_materials(named.mesh)])
    for named in meshes:
        writer.add(named)
    if not meshes:
        raise EngineError("mesh_empty", "There is no mesh to write.", "Give at least one.")
    return writer.bytes()


def check_mesh(mesh: Mesh, name: str) -> None:
    """Refuse what no file can hold.

    Raises:
        EngineError: ``mesh_empty`` without triangles, ``mesh_broken`` when they point nowhere or a
            vertex is not finite.
    """
    faces = np.asarray(mesh.faces)
    if len(faces) == 0:
        raise EngineError(
            "mesh_empty", f"There are no triangles to write to {name}.", "Check the input."
        )
    if faces.min() < 0 or faces.max() >= len(mesh.vertices) or not np.isfinite(mesh.vertices).all():
        raise EngineError(
            "mesh_broken",
            f"{name} has triangles without corners or vertices that are not finite.",
            "Clean the mesh first.",
        )


def encode_picture(
    texture: Texture, image_format: ImageFormat, *, numbers: bool = False
) -> tuple[bytes, str]:
    """Bytes and MIME type of a picture.

    What was read as a JPEG stays one, and one with alpha never becomes one. What is too large for
    WebP, 16,383 texels a side, becomes PNG.

    Args:
        numbers: whether it holds something else than colours, which is kept without loss: JPEG has
            no way to, so such pictures stay PNG, and WebP would halve the resolution of all but
            their sum.
    """
    if numbers and image_format == "jpeg":
        image_format = "png"
    pixels = texture.pixels
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[..., 0]
    has_alpha = pixels.ndim == 3 and pixels.shape[2] in (2, 4)
    if texture.encoded is not None:
        is_png = texture.encoded.startswith(b"\x89PNG")
        kept = image_format == "png" or (has_alpha and image_format == "jpeg")
        if not is_png or kept:
            return texture.encoded, "image/png" if is_png else "image/jpeg"
    stream, image = io.BytesIO(), Image.fromarray(pixels)
    if image_format == "jpeg" and not has_alpha:
        image.save(stream, "JPEG", quality=JPEG_QUALITY, subsampling=0)
        return stream.getvalue(), "image/jpeg"
    if image_format == "webp" and max(image.size) <= _LARGEST_WEBP:
        image = image.convert("RGBA" if has_alpha else "RGB")
        # Fast without loss is as fast as PNG, and a fifth smaller.
        how = {"quality": 0, "method": 0} if numbers else {"quality": WEBP_QUALITY, "method": 2}
        image.save(stream, "WEBP", lossless=numbers, exact=True, **how)
        return stream.getvalue(), "image/webp"
    # The fastest: three levels more save a tenth and take half as long again.
    image.save(stream, "PNG", compress_level=1)
    return stream.getvalue(), "image/png"


class _Writer:
    """A document and its binary chunk in the making."""

    def __init__(self, name: str, image_format: ImageFormat) -> None:
        self._name = name
        self._image_format: ImageFormat = image_format
        self._binary = bytearray()
        self._encoded: dict[int, tuple[bytes, str]] = {}
        self._textures: dict[int, int] = {}
        self._materials: dict[tuple[int, bool], int] = {}
        self._kept: list[Any] = []  # ids are of living objects only
        self.document: Json = {
            "asset": {"version": "2.0", "generator": f"Maquette {__version__}"},
            "scene": 0,
            "scenes": [{"nodes": []}],
            "nodes": [],
            "meshes": [],
            "accessors": [],
            "bufferViews": [],
        }

    def add(self, named: NamedMesh) -> None:
        document, mesh = self.document, named.mesh
        centre = far_centre(mesh.vertices)
        if centre is not None:
            # Where float32 would be too coarse, the node says in double precision where it is.
            mesh = replace(mesh, vertices=mesh.vertices - centre)
        materials = mesh.materials or (_plain_material(mesh),)
        primitives = []
        for index, material in enumerate(materials):
            faces = np.arange(len(mesh.faces))
            if mesh.face_material is not None:
                faces = np.flatnonzero(mesh.face_material == index)
            elif index > 0:
                continue
            if len(faces):
                primitives.append(self._primitive(mesh, faces, material, named.bare))
        name = named.name or self._name
        document["meshes"].append({"name": name, "primitives": primitives})
        node: Json = {"name": name, "mesh": len(document["meshes"]) - 1}
        if named.hidden:
            node["extensions"] = {_VISIBILITY: {"visible": False}}
            self._uses(_VISIBILITY)
        if centre is not None:
            node["translation"] = (Y_UP_FROM_Z_UP @ centre).tolist()
        document["nodes"].append(node)
        document["scenes"][0]["nodes"].append(len(document["nodes"]) - 1)

    def _primitive(self, mesh: Mesh, chosen: np.ndarray, material: Material, bare: bool) -> Json:
        vertex = np.asarray(mesh.faces)[chosen].reshape(-1)
        corners = _corner_attributes(mesh, chosen, material, bare)
        varying = [v for k, v in corners.items() if k in _OF_CORNERS]
        first, inverse = unique_rows(vertex, *varying)
        # In the order of the mesh's vertices, those that were split one after the other.
        order = np.argsort(vertex[first], kind="stable")
        place = np.empty(len(order), np.int64)
        place[order] = np.arange(len(order))
        first, inverse = first[order], place[inverse]
        attributes = {}
        for name, values in corners.items():
            values = values[first]
            if name in ("POSITION", "NORMAL", "TANGENT"):
                turned = values[:, :3].astype(np.float64) @ Y_UP_FROM_Z_UP.T
                values = np.concatenate([turned, values[:, 3:]], axis=1).astype(np.float32)
            elif name in ("TEXCOORD_0", "TEXCOORD_1"):
                values = np.stack([values[:, 0], 1 - values[:, 1]], axis=1)
            attributes[name] = self._accessor(values, _ARRAY_BUFFER, bounds=name == "POSITION")
        # The largest index of a type is reserved.
        index_type = np.uint16 if len(first) < 65535 else np.uint32
        indices = self._accessor(inverse.astype(index_type)[:, None], _ELEMENT_ARRAY_BUFFER)
        primitive: Json = {"attributes": attributes, "indices": indices}
        if not bare:
            primitive["material"] = self._material(material)
        return primitive

    def _uses(self, extension: str, *, required: bool = False) -> None:
        for need in ("extensionsUsed", "extensionsRequired")[: 1 + required]:
            names = self.document.setdefault(need, [])
            if extension not in names:
                names.append(extension)

    def _view(self, data: bytes, target: int | None = None) -> int:
        self._binary += b"\0" * (-len(self._binary) % 4)
        view = {"buffer": 0, "byteOffset": len(self._binary), "byteLength": len(data)}
        if target is not None:
            view["target"] = target
        self._binary += data
        self.document["bufferViews"].append(view)
        return len(self.document["bufferViews"]) - 1

    def _accessor(self, values: np.ndarray, target: int, *, bounds: bool = False) -> int:
        values = np.ascontiguousarray(values)
        accessor: Json = {
            "bufferView": self._view(values.tobytes(), target),
            "componentType": _COMPONENTS[values.dtype],
            "count": len(values),
            "type": _SHAPES[values.shape[1]],
        }
        if bounds:
            accessor["min"] = values.min(axis=0).tolist()
            accessor["max"] = values.max(axis=0).tolist()
        if values.dtype == np.uint16 and values.shape[1] == 4:
            accessor["normalized"] = True
        self.document["accessors"].append(accessor)
        return len(self.document["accessors"]) - 1

    def _material(self, material: Material) -> int:
        key = (id(material), False)
        if key not in self._materials:
            self._kept.append(material)
            materials = self.document.setdefault("materials", [])
            name = material.name or free_name(self._name, {each["name"] for each in materials})
            materials.append(self._describe(material, name))
            self._materials[key] = len(materials) - 1
        return self._materials[key]

    def _describe(self, material: Material, name: str) -> Json:
        color = linear_from_srgb(np.asarray(material.base_color_factor)).tolist()
        pbr: Json = {
            "baseColorFactor": [*color, float(material.alpha_factor)],
            "metallicFactor": float(material.metallic_factor),
            "roughnessFactor": float(material.roughness_factor),
        }
        described: Json = {"name": name, "pbrMetallicRoughness": pbr}
        if material.base_color_texture is not None:
            picture = self._texture(material.base_color_texture, name, "base_color")
            pbr["baseColorTexture"] = {"index": picture}
        orm = material.metallic_roughness_texture
        if orm is not None:
            role = "occlusion_roughness_metallic" if material.occlusion else "roughness_metallic"
            picture = self._texture(orm, name, role)
            pbr["metallicRoughnessTexture"] = {"index": picture}
            if material.occlusion:
                described["occlusionTexture"] = {"index": picture}
        if material.normal_texture is not None:
            picture = self._texture(material.normal_texture, name, "normal")
            described["normalTexture"] = {"index": picture}
        if material.alpha_mode != "opaque":
            described["alphaMode"] = material.alpha_mode.upper()
        if material.alpha_mode == "mask":
            described["alphaCutoff"] = float(material.alpha_cutoff)
        if material.double_sided:
            described["doubleSided"] = True
        return described

    def encode(self, materials: Sequence[Material]) -> None:
        """Encode all pictures of some materials beside each other, which takes longest of all."""
        colors = {id(m.base_color_texture): m.base_color_texture for m in materials}
        others = [t for m in materials for t in (m.metallic_roughness_texture, m.normal_texture)]
        numbers = {id(t): t for t in others if id(t) not in colors}
        pictures = [
            (texture, is_number)
            for some, is_number in ((colors, False), (numbers, True))
            for texture in some.values()
            if texture is not None
        ]
        encoded = map_chunks(
            lambda picture: encode_picture(picture[0], self._image_format, numbers=picture[1]),
            pictures,
        )
        for (texture, _), done in zip(pictures, encoded, strict=True):
            self._encoded[id(texture)] = done

    def _texture(self, texture: Texture, material: str, role: str) -> int:
        """Its index; the picture is named after the asset and the first material that has it, since
        materials of many assets are called alike."""
        if id(texture) in self._textures:
            return self._textures[id(texture)]
        self._kept.append(texture)
        document = self.document
        data, mime = self._encoded[id(texture)]
        images = document.setdefault("images", [])
        if material != self._name and not material.startswith(f"{self._name}_"):
            material = f"{self._name}_{material}"
        name = free_name(f"{material}_{role}", {each["name"] for each in images})
        images.append({"name": name, "bufferView": self._view(data), "mimeType": mime})
        linear = texture.filter == "linear"
        sampler = {
            "magFilter": _LINEAR if linear else _NEAREST,
            "minFilter": _LINEAR_MIPMAP if linear else _NEAREST,
            "wrapS": _WRAPS[texture.wraps[0]],
            "wrapT": _WRAPS[texture.wraps[1]],
        }
        samplers = document.setdefault("samplers", [])
        if sampler not in samplers:
            samplers.append(sampler)
        textures = document.setdefault("textures", [])
        source: Json = {"source": len(images) - 1}
        if mime == "image/webp":
            source = {"extensions": {_WEBP: source}}
            self._uses(_WEBP, required=True)
        textures.append({"name": name, "sampler": samplers.index(sampler), **source})
        self._textures[id(texture)] = len(textures) - 1
        return len(textures) - 1

    def bytes(self) -> bytes:
        self._binary += b"\0" * (-len(self._binary) % 4)
        self.document["buffers"] = [{"byteLength": len(self._binary)}]
        text = json.dumps(self.document, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 4)
        length = 12 + 8 + len(text) + 8 + len(self._binary)
        if length >= 1 << 32:
            raise EngineError(
                "mesh_too_large",
                "The asset does not fit into a .glb file, which holds 4 GB.",
                "Simplify the mesh or choose smaller textures.",
            )
        head = struct.pack("<4sII", b"glTF", 2, length)
        document = struct.pack("<I4s", len(text), b"JSON") + text
        return b"".join(
            [head, document, struct.pack("<I4s", len(self._binary), b"BIN\0"), self._binary]
        )


def _used_materials(mesh: Mesh) -> list[Material]:
    """Those that a face has."""
    if mesh.face_material is None:
        return list(mesh.materials[:1])
    used = np.unique(mesh.face_material)
    return [mesh.materials[index] for index in used if index < len(mesh.materials)]


def free_name(name: str, taken: Set[str]) -> str:
    """The name, with a number where something is called so already."""
    return next(n for n in chain([name], (f"{name}_{i}" for i in count(2))) if n not in taken)


def _corner_attributes(
    mesh: Mesh, chosen: np.ndarray, material: Material, bare: bool
) -> dict[str, np.ndarray]:
    """Attributes of all corners of the chosen faces, one row for each, in our axes."""
    corners = mesh.faces[chosen].reshape(-1)
    normals = mesh.normals
    if normals is None:
        normals = vertex_normals(mesh.vertices, mesh.faces)[mesh.faces]
    attributes = {
        "POSITION": np.asarray(mesh.vertices, np.float32)[corners],
        "NORMAL": np.asarray(normals, np.float32)[chosen].reshape(-1, 3),
    }
    if bare:
        return attributes
    if mesh.tangents is not None and material.normal_texture is not None:
        attributes["TANGENT"] = np.asarray(mesh.tangents, np.float32)[chosen].reshape(-1, 4)
    if mesh.uvs is not None and material.textures:
        attributes["TEXCOORD_0"] = np.asarray(mesh.uvs, np.float32)[chosen].reshape(-1, 2)
        if mesh.second_uvs is not None:
            second = np.asarray(mesh.second_uvs, np.float32)
            attributes["TEXCOORD_1"] = second[chosen].reshape(-1, 2)
    if mesh.colors is not None:
        linear = np.column_stack([linear_from_srgb(mesh.colors[:, :3]), mesh.colors[:, 3]])
        # 16 bits: dark colours in linear light need more than 8.
        attributes["COLOR_0"] = np.rint(linear * 65535).astype(np.uint16)[corners]
    if mesh.metallic_roughness is not None:
        values = np.asarray(mesh.metallic_roughness, np.float32)
        attributes["_METALLIC_ROUGHNESS"] = values[corners]
    return attributes


def _plain_material(mesh: Mesh) -> Material:
    """For values of vertices: the mean of metallic and roughness, as glTF has no such attribute.

    Networks hardly ever give an alpha of exactly 1: vertices are judged as texels are.
    """
    metallic, roughness = 0.0, 1.0
    if mesh.metallic_roughness is not None and len(mesh.metallic_roughness):
        metallic, roughness = mesh.metallic_roughness.mean(axis=0).tolist()
    alpha = np.zeros(0) if mesh.colors is None else np.asarray(mesh.colors)[:, 3]
    return Material(
        metallic_factor=metallic,
        roughness_factor=roughness,
        alpha_mode=choose_alpha_mode(np.rint(alpha.clip(0, 1) * 255).astype(np.uint8)),
    )
