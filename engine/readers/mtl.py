"""MTL, the materials of OBJ files: each as words, and what they say as a material of ours."""

import re
from dataclasses import dataclass

import numpy as np

from engine.host.color import srgb_from_linear
from engine.mesh import Material, Texture, Wrap
from engine.readers.layers import add_light, with_alpha
from engine.readers.source import Source, name_of, text_as_utf8
from engine.readers.textures import pack_metallic_roughness
from protocol.errors import EngineError

_OPTIONS = {
    **dict.fromkeys(("-blendu", "-blendv", "-cc", "-clamp", "-boost", "-texres"), 1),
    **dict.fromkeys(("-imfchan", "-bm", "-type", "-colorspace"), 1),
    "-mm": 2,
}
"""Options of a map, and how many words each takes; -o, -s and -t take up to three numbers."""
_BUMP = ("map_bump", "bump")
_LINEAR = "# linear"
"""A keyword of ours for materials whose colours are linear light, as Blender writes them."""


@dataclass(frozen=True)
class UvTransform:
    """How a map lies on UVs: (u, v) * scale + offset."""

    scale: tuple[float, float] = (1.0, 1.0)
    offset: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True)
class MapLine:
    """A map's line: the file's name, which channel counts, and how it lies on the surface."""

    name: str
    channel: str | None
    wrap: Wrap
    transform: UvTransform


def read_library(data: bytes) -> dict[str, dict[str, bytes]]:
    """For each material of an MTL file: keyword in lower case to the rest of its line."""
    library: dict[str, dict[str, bytes]] = {}
    current: dict[str, bytes] = {}
    text = text_as_utf8(data)
    text = re.sub(rb"\\(\r\n|\n|\r)", b" ", text)
    marks = {_LINEAR: b""} if text.startswith(b"# Blender") else {}
    for line in re.split(rb"[\r\n]+", text):
        words = line.split(None, 1)
        if not words or words[0].startswith(b"#"):
            continue
        keyword = words[0].decode("latin-1").lower()
        rest = words[1].strip() if len(words) > 1 else b""
        if keyword == "newmtl":
            current = library[name_of(b" ".join(rest.split()))] = dict(marks)
        else:
            current[keyword] = rest
    return library


def mtl_material(
    source: Source, name: str, entries: dict[str, bytes]
) -> tuple[Material, UvTransform]:
    """A material with the metallic-roughness words Pm, Pr and their maps, and where its maps lie.

    Without map and Pr, roughness comes from the gloss Ns.

    Raises:
        EngineError: ``mesh_material`` for words where numbers are expected; ``texture_missing``
            and ``texture_broken`` where textures are required.
    """
    values = _Values(source, name, entries)
    maps = {key: _map_line(source, rest) for key, rest in entries.items() if _is_map(key)}
    main = next((maps[key] for key in ("map_kd", "map_pm", "map_pr", "map_d") if key in maps), None)
    placed = UvTransform() if main is None else main.transform
    if any(line.transform != placed for line in maps.values()):
        source.note(
            f"Maps of the material {name} lie differently on its surface; all are placed as the "
            "first one."
        )
    picture = {key: _picture(source, maps, key) for key in maps}
    red, green, blue = values.colour("kd", (1.0, 1.0, 1.0))
    if picture.get("map_kd") is not None:
        # With a texture, Kd is by habit 0.8, 0 or whatever; programs show the texture alone.
        red = green = blue = 1.0
    elif "map_kd" in maps and red + green + blue == 0:
        red = green = blue = 1.0  # black beside a picture that is missing says nothing
    alpha = values.share("d", 1.0) if "d" in entries else 1.0 - values.share("tr", 0.0)
    if alpha == 0.0:
        # Nobody writes an object that is not to be seen, but some write Tr where d is meant.
        source.note(f"The material {name} would be wholly clear; it is taken for opaque.")
        alpha = 1.0
    material = Material(
        name=name,
        base_color_factor=(red, green, blue),
        alpha_factor=alpha,
        metallic_factor=_metallic(values, maps, picture),
        roughness_factor=_roughness(values, maps),
        alpha_mode="blend" if alpha < 1.0 or "map_d" in maps else "opaque",
        base_color_texture=picture.get("map_kd"),
        metallic_roughness_texture=pack_metallic_roughness(
            picture.get("map_pm"), picture.get("map_pr")
        ),
        normal_texture=picture.get("norm"),
    )
    if picture.get("map_d") is not None:
        material = with_alpha(material, _grey(picture["map_d"], maps["map_d"]))
    light = values.colour("ke", (0.0, 0.0, 0.0))
    if any(light) or picture.get("map_ke") is not None:
        light = light if any(light) else (1.0, 1.0, 1.0)
        material = add_light(material, light, picture.get("map_ke"))
        source.note(f"The light that the material {name} gives off is added to its colour.")
    if any(key in maps for key in _BUMP):
        source.leave_out("bump map")
    return material, placed


