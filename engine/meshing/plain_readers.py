"""OBJ, PLY and STL through trimesh."""

import io
import logging
import re
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import trimesh
from trimesh.resolvers import FilePathResolver
from trimesh.visual.color import ColorVisuals

from engine.mesh import Material, Texture
from engine.meshing.axes import Z_UP_FROM_Y_UP
from engine.meshing.parts import Part
from engine.meshing.textures import decode_texture, pack_metallic_roughness, texture_missing
from engine.meshing.weld import weld_positions
from protocol.errors import EngineError

log = logging.getLogger(__name__)

_ZERO_INDEX = re.compile(rb"^[ \t]*f[ \t][^\n]*(?<=[ \t/])0+(?=[/\s]|\Z)", re.MULTILINE)


def read_stl(path: Path, data: bytes, allow_missing: bool) -> tuple[list[Part], list[Material]]:
    """An STL file; equal positions become one vertex."""
    del allow_missing  # STL has no textures
    parts: list[Part] = []
    for geometry in _geometries(path, data):
        vertices = np.asarray(geometry.vertices)
        kept, new_index = weld_positions(vertices)
        parts.append(Part(vertices[kept], new_index[geometry.faces]))
    return parts, []


def read_ply(path: Path, data: bytes, allow_missing: bool) -> tuple[list[Part], list[Material]]:
    """A PLY file with vertex colours, or UVs and the one texture its header names."""
    header = data[: data.find(b"end_header")].decode("ascii", "replace")
    names = [
        line.split(maxsplit=2)[2].strip()
        for line in header.splitlines()
        if line.lower().startswith("comment texturefile ")
    ]
    texture = None
    if names:
        texture = _texture_file(path.parent, names[0], path.name, allow_missing)
    parts: list[Part] = []
    for geometry in _geometries(path, data):
        raw = geometry.metadata.get("_ply_raw", {}).get("vertex", {}).get("data", None)
        parts.append(
            Part(
                np.asarray(geometry.vertices),
                np.asarray(geometry.faces),
                uvs=_corner_uvs(geometry),
                colors=_vertex_colors(path, geometry),
                metallic_roughness=_metallic_roughness(raw, len(geometry.vertices)),
                material=0,
            )
        )
    return parts, [Material(path.stem, base_color_texture=texture)]


def read_obj(path: Path, data: bytes, allow_missing: bool) -> tuple[list[Part], list[Material]]:
    """An OBJ file, its MTL files, and the colours that many programs write behind positions."""
    _refuse_zero(path, data)
    library = _material_library(path, data, allow_missing)
    materials: list[Material] = []
    indices: dict[str, int] = {}
    parts: list[Part] = []
    for geometry in _geometries(path, data):
        name = getattr(getattr(geometry.visual, "material", None), "name", None)
        index = None
        if name in library:
            if name not in indices:
                indices[name] = len(materials)
                materials.append(_mtl_material(path, name, library[name], allow_missing))
            index = indices[name]
        vertices = np.asarray(geometry.vertices)
        colors = _vertex_colors(path, geometry)
        kept, new_index = weld_positions(vertices)
        parts.append(
            Part(
                vertices[kept] @ Z_UP_FROM_Y_UP.T,
                new_index[geometry.faces],
                uvs=_corner_uvs(geometry),
                colors=None if colors is None else colors[kept],
                material=index,
            )
        )
    return parts, materials


def _refuse_zero(path: Path, data: bytes) -> None:
    """OBJ counts from 1; trimesh would take 0 for the last vertex."""
    found = _ZERO_INDEX.search(data)
    if found is not None:
        line = data.count(b"\n", 0, found.end()) + 1
        raise EngineError(
            "mesh_broken",
            f"Line {line} of {path.name} has a face with the index 0; OBJ counts from 1.",
            "Export it again; the program that wrote it seems to count from 0.",
        )


def _geometries(path: Path, data: bytes) -> list[trimesh.Trimesh]:
    scene = trimesh.load_scene(
        io.BytesIO(data),
        file_type=path.suffix[1:].lower(),
        resolver=FilePathResolver(str(path)),
        process=False,
    )
    return [g for g in scene.geometry.values() if isinstance(g, trimesh.Trimesh)]


def _corner_uvs(geometry: trimesh.Trimesh) -> np.ndarray | None:
    uvs = getattr(geometry.visual, "uv", None)
    return None if uvs is None else np.asarray(uvs)[geometry.faces][..., :2]


def _vertex_colors(path: Path, geometry: trimesh.Trimesh) -> np.ndarray | None:
    """(V, 4) float in [0, 1], None without."""
    visual = geometry.visual
    if not isinstance(visual, ColorVisuals) or visual.kind is None:
        return None
    if visual.kind == "face":
        log.warning("%s has colours per face; they are left out", path.name)
        return None
    return np.asarray(visual.vertex_colors, np.float32) / 255


