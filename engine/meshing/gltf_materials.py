"""Materials of a glTF document (glTF 2.0, sections 3.8 and 3.9)."""

import base64
import logging
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np

from engine.host.color import srgb_from_linear
from engine.mesh import AlphaMode, Filter, Material, Texture, Wrap
from engine.meshing.textures import decode_texture, texture_missing
from protocol.errors import EngineError

log = logging.getLogger(__name__)

Json = dict[str, Any]

NEAREST, REPEAT = 9728, 10497
WRAPS: dict[int, Wrap] = {33071: "clamp", 33648: "mirror", REPEAT: "repeat"}
ALPHA_MODES: dict[str, AlphaMode] = {"OPAQUE": "opaque", "MASK": "mask", "BLEND": "blend"}


class GltfMaterials:
    """The materials that a document's meshes use, read when first used.

    Args:
        path: where the document lies; pictures are looked up beside it.
        document: the parsed JSON.
        binary: the GLB's binary chunk, empty for .gltf.
        allow_missing: warn about a missing or broken texture instead of raising.
    """

    def __init__(self, path: Path, document: Json, binary: bytes, allow_missing: bool) -> None:
        self._path = path
        self._document = document
        self._binary = binary
        self._allow_missing = allow_missing
        self._used: dict[int, int] = {}
        self._materials: list[Material] = []
        self._textures: dict[tuple[int, bool], Texture] = {}

    def use(self, index: int) -> int:
        """The place in `used()` of the material with this index in the document."""
        if index not in self._used:
            self._used[index] = len(self._materials)
            self._materials.append(self._read(self._document["materials"][index]))
        return self._used[index]

    def used(self) -> list[Material]:
        return self._materials

    def uv_set(self, index: int) -> int:
        """Which TEXCOORD_n a material's pictures lie on."""
        info = self._main_texture(index)
        transform = info.get("extensions", {}).get("KHR_texture_transform", {})
        return transform.get("texCoord", info.get("texCoord", 0))

    def transform_uv(self, index: int, uv: np.ndarray) -> np.ndarray:
        """(V, 2) float64 UVs after the material's KHR_texture_transform, origin at the top left."""
        info = self._main_texture(index)
        transform = info.get("extensions", {}).get("KHR_texture_transform")
        if transform is None:
            return uv.copy()
        angle = transform.get("rotation", 0.0)
        turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        return (uv * transform.get("scale", [1, 1])) @ turn.T + transform.get("offset", [0, 0])

    def _main_texture(self, index: int) -> Json:
        """The texture that decides on UVs; a mesh has one set, so the others should agree."""
        pbr, glossy = _models(self._document["materials"][index])
        infos = [
            pbr.get("baseColorTexture"),
            pbr.get("metallicRoughnessTexture"),
            glossy.get("diffuseTexture"),
            self._document["materials"][index].get("normalTexture"),
        ]
        infos = [info for info in infos if info is not None]
        keys = ("texCoord", "extensions")
        if any([info.get(k) for k in keys] != [infos[0].get(k) for k in keys] for info in infos):
            log.warning("%s: textures of material %d differ in UVs", self._path.name, index)
        return infos[0] if infos else {}

    def _read(self, given: Json) -> Material:
        pbr, glossy = _models(given)
        if glossy and not pbr:
            factor = glossy.get("diffuseFactor", [1, 1, 1, 1])
            metallic, roughness = 0.0, 1.0 - glossy.get("glossinessFactor", 1.0)
            base_color = glossy.get("diffuseTexture")
        else:
            factor = pbr.get("baseColorFactor", [1, 1, 1, 1])
            metallic, roughness = pbr.get("metallicFactor", 1.0), pbr.get("roughnessFactor", 1.0)
            base_color = pbr.get("baseColorTexture")
        red, green, blue = srgb_from_linear(np.asarray(factor[:3])).tolist()
        return Material(
            name=str(given.get("name", "material")),
            base_color_factor=(red, green, blue),
            alpha_factor=float(factor[3]),
            metallic_factor=float(metallic),
            roughness_factor=float(roughness),
            alpha_mode=ALPHA_MODES[given.get("alphaMode", "OPAQUE")],
            alpha_cutoff=float(given.get("alphaCutoff", 0.5)),
            base_color_texture=self._texture(base_color, alpha=True),
            metallic_roughness_texture=self._texture(
                pbr.get("metallicRoughnessTexture"), alpha=False
            ),
            normal_texture=self._normals(given.get("normalTexture")),
            double_sided=bool(given.get("doubleSided", False)),
        )

    def _normals(self, info: Json | None) -> Texture | None:
        if info is not None and info.get("scale", 1.0) != 1.0:
            log.warning("%s: the strength of a normal map counts as 1", self._path.name)
        return self._texture(info, alpha=False)

    def _texture(self, info: Json | None, *, alpha: bool) -> Texture | None:
        if info is None:
            return None
        key = (info["index"], alpha)
        try:
            if key not in self._textures:
                self._textures[key] = self._decode(self._document["textures"][info["index"]], alpha)
        except EngineError as error:
            if not self._allow_missing:
                raise
            log.warning("%s", error.message)
            return None
        return self._textures[key]

    def _decode(self, texture: Json, alpha: bool) -> Texture:
        sampler: Json = {}
        if "sampler" in texture:
            sampler = self._document["samplers"][texture["sampler"]]
        wrap = WRAPS[sampler.get("wrapS", REPEAT)]
        if wrap != WRAPS[sampler.get("wrapT", REPEAT)]:
            log.warning("%s: a texture wraps differently in u and v", self._path.name)
        filter: Filter = "nearest" if sampler.get("magFilter") == NEAREST else "linear"
        data, name = self._image(texture)
        return decode_texture(data, name, alpha=alpha, filter=filter, wrap=wrap)

    def _image(self, texture: Json) -> tuple[bytes, str]:
        """The encoded bytes of a texture's picture and a name for messages."""
        webp = texture.get("extensions", {}).get("EXT_texture_webp", {})
        index = webp.get("source", texture.get("source"))
        if index is None:
            raise EngineError(
                "texture_broken",
                f"A texture of {self._path.name} has no picture in a format that can be read.",
                "Export it again with PNG or JPEG textures.",
            )
        image = self._document["images"][index]
        inside = f"{image.get('name') or f'number {index}'} in {self._path.name}"
        if "bufferView" in image:
            return self._view(self._document["bufferViews"][image["bufferView"]]), inside
        uri = image["uri"]
        name = inside if uri.startswith("data:") else unquote(uri)
        return self._fetch(uri, name), name

    def _view(self, view: Json) -> bytes:
        buffer = self._document["buffers"][view["buffer"]]
        data = self._binary
        if "uri" in buffer:
            data = self._fetch(buffer["uri"], unquote(buffer["uri"])[:80])
        start = view.get("byteOffset", 0)
        return data[start : start + view["byteLength"]]

    def _fetch(self, uri: str, name: str) -> bytes:
        if uri.startswith("data:"):
            return base64.b64decode(uri.partition(",")[2])
        try:
            return (self._path.parent / unquote(uri)).read_bytes()
        except OSError as error:
            raise texture_missing(name, self._path.name) from error


def _models(material: Json) -> tuple[Json, Json]:
    """The metallic-roughness and the older specular-glossiness description, {} where absent."""
    extensions = material.get("extensions", {})
    glossy = extensions.get("KHR_materials_pbrSpecularGlossiness", {})
    return material.get("pbrMetallicRoughness", {}), glossy
