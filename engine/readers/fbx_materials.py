"""Materials of FBX, of the classic kinds and of those that programs have added since."""

# ufbx may be absent.
# pyright: reportMissingImports=none

from dataclasses import replace
from typing import Any

import numpy as np
from ufbx import ShaderType, WrapMode

from engine.host.color import linear_from_srgb
from engine.mesh import Material, Texture, Wrap
from engine.readers.fbx_library import FILE, get, items, real, text
from engine.readers.layers import see_through
from engine.readers.source import Source
from engine.readers.surface import (
    Color,
    Map,
    Placing,
    Surface,
    material_of,
    one_channel,
    without_alpha,
)
from engine.readers.textures import decode_texture


class FbxMaterials:
    """The materials that a scene's meshes use, read when first used."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._places: dict[int, int] = {}
        self._materials: list[Material] = []
        self._placings: list[Placing | None] = []

    def use(self, material: Any) -> int:
        """The place in `used()` of a material of the scene."""
        number = int(get(material, "element_id"))
        if number not in self._places:
            self._places[number] = len(self._materials)
            name = text(material, "name") or f"material {len(self._materials)}"
            words = _Words(self, material, name)
            pbr = bool(get(material, "features.pbr").enabled)
            if not words.known("pbr.base_color" if pbr else "fbx.diffuse_color"):
                self.note(
                    f"The material {name} says nothing of its colour in a way that is known; a "
                    "neutral one stands in its place."
                )
            surface = words.pbr() if pbr else words.classic()
            made = material_of(surface, self._source.note)
            self._materials.append(words.see_through(made) if pbr else made)
            self._placings.append(surface.main())
        return self._places[number]

    def used(self) -> list[Material]:
        return self._materials

    def name(self, index: int) -> str:
        return self._materials[index].name

    def placing(self, index: int) -> Placing | None:
        """Where a material's pictures lie; None without any."""
        return None if index < 0 else self._placings[index]

    def note(self, sentence: str) -> None:
        self._source.note(sentence)

    def map_of(self, material: Any, name: str) -> Any:
        """The texture in the place of a value such as ``pbr.base_color``; None without."""
        given = get(material, name)
        return get(given, "texture") if get(given, "texture_enabled") else None

    def map(self, texture: Any, name: str, *, color: bool) -> Map | None:
        """A texture of the scene; None where its picture cannot be had.

        Args:
            name: of the material, for messages.
            color: whether its pixels are colours, so that the picture's profile counts.
        """
        if get(texture, "type") != FILE:
            made_of = items(texture, "file_textures")
            if not made_of:
                self.note(f"A texture of the material {name} is computed; it is left out.")
                return None
            if len(made_of) > 1:
                self.note(f"Of layers of textures of the material {name} the first is taken.")
            texture = made_of[0]
        key = (int(get(texture, "element_id")), color)
        picture = self._source.once(key, lambda: self._decoded(texture, color))
        return None if picture is None else Map(picture, _placing(texture))

    def _decoded(self, texture: Any, color: bool) -> Texture:
        wraps: list[Wrap] = [
            "clamp" if get(texture, name) == WrapMode.CLAMP else "repeat"
            for name in ("wrap_u", "wrap_v")
        ]
        names = [
            self._source.spelled(word)
            for key in ("raw_relative_filename", "raw_filename", "raw_absolute_filename")
            if (word := bytes(get(texture, key)))
        ]
        name = (names or [text(texture, "name")])[0].replace("\\", "/").rpartition("/")[2]
        data = bytes(get(texture, "content")) or self._source.picture_file(name, names)
        wrap = (wraps[0], wraps[1])
        return decode_texture(data, name, alpha=True, by_profile=color, wrap=wrap)