def _metallic_roughness(raw: Any, count: int) -> np.ndarray | None:
    """The two extra PLY properties that our own export writes."""
    names = raw.dtype.names if isinstance(raw, np.ndarray) else raw
    if names is None or "metallic" not in names or "roughness" not in names:
        return None
    values = np.column_stack([np.ravel(raw["metallic"]), np.ravel(raw["roughness"])])
    return values if len(values) == count else None


def _material_library(path: Path, data: bytes, allow_missing: bool) -> dict[str, dict[str, str]]:
    """For each material in the MTL files that an OBJ names: keyword in lower case to the rest."""
    library: dict[str, dict[str, str]] = {}
    current: dict[str, str] = {}
    for line in data.decode("utf-8", "replace").splitlines():
        if not line.startswith("mtllib"):
            continue
        name = line[len("mtllib") :].strip()
        try:
            text = (path.parent / name.replace("\\", "/")).read_text("utf-8", "replace")
        except OSError as error:
            if not allow_missing:
                raise EngineError(
                    "material_missing",
                    f"The material file {name}, which {path.name} asks for, cannot be read.",
                    "Put it beside the mesh, or allow missing textures (--allow-missing-textures).",
                ) from error
            log.warning("%s: the material file %s cannot be read", path.name, name)
            continue
        for entry in text.splitlines():
            keyword, _, rest = entry.strip().partition(" ")
            if keyword.lower() == "newmtl":
                current = library[" ".join(rest.split())] = {}
            elif keyword and not keyword.startswith("#"):
                current[keyword.lower()] = rest.strip()
    return library


def _mtl_material(path: Path, name: str, entries: dict[str, str], allow_missing: bool) -> Material:
    """MTL with the metallic-roughness words Pm, Pr and their maps.

    Without map and Pr, roughness comes from the gloss Ns.
    """

    def numbers(keyword: str, default: str) -> list[float]:
        words = [word for word in entries.get(keyword, default).split() if word != "-halo"]
        try:
            values = [float(word) for word in words]
        except ValueError:
            values = []
        if not values or not np.isfinite(values).all():
            raise EngineError(
                "mesh_material",
                f"The material {name} of {path.name} has {keyword} {entries[keyword]}.",
                "Correct the .mtl file; numbers are expected there.",
            )
        return values

    def share(keyword: str, default: str) -> float:
        return min(max(numbers(keyword, default)[0], 0.0), 1.0)

    color = [min(max(value, 0.0), 1.0) for value in numbers("kd", "1 1 1")[:3]]
    color = (color * 3)[:3]  # one number alone means grey
    alpha = share("d", "1") if "d" in entries else 1.0 - share("tr", "0")
    # As with Kd, a picture stands instead of the number, even one that is allowed to be missing:
    # beside a picture the number is often 1, which alone would make the object metal.
    maps = {
        keyword: _texture_file(path.parent, entries[keyword], path.name, allow_missing)
        for keyword in ("map_pm", "map_pr")
        if keyword in entries
    }
    metallic = share("pm", "0")
    if "map_pm" in maps:
        metallic = 0.0 if maps["map_pm"] is None else 1.0
    if "map_pr" in maps:
        roughness = 1.0
    elif "pr" in entries:
        roughness = share("pr", "1")
    elif "ns" in entries:
        # Blinn-Phong exponent to roughness, as Blender's exporter goes the other way.
        roughness = 1.0 - (min(max(numbers("ns", "0")[0], 0.0), 1000.0) / 1000.0) ** 0.5
    else:
        roughness = 1.0
    texture = None
    if "map_kd" in entries:
        texture = _texture_file(path.parent, entries["map_kd"], path.name, allow_missing)
        # With a texture, Kd is by habit 0.8, 0 or whatever; programs show the texture alone.
        color = [1.0, 1.0, 1.0]
    return Material(
        name=name,
        base_color_factor=(color[0], color[1], color[2]),
        alpha_factor=alpha,
        metallic_factor=metallic,
        roughness_factor=roughness,
        alpha_mode="blend" if alpha < 1.0 or "map_d" in entries else "opaque",
        base_color_texture=texture,
        metallic_roughness_texture=pack_metallic_roughness(maps.get("map_pm"), maps.get("map_pr")),
    )


def _texture_file(folder: Path, words: str, asked_by: str, allow_missing: bool) -> Texture | None:
    """The picture that a line names, which may begin with options such as ``-clamp on``."""
    name, wrap = words, "repeat"
    if words.startswith("-"):
        split = shlex.split(words.replace("\\", "/"))
        name = split[-1]
        if "-clamp" in split[:-1] and split[split.index("-clamp") + 1] == "on":
            wrap = "clamp"
    try:
        try:
            data = (folder / name.replace("\\", "/")).read_bytes()
        except OSError as error:
            raise texture_missing(name, asked_by) from error
        return decode_texture(data, name, alpha=True, wrap=wrap)
    except EngineError as error:
        if not allow_missing:
            raise
        log.warning("%s", error.message)
        return None
