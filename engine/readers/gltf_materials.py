"""Materials of a glTF document (glTF 2.0, sections 3.8 and 3.9) as metallic-roughness ones."""

from dataclasses import replace
from typing import Any
from urllib.parse import unquote

import numpy as np

from engine.host.color import srgb_from_linear
from engine.mesh import AlphaMode, Filter, Material, Texture, Wrap
from engine.readers.gltf_extensions import MATERIALS
from engine.readers.gltf_file import GltfFile, Json
from engine.readers.layers import add_light, mean_color, see_through
from engine.readers.source import Broken, texture_missing
from engine.readers.specular import from_specular
from engine.readers.textures import decode_texture
from protocol.errors import EngineError

_NEAREST, _REPEAT = 9728, 10497
_WRAPS: dict[int, Wrap] = {33071: "clamp", 33648: "mirror", _REPEAT: "repeat"}
_ALPHA_MODES: dict[str, AlphaMode] = {"OPAQUE": "opaque", "MASK": "mask", "BLEND": "blend"}
_TRANSFORM = "KHR_texture_transform"
_GLOSSY = "KHR_materials_pbrSpecularGlossiness"
_SOURCES = ("EXT_texture_webp", "EXT_texture_avif", "KHR_texture_basisu", "MSFT_texture_dds")
"""Extensions by which a texture may have another picture than its own, best first."""