class _Words:
    """What one material says."""

    def __init__(self, materials: FbxMaterials, material: Any, name: str) -> None:
        self._materials = materials
        self._material = material
        self._name = name

    def known(self, name: str) -> bool:
        """Whether there is such a value, or a picture in its place."""
        given = get(self._material, name)
        return bool(given.has_value) or get(given, "texture") is not None

    def classic(self) -> Surface:
        """Lambert and Phong, whose colours are sRGB-encoded by habit; Blender's own are ``pbr``."""
        color, color_map = self._color("fbx.diffuse_color", "fbx.diffuse_factor")
        light, light_map = self._color("fbx.emission_color", "fbx.emission_factor", 0.0)
        shininess = self._number("fbx.specular_exponent", 0.0)
        glossy = get(self._material, "shader_type") != ShaderType.FBX_LAMBERT
        bumpy = self._map("fbx.bump") is not None
        return Surface(
            self._name,
            color=_decoded(color),
            color_map=color_map,
            roughness=1 - min(max(shininess, 0.0), 100.0) ** 0.5 / 10 if glossy else 1.0,
            opacity=self._classic_opacity(),
            opacity_map=self._opacity_map("fbx.transparency_color", "fbx.transparency_factor"),
            emission=_decoded(light),
            emission_map=light_map,
            normal_map=self._normals("fbx.normal_map"),
            left_out=("the bump map",) if bumpy else (),
        )

    def pbr(self) -> Surface:
        color, color_map = self._color("pbr.base_color", "pbr.base_factor")
        light, light_map = self._color("pbr.emission_color", "pbr.emission_factor", 0.0)
        gloss = bool(get(self._material, "features.roughness_as_glossiness").enabled)
        smooth = "pbr.glossiness" if gloss else "pbr.roughness"
        roughness = self._number(smooth, 0.5)
        left_out = [
            what
            for what in ("coat", "sheen", "subsurface")
            if self._number(f"pbr.{what}_factor", 0.0) > 0
        ]
        surface = Surface(
            self._name,
            color=color,
            color_map=color_map,
            metallic=self._number("pbr.metalness", 0.0),
            metallic_map=self._one("pbr.metalness"),
            roughness=1 - roughness if gloss else roughness,
            roughness_map=self._one(smooth, invert=gloss),
            opacity=self._number("pbr.opacity", 1.0),
            opacity_map=self._opacity_map("pbr.opacity"),
            emission=light,
            emission_map=light_map,
            normal_map=self._normals("pbr.normal_map"),
            left_out=tuple(f"the {what}" for what in left_out),
        )
        if get(self._material, "shader_type") != ShaderType.E3DS_MAX_PBR_SPEC_GLOSS:
            return surface
        specular, specular_map = self._color("pbr.specular_color", "pbr.specular_factor", 0.0)
        return replace(surface, specular=specular, specular_map=specular_map)

    def see_through(self, material: Material) -> Material:
        amount = min(max(self._number("pbr.transmission_factor", 0.0), 0.0), 1.0)
        if amount <= 0:
            return material
        self._materials.note(f"The material {self._name} lets light through; its alpha says so.")
        return see_through(material, amount, None)

    def _classic_opacity(self) -> float:
        stated = real(self._material, "Opacity")
        if stated is not None:
            return stated
        color, _ = self._color("fbx.transparency_color", None, 0.0)
        factor = self._number("fbx.transparency_factor", 0.0)
        # A factor below one says it alone; programs write one beside a colour that counts.
        if self._materials.map_of(self._material, "fbx.transparency_factor") is not None:
            return 1.0
        return 1 - factor * (float(np.mean(color)) if factor == 1 else 1.0)

    def _opacity_map(self, *names: str) -> Map | None:
        """Of a picture with transparency its alpha, else its grey."""
        given = next((m for name in names if (m := self._map(name)) is not None), None)
        if given is None:
            return None
        pixels = given.texture.pixels
        has_alpha = pixels.shape[2] == 4 and bool((pixels[..., 3] < 255).any())
        return replace(given, texture=one_channel(given.texture, 3 if has_alpha else 0))

    def _color(
        self, name: str, factor: str | None, default: float = 1.0
    ) -> tuple[Color, Map | None]:
        """A linear colour times its factor, and the picture in its place."""
        given = self._map(name, color=True)
        scale = 1.0 if factor is None else self._number(factor, 1.0)
        values = np.asarray(get(self._material, name).value_vec4[:3], float)
        if not get(self._material, name).has_value or not np.isfinite(values).all():
            values = np.full(3, default)
        if self._materials.map_of(self._material, name) is not None and not values.any():
            values = np.full(3, default)  # black beside a picture says nothing
        red, green, blue = (values * scale).tolist()
        shown = given is not None and scale > 0
        return (red, green, blue), (
            replace(given, texture=without_alpha(given.texture)) if given and shown else None
        )

    def _one(self, name: str, *, invert: bool = False) -> Map | None:
        given = self._map(name)
        if given is None:
            return None
        return replace(given, texture=one_channel(given.texture, 0, invert=invert))

    def _normals(self, name: str) -> Map | None:
        given = self._map(name)
        return None if given is None else replace(given, texture=without_alpha(given.texture))

    def _map(self, name: str, *, color: bool = False) -> Map | None:
        texture = self._materials.map_of(self._material, name)
        return None if texture is None else self._materials.map(texture, self._name, color=color)

    def _number(self, name: str, default: float) -> float:
        given = get(self._material, name)
        if not given.has_value:
            return default
        components = max(int(given.value_components), 1)
        value = float(np.mean(given.value_vec4[: min(components, 3)]))
        return value if np.isfinite(value) else default


def _placing(texture: Any) -> Placing:
    name = text(texture, "uv_set")
    if not get(texture, "has_uv_transform"):
        return Placing(name)
    columns = np.asarray(get(texture, "uv_to_texture"), np.float64)
    made = np.stack([columns[0, :2], columns[1, :2], columns[3, :2]], axis=1)
    if not np.isfinite(made).all():
        return Placing(name)
    first, second = made.tolist()
    return Placing(name, (tuple(first), tuple(second)))


def _decoded(color: Color) -> Color:
    red, green, blue = linear_from_srgb(np.clip(color, 0, 1)).tolist()
    return red, green, blue
