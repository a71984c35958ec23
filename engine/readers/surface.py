"""What USD and FBX say of a surface, each value a number or a picture, as a material of ours."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from engine.host.color import linear_from_srgb, srgb_from_linear
from engine.mesh import Material, Texture
from engine.readers.layers import add_light, encoded, mean_color, scaled, with_alpha
from engine.readers.specular import from_specular
from engine.readers.textures import pack_metallic_roughness

Color = tuple[float, float, float]


@dataclass(frozen=True)
class Placing:
    """Where a picture lies: on a set of UVs by its name, moved by ``matrix @ (u, v, 1)``."""

    uv_set: str
    matrix: tuple[tuple[float, ...], tuple[float, ...]] = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0))

    def moved(self, uvs: np.ndarray) -> np.ndarray:
        """(..., 2) UVs, origin at the bottom left."""
        if self.matrix == Placing("").matrix:
            return uvs
        matrix = np.asarray(self.matrix)
        return uvs @ matrix[:, :2].T + matrix[:, 2]


@dataclass(frozen=True)
class Map:
    """A picture in the place of a number.

    Args:
        texture: sRGB-encoded colours (H, W, 3 or 4), or numbers (H, W, 1).
    """

    texture: Texture
    placing: Placing


@dataclass(frozen=True)
class Surface:
    """Colours are linear and may exceed 1; a map takes the place of the number beside it.

    Args:
        specular: colour of what is reflected straight on, for the workflow without metallic.
        cutoff: alpha below which nothing is seen; None where alpha blends.
        left_out: what we cannot say, in words.
    """

    name: str
    color: Color = (1.0, 1.0, 1.0)
    color_map: Map | None = None
    metallic: float = 0.0
    metallic_map: Map | None = None
    roughness: float = 1.0
    roughness_map: Map | None = None
    opacity: float = 1.0
    opacity_map: Map | None = None
    emission: Color = (0.0, 0.0, 0.0)
    emission_map: Map | None = None
    normal_map: Map | None = None
    specular: Color | None = None
    specular_map: Map | None = None
    cutoff: float | None = None
    left_out: tuple[str, ...] = ()

    def main(self) -> Placing | None:
        """Where the picture lies that decides on UVs, since a mesh of ours has one set."""
        maps = (
            *(self.color_map, self.metallic_map, self.roughness_map, self.specular_map),
            *(self.normal_map, self.opacity_map, self.emission_map),
        )
        return next((given.placing for given in maps if given is not None), None)


def material_of(surface: Surface, note: Callable[[str], None]) -> Material:
    """The material that looks most alike; ``note`` gets a sentence on each thing that is lost."""
    pictures = _Pictures(surface, note)
    red, green, blue = _encoded(surface.color)
    metallic, roughness = pictures.get(surface.metallic_map), pictures.get(surface.roughness_map)
    material = Material(
        name=surface.name,
        base_color_factor=(red, green, blue),
        metallic_factor=_share(surface.metallic) if metallic is None else 1.0,
        roughness_factor=_share(surface.roughness) if roughness is None else 1.0,
        base_color_texture=pictures.get(surface.color_map),
        metallic_roughness_texture=pack_metallic_roughness(metallic, roughness),
    )
    if surface.color_map is not None:
        material = replace(material, base_color_factor=(1.0, 1.0, 1.0))
    if surface.specular is not None:
        note(f"The material {surface.name} is of specular and gloss, turned into metallic.")
        material = _from_specular(material, surface, pictures, roughness)
    material = replace(material, normal_texture=pictures.normals(surface.normal_map))
    material = _with_opacity(material, surface, pictures.get(surface.opacity_map))
    light = pictures.get(surface.emission_map)
    if light is not None or max(surface.emission) > 0:
        note(f"The light that the material {surface.name} gives off is added to its colour.")
        factor = (1.0, 1.0, 1.0) if light is not None else _encoded(surface.emission)
        material = add_light(material, factor, light)
    if surface.left_out:
        note(f"Of the material {surface.name} {', '.join(surface.left_out)} is left out.")
    return material


def _from_specular(
    material: Material, surface: Surface, pictures: "_Pictures", roughness: Texture | None
) -> Material:
    assert surface.specular is not None
    gloss_texture = None
    shine = pictures.get(surface.specular_map)
    if shine is not None or roughness is not None:
        like = shine or roughness
        assert like is not None
        height, width = like.pixels.shape[:2]
        pixels = np.full((height, width, 4), 255, np.uint8)
        color = np.array(_encoded(surface.specular)) * 255
        pixels[..., :3] = np.rint(color) if shine is None else scaled(shine, height, width)[..., :3]
        rough = np.uint8(round(_share(surface.roughness) * 255))
        pixels[..., 3] = 255 - (
            rough if roughness is None else scaled(roughness, height, width)[..., 0]
        )
        gloss_texture = like.with_pixels(pixels)
    picture = gloss_texture is not None
    made = from_specular(
        (1.0, 1.0, 1.0) if material.base_color_texture is not None else _clipped(surface.color),
        (1.0, 1.0, 1.0) if picture else _clipped(surface.specular),
        1.0 if picture else 1 - _share(surface.roughness),
        material.base_color_texture,
        gloss_texture,
    )
    return replace(
        material,
        base_color_factor=made.color,
        metallic_factor=made.metallic,
        roughness_factor=made.roughness,
        base_color_texture=made.color_texture,
        metallic_roughness_texture=made.metallic_roughness_texture,
    )


def _with_opacity(material: Material, surface: Surface, opacity: Texture | None) -> Material:
    if opacity is not None:
        material = with_alpha(material, opacity)
    elif surface.opacity < 1:
        material = replace(material, alpha_factor=_share(surface.opacity), alpha_mode="blend")
    if surface.cutoff is not None and material.alpha_mode != "opaque":
        return replace(material, alpha_mode="mask", alpha_cutoff=surface.cutoff)
    return material


class _Pictures:
    """The pictures of a surface; those that lie otherwise than its main one are averaged."""

    def __init__(self, surface: Surface, note: Callable[[str], None]) -> None:
        self._name = surface.name
        self._main = surface.main()
        self._note = note

    def get(self, given: Map | None) -> Texture | None:
        if given is None or given.placing == self._main:
            return None if given is None else given.texture
        self._note(
            f"Textures of the material {self._name} lie on different UVs; the mean colour of all "
            "but the first is taken."
        )
        return mean_color(given.texture)

    def normals(self, given: Map | None) -> Texture | None:
        if given is None or given.placing == self._main:
            return None if given is None else given.texture
        self._note(
            f"The normal map of the material {self._name} lies on other UVs; it is left out."
        )
        return None


def one_channel(texture: Texture, channel: int, *, invert: bool = False) -> Texture:
    """(H, W, 1) one channel of a picture, the last one it has where it has fewer."""
    pixels = texture.pixels
    chosen = pixels[..., min(channel, pixels.shape[2] - 1)][..., None]
    return texture.with_pixels(255 - chosen if invert else chosen)


def without_alpha(texture: Texture) -> Texture:
    return texture.with_pixels(texture.pixels[..., :3])


def adjusted(
    texture: Texture,
    scale: Any = (1.0, 1.0, 1.0, 1.0),
    bias: Any = (0.0, 0.0, 0.0, 0.0),
    *,
    from_srgb: bool,
    to_srgb: bool,
) -> Texture:
    """Values of a picture times ``scale`` plus ``bias``, both (4,), in linear light.

    Args:
        from_srgb, to_srgb: whether its first three channels are sRGB-encoded now, and shall be.
    """
    channels = texture.pixels.shape[2]
    factor, offset = np.asarray(scale, float)[:channels], np.asarray(bias, float)[:channels]
    if from_srgb == to_srgb and (factor == 1).all() and (offset == 0).all():
        return texture
    made = np.empty_like(texture.pixels)
    for k in range(channels):
        coded = k < 3
        bytes_ = np.arange(256) / 255
        values = linear_from_srgb(bytes_) if coded and from_srgb else bytes_
        values = np.clip(values * factor[k] + offset[k], 0, 1)
        table = encoded(values) if coded and to_srgb else np.rint(values * 255).astype(np.uint8)
        made[..., k] = table[texture.pixels[..., k]]
    return texture.with_pixels(made)


def _encoded(linear: Color) -> Color:
    red, green, blue = srgb_from_linear(np.clip(linear, 0, 1)).tolist()
    return red, green, blue


def _clipped(color: Color) -> Color:
    red, green, blue = np.clip(color, 0, 1).tolist()
    return red, green, blue


def _share(value: float) -> float:
    return min(max(float(value), 0.0), 1.0)