class GltfMaterials:
    """The materials that a document's meshes use, read when first used."""

    def __init__(self, file: GltfFile) -> None:
        self._file = file
        self._source = file.source
        self._used: dict[int, int] = {}
        self._materials: list[Material] = []

    def use(self, index: int) -> int:
        """The place in `used()` of the material with this index in the document."""
        if index not in self._used:
            material = self._read(self._file.entry("materials", index), f"material {index}")
            self._used[index] = len(self._materials)
            self._materials.append(material)
        return self._used[index]

    def note(self, sentence: str) -> None:
        self._source.note(sentence)

    def used(self) -> list[Material]:
        return self._materials

    def has_texture(self, index: int) -> bool:
        """Whether a material has a picture, so that its UVs matter."""
        return bool(_infos(self._file.entry("materials", index)))

    def lacks_uvs(self, index: int) -> None:
        """Note that faces with a picture do not say where it lies."""
        name = self._file.entry("materials", index).get("name", f"material {index}")
        self._source.note(f"Faces with the material {name} lack the UVs of its textures.")

    def uv_set(self, index: int) -> int:
        """Which TEXCOORD_n a material's pictures lie on."""
        return _placed(self._main(index))[0]

    def transform_uv(self, index: int, uv: np.ndarray) -> np.ndarray:
        """(..., 2) UVs after the material's KHR_texture_transform, origin at the top."""
        _, offset, rotation, scale = _placed(self._main(index))
        if (offset, rotation, scale) == _AS_IT_IS:
            return uv
        uv = np.asarray(uv, np.float64)
        turn = np.array(
            [[np.cos(rotation), np.sin(rotation)], [-np.sin(rotation), np.cos(rotation)]]
        )
        return (uv * scale) @ turn.T + offset

    def _main(self, index: int) -> Json:
        """The texture that decides on UVs, since a mesh of ours has one set."""
        infos = _infos(self._file.entry("materials", index))
        return infos[0] if infos else {}

    def _read(self, given: Json, name: str) -> Material:
        name = str(given.get("name") or name)
        extensions: Json = given.get("extensions", {})
        pbr: Json = given.get("pbrMetallicRoughness", {})
        infos = _infos(given)
        reader = _Pictures(self, name, infos[0] if infos else {})
        red, green, blue, alpha = _factor(pbr.get("baseColorFactor"), (1.0, 1.0, 1.0, 1.0))
        material = Material(
            name=name,
            base_color_factor=_encoded((red, green, blue)),
            alpha_factor=alpha,
            metallic_factor=_share(pbr.get("metallicFactor", 1.0)),
            roughness_factor=_share(pbr.get("roughnessFactor", 1.0)),
            alpha_mode=_ALPHA_MODES.get(given.get("alphaMode", "OPAQUE"), "opaque"),
            alpha_cutoff=_factor([given.get("alphaCutoff", 0.5)], (0.5,), most=np.inf)[0],
            double_sided=bool(given.get("doubleSided", False)),
        )
        if _GLOSSY in extensions:
            material = self._glossy(material, extensions[_GLOSSY], reader, name)
        else:
            material = reader.metallic(material, pbr)
        material = reader.normals(material, given.get("normalTexture"))
        material = reader.occlusion(material, given.get("occlusionTexture"), pbr)
        material = self._transmission(material, extensions, reader, name)
        material = self._light(material, given, reader, name)
        if "KHR_materials_unlit" in extensions:
            self._source.note(f"The material {name} takes no light; only its colour is kept.")
            return replace(material, metallic_factor=0.0, roughness_factor=1.0)
        left_out = [what for key, what in MATERIALS.items() if key in extensions]
        if left_out:
            self._source.note(f"Of the material {name} {', '.join(left_out)} is left out.")
        return material

    def _glossy(self, material: Material, given: Json, reader: "_Pictures", name: str) -> Material:
        """The older description: diffuse, specular, and gloss."""
        red, green, blue, alpha = _factor(given.get("diffuseFactor"), (1.0, 1.0, 1.0, 1.0))
        specular = _factor(given.get("specularFactor"), (1.0, 1.0, 1.0))
        self._source.note(f"The material {name} is of specular and gloss, turned into metallic.")
        made = from_specular(
            (red, green, blue),
            (specular[0], specular[1], specular[2]),
            _share(given.get("glossinessFactor", 1.0)),
            reader.texture(given.get("diffuseTexture"), alpha=True),
            reader.texture(given.get("specularGlossinessTexture"), alpha=True),
        )
        return replace(
            material,
            base_color_factor=made.color,
            alpha_factor=alpha,
            metallic_factor=made.metallic,
            roughness_factor=made.roughness,
            base_color_texture=made.color_texture,
            metallic_roughness_texture=made.metallic_roughness_texture,
        )

    def _transmission(
        self, material: Material, extensions: Json, reader: "_Pictures", name: str
    ) -> Material:
        given = extensions.get("KHR_materials_transmission")
        amount = 0.0 if given is None else _share(given.get("transmissionFactor", 0.0))
        if given is None or amount <= 0:
            return material
        self._source.note(f"The material {name} lets light through; its alpha says so.")
        return see_through(
            material, amount, reader.texture(given.get("transmissionTexture"), alpha=False)
        )

    def _light(self, material: Material, given: Json, reader: "_Pictures", name: str) -> Material:
        strength = given.get("extensions", {}).get("KHR_materials_emissive_strength", {})
        factor = _factor(given.get("emissiveFactor"), (0.0, 0.0, 0.0), most=np.inf)
        light = np.array(factor) * float(strength.get("emissiveStrength", 1.0))
        if not (light > 0).any():
            return material
        texture = reader.texture(given.get("emissiveTexture"), alpha=False)
        if texture is None and "emissiveTexture" in given and reader.lost(given["emissiveTexture"]):
            return material
        self._source.note(f"The light that the material {name} gives off is added to its colour.")
        return add_light(material, _encoded(np.clip(light, 0, 1).tolist()), texture)

    def texture(self, info: Json | None, *, alpha: bool) -> Texture | None:
        """The picture of a texture info; None without, or where it is missing or broken."""
        if info is None:
            return None

        def read() -> Texture:
            try:
                return self._decode(self._file.entry("textures", info.get("index")), alpha)
            except Broken as error:
                raise EngineError(
                    "texture_broken",
                    f"A texture of {self._source.name} cannot be read: {error}.",
                    "Export it again.",
                ) from error

        return self._source.once((info.get("index", -1), alpha), read)

    def _decode(self, texture: Json, alpha: bool) -> Texture:
        sampler: Json = {}
        if "sampler" in texture:
            sampler = self._file.entry("samplers", texture["sampler"])
        wrap_u: Wrap = _WRAPS.get(sampler.get("wrapS", _REPEAT), "repeat")
        wrap_v: Wrap = _WRAPS.get(sampler.get("wrapT", _REPEAT), "repeat")
        filter: Filter = "nearest" if sampler.get("magFilter") == _NEAREST else "linear"
        data, name = self._image(texture)
        return decode_texture(
            data,
            name,
            alpha=alpha,
            filter=filter,
            wrap=wrap_u if wrap_u == wrap_v else (wrap_u, wrap_v),
        )

    def _image(self, texture: Json) -> tuple[bytes, str]:
        """The encoded bytes of a texture's picture and a name for messages."""
        extensions: Json = texture.get("extensions", {})
        others = [extensions[name]["source"] for name in _SOURCES if name in extensions]
        indices = [index for index in [*others[:1], texture.get("source")] if index is not None]
        if "KHR_texture_basisu" in extensions and texture.get("source") is not None:
            indices.reverse()  # the plain picture is one that can be read
        if not indices:
            raise EngineError(
                "texture_broken",
                f"A texture of {self._source.name} has no picture in a format that can be read.",
                "Export it again with PNG or JPEG textures.",
            )
        image = self._file.entry("images", indices[0])
        inside = f"{image.get('name') or f'number {indices[0]}'} in {self._source.name}"
        if "bufferView" in image:
            return bytes(self._file.view(image["bufferView"])), inside
        uri = image.get("uri")
        if not isinstance(uri, str):
            raise Broken(f"its picture {indices[0]} has neither a name nor data")
        name = inside if uri.startswith("data:") else unquote(uri)
        data = self._file.fetch(uri)
        if data is None:
            raise texture_missing(name, self._source.name)
        return data, name


