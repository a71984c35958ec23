"""UsdPreviewSurface and what it is connected to, as materials of ours."""

# usd-core has no types and may be absent.
# pyright: reportMissingImports=none, reportAttributeAccessIssue=none

import math
from dataclasses import replace
from typing import Any

import numpy as np
from pxr import Ar, Sdf, Usd, UsdShade

from engine.mesh import Material, Texture, Wrap
from engine.readers.source import Source, texture_missing
from engine.readers.surface import (
    Color,
    Map,
    Placing,
    Surface,
    adjusted,
    material_of,
    one_channel,
    without_alpha,
)
from engine.readers.textures import decode_texture

_PREVIEW = ("UsdPreviewSurface", "ND_UsdPreviewSurface_surfaceshader")
_WRAPS: dict[str, Wrap] = {"repeat": "repeat", "mirror": "mirror", "clamp": "clamp"}
_CHANNELS = {"r": 0, "g": 1, "b": 2, "a": 3}
_SHOWN = "displayColor"


class UsdMaterials:
    """The materials that a stage's meshes are bound to, read when first used."""

    def __init__(self, source: Source, time: Usd.TimeCode) -> None:
        self._source = source
        self._time = time
        self._places: dict[Sdf.Path, int] = {}
        self._materials: list[Material] = []
        self._placings: list[Placing | None] = []
        self._colors: list[str | None] = []
        self._clear = -1

    def bound(self, prim: Usd.Prim) -> int:
        """The place in `used()` of the material of a mesh or subset; -1 without."""
        for purpose in ("preview", "full"):
            found, _ = UsdShade.MaterialBindingAPI(prim).ComputeBoundMaterial(purpose)
            if found:
                return self._use(found)
        return -1

    def used(self) -> list[Material]:
        return self._materials

    def name(self, index: int) -> str:
        return self._materials[index].name

    def placing(self, index: int) -> Placing | None:
        """Where a material's pictures lie; None without any."""
        return None if index < 0 else self._placings[index]

    def color_primvar(self, index: int) -> str | None:
        """The name of the colours of vertices that count with a material; None for none."""
        return _SHOWN if index < 0 else self._colors[index]

    def clear(self) -> int:
        """The material of what has none but an opacity below one."""
        if self._clear < 0:
            self._clear = len(self._materials)
            self._add(Material("clear", alpha_mode="blend"), None, _SHOWN)
        return self._clear

    def _add(self, material: Material, placing: Placing | None, color: str | None) -> None:
        self._materials.append(material)
        self._placings.append(placing)
        self._colors.append(color)

    def _use(self, material: UsdShade.Material) -> int:
        prim = material.GetPrim()
        path = (prim.GetPrimInPrototype() if prim.IsInstanceProxy() else prim).GetPath()
        if path not in self._places:
            self._places[path] = len(self._materials)
            shader = _Shader(self, material)
            if shader.id not in _PREVIEW:
                kind = f" but one of the kind {shader.id}" if shader.id else ""
                self._source.note(
                    f"The material {prim.GetName()} has no preview surface{kind}; a neutral one "
                    "stands in its place."
                )
                self._add(Material(prim.GetName()), None, _SHOWN)
            else:
                surface = shader.surface(prim.GetName())
                made = material_of(surface, self._source.note)
                self._add(made, surface.main(), shader.colors)
        return self._places[path]

    def value(self, attribute: Usd.Attribute) -> Any:
        return attribute.Get(self._time)

    def picture(self, shader: UsdShade.Shader, *, by_profile: bool) -> Texture | None:
        """The picture of a UsdUVTexture with all its channels; None where it cannot be had."""
        given = self._input(shader, "file")
        path = given.resolvedPath or given.path if isinstance(given, Sdf.AssetPath) else ""
        if not path:
            return None
        wraps: list[Wrap] = [self._wrap(self._input(shader, name)) for name in ("wrapS", "wrapT")]
        wrap = (wraps[0], wraps[1])

        def read() -> Texture:
            data = self._bytes(path, given.path)
            return decode_texture(data, given.path, alpha=True, by_profile=by_profile, wrap=wrap)

        return self._source.once((path, by_profile, wrap), read)

    def _bytes(self, path: str, name: str) -> bytes:
        if "<UDIM>" in path:
            self._source.note(f"Of the tiles of the texture {name} the first alone is taken.")
            path, name = (text.replace("<UDIM>", "1001") for text in (path, name))
        for tried in (path, str(self._source.find(name) or "")):
            asset = Ar.GetResolver().OpenAsset(Ar.ResolvedPath(tried)) if tried else None
            if asset:
                return bytes(asset.GetBuffer())
        raise texture_missing(name, self._source.name)

    def _wrap(self, given: Any) -> Wrap:
        if given == "black":
            self._source.note("Textures that are black outside of their UVs show their edge there.")
            return "clamp"
        return _WRAPS.get(str(given), "repeat")

    def _input(self, shader: UsdShade.Shader, name: str) -> Any:
        found = shader.GetInput(name)
        for attribute in found.GetValueProducingAttributes() if found else ():
            return self.value(attribute)
        return None

    def note_unread(self, material: str, name: str, kind: str) -> None:
        self._source.note(
            f"{name} of the material {material} comes from {kind or 'a shader'}, which is not "
            "read; a plain value stands in its place."
        )

    def settled(self, shader: UsdShade.Shader, name: str, default: Any) -> Any:
        """The value of an input that is no picture."""
        given = self._input(shader, name)
        return default if given is None else given