class _Values:
    """The numbers of a material."""

    def __init__(self, source: Source, name: str, entries: dict[str, bytes]) -> None:
        self._source = source
        self._name = name
        self._entries = entries

    def numbers(self, keyword: str) -> list[float]:
        """The numbers behind a keyword, before a comment; [] without it."""
        if keyword not in self._entries:
            return []
        text = self._entries[keyword].decode("latin-1").partition("#")[0]
        words = [word for word in text.split() if word != "-halo"]
        if words and words[0] in ("spectral", "xyz"):
            self._source.note(f"{keyword} of the material {self._name} is no RGB; it is left out.")
            return []
        try:
            found = [float(word) for word in words]
        except ValueError:
            found = []
        if not found or not np.isfinite(found).all():
            raise EngineError(
                "mesh_material",
                f"The material {self._name} of {self._source.name} has {keyword} {text.strip()}.",
                "Correct the .mtl file; numbers are expected there.",
            )
        return found

    def share(self, keyword: str, default: float) -> float:
        return min(max((self.numbers(keyword) or [default])[0], 0.0), 1.0)

    def colour(
        self, keyword: str, default: tuple[float, float, float]
    ) -> tuple[float, float, float]:
        found = [min(max(value, 0.0), 1.0) for value in self.numbers(keyword)]
        if not found:
            return default
        # One number alone means grey.
        values = (found * 3)[:3] if len(found) < 3 else found[:3]
        if _LINEAR in self._entries:
            values = srgb_from_linear(np.array(values)).tolist()
        red, green, blue = values
        return red, green, blue

    def has(self, keyword: str) -> bool:
        return keyword in self._entries


def _is_map(keyword: str) -> bool:
    return keyword.startswith("map_") or keyword in ("norm", "bump")


def _metallic(
    values: _Values, maps: dict[str, MapLine], picture: dict[str, Texture | None]
) -> float:
    # Beside a picture the number is often 1, which alone would make the object metal; so it does
    # not count even when the picture is missing.
    if "map_pm" in maps:
        return 0.0 if picture["map_pm"] is None else 1.0
    return values.share("pm", 0.0)


def _roughness(values: _Values, maps: dict[str, MapLine]) -> float:
    if "map_pr" in maps:
        return 1.0
    if values.has("pr"):
        return values.share("pr", 1.0)
    if values.has("ns"):
        # Blinn-Phong exponent to roughness, as Blender's exporter goes the other way.
        gloss = (values.numbers("ns") or [0.0])[0]
        return 1.0 - (min(max(gloss, 0.0), 1000.0) / 1000.0) ** 0.5
    return 1.0


def _picture(source: Source, maps: dict[str, MapLine], key: str) -> Texture | None:
    line = maps[key]
    if not line.name or key not in ("map_kd", "map_pm", "map_pr", "map_d", "map_ke", "norm"):
        return None
    return source.texture(
        line.name,
        alpha=key in ("map_kd", "map_d"),
        by_profile=key in ("map_kd", "map_ke"),
        wrap=line.wrap,
    )


def _grey(texture: Texture | None, line: MapLine) -> Texture:
    """The one channel of a picture that is an alpha map."""
    assert texture is not None
    pixels = texture.pixels
    channel = {"r": 0, "g": 1, "b": 2, "m": 3}.get(line.channel or "")
    if channel is None:
        # A picture with transparency of its own is meant by it, unless it is solid.
        clear = pixels.shape[2] == 4 and bool((pixels[..., 3] < 255).any())
        channel = 3 if clear else 0
    grey = pixels[..., min(channel, pixels.shape[2] - 1)]
    return texture.with_pixels(grey[..., None])


def _map_line(source: Source, rest: bytes) -> MapLine:
    """Options such as ``-clamp on`` and ``-s 2 2 1``, then the name, which may have spaces."""
    at, channel, wrap = 0, None, "repeat"
    pairs = {"-s": [1.0, 1.0], "-o": [0.0, 0.0]}
    words = [(m.start(), m.group()) for m in re.finditer(rb"\S+", rest)]
    while at < len(words):
        option = words[at][1].decode("latin-1").lower()
        following = [word.decode("latin-1") for _, word in words[at + 1 : at + 4]]
        if option in ("-s", "-o", "-t"):
            numbers = _leading_numbers(following[: max(0, len(words) - at - 2)])
            for k, number in enumerate(numbers[:2]):
                pairs.get(option, [0.0, 0.0])[k] = number
            at += 1 + len(numbers)
        elif option in _OPTIONS:
            taken = _OPTIONS[option]
            if option == "-clamp" and following[:1] == ["on"]:
                wrap = "clamp"
            if option == "-imfchan" and following:
                channel = following[0]
            at += 1 + taken
        else:
            break
    name = rest[words[at][0] :].strip() if at < len(words) else b""
    if len(name) > 1 and name[:1] in (b'"', b"'") and name[-1:] == name[:1]:
        name = name[1:-1]
    scale, offset = pairs["-s"], pairs["-o"]
    return MapLine(
        source.spelled(name) if name else "",
        channel,
        "clamp" if wrap == "clamp" else "repeat",
        UvTransform((scale[0], scale[1]), (offset[0], offset[1])),
    )


def _leading_numbers(words: list[str]) -> list[float]:
    numbers: list[float] = []
    for word in words:
        try:
            numbers.append(float(word))
        except ValueError:
            break
    return numbers if np.isfinite(numbers).all() else []