class _Pictures:
    """The pictures of one material; those that lie otherwise than its main one are averaged."""

    def __init__(self, materials: GltfMaterials, name: str, main: Json) -> None:
        self._materials = materials
        self._name = name
        self._main = main

    def texture(self, info: Json | None, *, alpha: bool) -> Texture | None:
        picture = self._materials.texture(info, alpha=alpha)
        if picture is None or info is None or _placed(info) == _placed(self._main):
            return picture
        self._materials.note(
            f"Textures of the material {self._name} lie on different UVs; the mean colour of all "
            "but the first is taken."
        )
        return mean_color(picture)

    def lost(self, info: Json) -> bool:
        """Whether a picture that is named could not be had."""
        return self._materials.texture(info, alpha=False) is None

    def metallic(self, material: Material, pbr: Json) -> Material:
        info = pbr.get("metallicRoughnessTexture")
        picture = self.texture(info, alpha=False)
        if info is not None and picture is None:
            # The factors are 1 by habit beside a picture, which would make the object metal.
            material = replace(material, metallic_factor=0.0)
        return replace(
            material,
            base_color_texture=self.texture(pbr.get("baseColorTexture"), alpha=True),
            metallic_roughness_texture=picture,
        )

    def occlusion(self, material: Material, info: Json | None, pbr: Json) -> Material:
        """Kept where it is R of the picture of metal and roughness, as is usual."""
        if info is None:
            return material
        beside = pbr.get("metallicRoughnessTexture", {})
        if material.metallic_roughness_texture is None or info.get("index") != beside.get("index"):
            self._materials.note(
                f"The ambient occlusion of the material {self._name} is a picture of its own; "
                "it is left out."
            )
            return material
        return replace(material, occlusion=True)

    def normals(self, material: Material, info: Json | None) -> Material:
        if info is None:
            return material
        if _placed(info) != _placed(self._main):
            self._materials.note(
                f"The normal map of the material {self._name} lies on other UVs; it is left out."
            )
            return material
        if info.get("scale", 1.0) != 1.0:
            self._materials.note(
                f"The strength of the normal map of the material {self._name} counts as 1."
            )
        return replace(material, normal_texture=self._materials.texture(info, alpha=False))


_AS_IT_IS = ((0.0, 0.0), 0.0, (1.0, 1.0))


def _placed(info: Json) -> tuple[int, tuple[float, ...], float, tuple[float, ...]]:
    """Where a texture lies: its UV set, and offset, rotation and scale of its transform."""
    transform: Json = info.get("extensions", {}).get(_TRANSFORM, {})
    number = transform.get("texCoord", info.get("texCoord", 0))
    offset = tuple(float(x) for x in transform.get("offset", (0, 0)))
    scale = tuple(float(x) for x in transform.get("scale", (1, 1)))
    if len(offset) != 2 or len(scale) != 2 or not isinstance(number, int):
        raise Broken("a texture is moved by something that is no pair of numbers")
    return number, offset, float(transform.get("rotation", 0.0)), scale


def _infos(material: Json) -> list[Json]:
    """The texture infos of a material, the one that decides on UVs first."""
    extensions: Json = material.get("extensions", {})
    glossy: Json = extensions.get(_GLOSSY, {})
    pbr: Json = {} if glossy else material.get("pbrMetallicRoughness", {})
    infos = [
        pbr.get("baseColorTexture"),
        glossy.get("diffuseTexture"),
        pbr.get("metallicRoughnessTexture"),
        glossy.get("specularGlossinessTexture"),
        material.get("normalTexture"),
        material.get("emissiveTexture"),
        extensions.get("KHR_materials_transmission", {}).get("transmissionTexture"),
    ]
    return [info for info in infos if info is not None]


def _factor(given: Any, default: tuple[float, ...], *, most: float = 1.0) -> tuple[float, ...]:
    """Numbers of a factor within [0, most]."""
    values = default if given is None else tuple(float(value) for value in given)
    if len(values) < len(default) or not np.isfinite(values).all():
        raise Broken("a material has a number that is missing or not finite")
    return tuple(min(max(value, 0.0), most) for value in values[: len(default)])


def _share(value: Any) -> float:
    return _factor([value], (1.0,))[0]


def _encoded(linear: Any) -> tuple[float, float, float]:
    red, green, blue = srgb_from_linear(np.asarray(linear)).tolist()
    return red, green, blue