class _Shader:
    """The surface shader of a material.

    Attributes:
        id: which one; "" for none.
        colors: the name of the colours of vertices that it reads.
    """

    def __init__(self, materials: UsdMaterials, material: UsdShade.Material) -> None:
        self._materials = materials
        self._name = material.GetPrim().GetName()
        self.colors: str | None = None
        self.id = ""
        for context in ("", "mtlx"):
            shader = material.ComputeSurfaceSource(context)[0]
            if shader:
                self._shader = shader
                self.id = str(shader.GetIdAttr().Get() or shader.GetPath().name)
            if self.id in _PREVIEW:
                return

    def surface(self, name: str) -> Surface:
        color_map = self._color("diffuseColor")
        made = Surface(
            name,
            color=(1.0, 1.0, 1.0) if self.colors else self._rgb("diffuseColor", 0.18),
            color_map=color_map,
            roughness=self._number("roughness", 0.5),
            roughness_map=self._one("roughness"),
            opacity=self._number("opacity", 1.0),
            opacity_map=self._one("opacity"),
            emission=self._rgb("emissiveColor", 0.0),
            emission_map=self._color("emissiveColor"),
            normal_map=self._normals(),
            left_out=self._left_out(),
        )
        threshold = self._number("opacityThreshold", 0.0)
        if threshold > 0:
            made = replace(made, cutoff=threshold)
        if self._number("useSpecularWorkflow", 0):
            return replace(
                made,
                specular=self._rgb("specularColor", 0.0),
                specular_map=self._color("specularColor"),
            )
        return replace(
            made, metallic=self._number("metallic", 0.0), metallic_map=self._one("metallic")
        )

    def _left_out(self) -> tuple[str, ...]:
        found = []
        if self._number("clearcoat", 0.0) > 0 or self._source("clearcoat"):
            found.append("the coat")
        if self._source("displacement"):
            found.append("the displacement")
        return tuple(found)

    def _source(self, name: str) -> tuple[UsdShade.Shader, str] | None:
        """The shader that an input is connected to, and by which of its outputs."""
        found = self._shader.GetInput(name)
        for attribute in found.GetValueProducingAttributes() if found else ():
            if UsdShade.Output.IsOutput(attribute):
                shader = UsdShade.Shader(attribute.GetPrim())
                return shader, UsdShade.Output(attribute).GetBaseName()
        return None

    def _number(self, name: str, default: float) -> float:
        """A constant; for a picture that cannot be had, its fallback."""
        given = self._constant(name, default)
        if isinstance(given, (int, float)):
            return float(given) if math.isfinite(given) else default
        return default

    def _rgb(self, name: str, default: float) -> Color:
        given = self._constant(name, None)
        try:
            values = [float(value) for value in given]
        except TypeError:
            values = []
        if len(values) < 3 or not np.isfinite(values).all():
            # A picture that is missing leaves its object white, not in the grey of no colour.
            values = [1.0 if self._source(name) and default else default] * 3
        return values[0], values[1], values[2]

    def _constant(self, name: str, default: Any) -> Any:
        connected = self._source(name)
        if connected is None:
            return self._materials.settled(self._shader, name, default)
        shader, channel = connected
        given = self._materials.settled(shader, "fallback", None)
        if given is None or channel not in _CHANNELS:
            return default if given is None else tuple(given)
        return float(given[_CHANNELS[channel]])

    def _picture(
        self, name: str, *, color: bool = False
    ) -> tuple[Texture, str, UsdShade.Shader] | None:
        connected = self._source(name)
        if connected is None:
            return None
        shader, channel = connected
        kind = str(shader.GetIdAttr().Get() or "")
        if kind.startswith("UsdPrimvarReader") and name == "diffuseColor":
            self.colors = str(self._materials.settled(shader, "varname", _SHOWN))
            return None
        if kind != "UsdUVTexture":
            self._materials.note_unread(self._name, name, kind)
            return None
        # A space that is stated stands above what the picture says of itself.
        by_profile = color and self._space(shader) == "auto"
        texture = self._materials.picture(shader, by_profile=by_profile)
        return None if texture is None else (texture, channel, shader)

    def _color(self, name: str) -> Map | None:
        found = self._picture(name, color=True)
        if found is None:
            return None
        texture, channel, shader = found
        texture = self._leveled(texture, shader, from_srgb=self._space(shader) != "raw", to=True)
        if channel in _CHANNELS:
            grey = one_channel(texture, _CHANNELS[channel])
            texture = texture.with_pixels(np.repeat(grey.pixels, 3, axis=2))
        return Map(without_alpha(texture), self._placing(shader))

    def _one(self, name: str) -> Map | None:
        found = self._picture(name)
        if found is None:
            return None
        texture, channel, shader = found
        if channel == "a" and texture.pixels.shape[2] < 4:
            return None  # a picture without alpha is opaque
        # What has no stated space is read as numbers, as programs do that write colours so.
        texture = self._leveled(texture, shader, from_srgb=self._space(shader) == "sRGB", to=False)
        return Map(one_channel(texture, _CHANNELS.get(channel, 0)), self._placing(shader))

    def _normals(self) -> Map | None:
        found = self._picture("normal")
        if found is None:
            return None
        texture, _, shader = found
        texture = without_alpha(texture)
        scale = np.asarray(self._materials.settled(shader, "scale", (2, 2, 2, 2)), float)
        bias = np.asarray(self._materials.settled(shader, "bias", (-1, -1, -1, -1)), float)
        # Pixels are halfway between -1 and 1.
        texture = adjusted(texture, scale / 2, (bias + 1) / 2, from_srgb=False, to_srgb=False)
        return Map(texture, self._placing(shader))

    def _leveled(
        self, texture: Texture, shader: UsdShade.Shader, *, from_srgb: bool, to: bool
    ) -> Texture:
        return adjusted(
            texture,
            self._materials.settled(shader, "scale", (1, 1, 1, 1)),
            self._materials.settled(shader, "bias", (0, 0, 0, 0)),
            from_srgb=from_srgb,
            to_srgb=to,
        )

    def _space(self, shader: UsdShade.Shader) -> str:
        return str(self._materials.settled(shader, "sourceColorSpace", "auto"))

    def _placing(self, shader: UsdShade.Shader) -> Placing:
        """Follow ``st`` through transforms to the reader of a primvar."""
        matrix = np.eye(3)
        for _ in range(8):
            found = shader.GetInput("st") if shader.GetInput("st") else shader.GetInput("in")
            attributes = found.GetValueProducingAttributes() if found else ()
            outputs = [a for a in attributes if UsdShade.Output.IsOutput(a)]
            if not outputs:
                break
            shader = UsdShade.Shader(outputs[0].GetPrim())
            kind = str(shader.GetIdAttr().Get() or "")
            if kind == "UsdTransform2d":
                matrix = matrix @ self._transform(shader)
            elif kind.startswith("UsdPrimvarReader"):
                name = str(self._materials.settled(shader, "varname", "st"))
                return Placing(name, _rows(matrix))
        return Placing("st", _rows(matrix))

    def _transform(self, shader: UsdShade.Shader) -> np.ndarray:
        angle = math.radians(float(self._materials.settled(shader, "rotation", 0.0)))
        scale = self._materials.settled(shader, "scale", (1.0, 1.0))
        moved = self._materials.settled(shader, "translation", (0.0, 0.0))
        cos, sin = math.cos(angle), math.sin(angle)
        turn = np.array([[cos, -sin, moved[0]], [sin, cos, moved[1]], [0, 0, 1]])
        return turn @ np.diag([scale[0], scale[1], 1.0])


def _rows(matrix: np.ndarray) -> tuple[tuple[float, ...], tuple[float, ...]]:
    first, second = matrix[:2].tolist()
    return tuple(first), tuple(second)
