"""Wavefront OBJ with its material library and pictures."""

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from engine.export.gltf import encode_picture, free_name
from engine.export.obj_names import stem_beside
from engine.mesh import Material, Mesh, Texture, far_centre
from engine.meshing.axes import Y_UP_FROM_Z_UP
from engine.meshing.normals import vertex_normals
from engine.meshing.rows import unique_rows


@dataclass(frozen=True)
class ObjFiles:
    """A .obj file and the files it names.

    Args:
        text: of the .obj file.
        beside: name and contents of the others, to be written first.
    """

    text: bytes
    beside: dict[str, bytes]


def obj_files(mesh: Mesh, path: Path) -> ObjFiles:
    """Y-up positions, sRGB colours behind them, normals, UVs, objects, and materials by Blender's
    reading.

    MTL: Kd and map_Kd base colour, d and map_d alpha, Pm/Pr and map_Pm/map_Pr metallic and
    roughness (the extension that Blender and others read), norm the normal map.
    """
    points = np.asarray(mesh.vertices, np.float64) @ Y_UP_FROM_Z_UP.T
    centre = far_centre(mesh.vertices)
    digits = 8
    if centre is not None:
        mesh = replace(mesh, vertices=mesh.vertices - centre)
        digits = 16
    normals = mesh.normals
    if normals is None:
        normals = vertex_normals(mesh.vertices, mesh.faces)[mesh.faces]
    normal_rows, normal_of = unique_rows(normals.reshape(-1, 3))
    out = io.StringIO()
    out.write("# Maquette\n")
    beside: dict[str, bytes] = {}
    names = _material_names(mesh.materials, path.stem)
    if mesh.materials:
        stem = stem_beside(path)
        beside = _material_library(mesh, names, stem)
        out.write(f"mtllib {stem}.mtl\n")
    if mesh.colors is None:
        np.savetxt(out, points, f"v{f' %.{digits}g' * 3}")
    else:
        colors = np.rint(np.asarray(mesh.colors)[:, :3] * 255) / 255
        np.savetxt(out, np.column_stack([points, colors]), f"v{f' %.{digits}g' * 3} %.6g %.6g %.6g")
    turned = normals.reshape(-1, 3)[normal_rows].astype(np.float64) @ Y_UP_FROM_Z_UP.T
    np.savetxt(out, turned, "vn %.6g %.6g %.6g")
    columns = [np.asarray(mesh.faces) + 1, normal_of.reshape(-1, 3) + 1]
    corner = " %d//%d"
    if mesh.uvs is not None:
        uv_rows, uv_of = unique_rows(mesh.uvs.reshape(-1, 2))
        np.savetxt(out, mesh.uvs.reshape(-1, 2)[uv_rows], "vt %.8g %.8g")
        columns.insert(1, uv_of.reshape(-1, 3) + 1)
        corner = " %d/%d/%d"
    rows = np.stack(columns, axis=-1).reshape(len(mesh.faces), -1)
    first = _first_of_quads(mesh)
    objects = _free_names([" ".join(name.split()) or path.stem for name in mesh.objects])
    for object_, material, chosen in _runs(mesh):
        if object_ is not None and objects:
            out.write(f"o {objects[object_]}\n")
        if material < len(names):
            out.write(f"usemtl {names[material]}\n")
        corners, of_quad = rows[chosen], first[chosen]
        is_second = np.roll(of_quad, 1)
        quads = [corners[of_quad], corners[is_second][:, -len(columns) :]]
        np.savetxt(out, np.concatenate(quads, axis=1), f"f{corner * 4}")
        np.savetxt(out, corners[~of_quad & ~is_second], f"f{corner * 3}")
    return ObjFiles(out.getvalue().encode(errors="replace"), beside)


def _runs(mesh: Mesh) -> Iterator[tuple[int | None, int, np.ndarray]]:
    """Faces, (N,) int64, of one object and one material: the number of the object where another one
    begins, the material's, and the faces in their order."""
    zeros = np.zeros(len(mesh.faces), np.int32)
    of_object = zeros if mesh.face_object is None else mesh.face_object
    of_material = zeros if mesh.face_material is None else mesh.face_material
    order = np.lexsort((of_material, of_object))
    keys = np.stack([of_object, of_material], axis=1)[order]
    begins = np.flatnonzero((np.diff(keys, axis=0) != 0).any(axis=1)) + 1
    before = None
    for chosen in np.split(order, begins):
        object_ = int(of_object[chosen[0]])
        yield (None if object_ == before else object_), int(of_material[chosen[0]]), chosen
        before = object_


def _first_of_quads(mesh: Mesh) -> np.ndarray:
    """(F,) bool: faces that make a quad with the one that follows, see ``Mesh.polygons``.

    The corners 0 and 2 of the first are the corners 0 and 1 of the other, with the same UVs, and
    both are of one object and one material. Where their normals differ, those of the first count.
    """
    first = np.zeros(len(mesh.faces), bool)
    if mesh.polygons is None or len(mesh.faces) < 2:
        return first
    one, other = slice(None, -1), slice(1, None)
    first[one] = mesh.polygons[one] == mesh.polygons[other]
    for values in (mesh.faces, mesh.uvs):
        if values is not None:
            same = values[one][:, [0, 2]] == values[other][:, [0, 1]]
            first[one] &= same.reshape(len(same), -1).all(axis=1)
    for kind in (mesh.face_material, mesh.face_object):
        if kind is not None:
            first[one] &= kind[one] == kind[other]
    first[1:] &= ~first[:-1]  # three in a row are a polygon with more corners
    return first


def _material_names(materials: Sequence[Material], stem: str) -> list[str]:
    """Of each a name that no other has, without spaces; one without is called as the file."""
    words = ("_".join(material.name.split()) for material in materials)
    return _free_names([word or "_".join(stem.split()) for word in words])


def _free_names(given: Sequence[str]) -> list[str]:
    """The same names, of which repeated ones get numbers."""
    names: dict[str, None] = {}
    for name in given:
        names[free_name(name, names.keys())] = None
    return list(names)


def _material_library(mesh: Mesh, names: Sequence[str], stem: str) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    written: dict[tuple[int, str], str] = {}

    def picture(texture: Texture, role: str, pixels: np.ndarray) -> str:
        """Name of the file of a picture, written once however often it is used."""
        if (id(texture), role) not in written:
            name = f"{stem}_{role}.png"
            if name in files:
                name = f"{stem}_{role}_{len(files)}.png"
            data, _ = encode_picture(Texture(np.ascontiguousarray(pixels)), "png")
            written[id(texture), role], files[name] = name, data
        return written[id(texture), role]

    lines = ["# Maquette"]
    for name, material in zip(names, mesh.materials, strict=True):
        color = " ".join(f"{value:.6g}" for value in material.base_color_factor)
        lines += [
            f"newmtl {name}",
            f"Kd {color}",
            f"d {material.alpha_factor:.6g}",
            f"Pm {material.metallic_factor:.6g}",
            f"Pr {material.roughness_factor:.6g}",
        ]
        base, orm, relief = (
            material.base_color_texture,
            material.metallic_roughness_texture,
            material.normal_texture,
        )
        if base is not None:
            lines.append(f"map_Kd {picture(base, 'base_color', base.pixels)}")
            if material.alpha_mode != "opaque" and base.pixels.shape[2] == 4:
                lines.append(f"map_d {picture(base, 'alpha', base.pixels[..., 3:])}")
        if orm is not None and orm.pixels.shape[2] >= 3:
            lines.append(f"map_Pm {picture(orm, 'metallic', orm.pixels[..., 2:3])}")
            lines.append(f"map_Pr {picture(orm, 'roughness', orm.pixels[..., 1:2])}")
        if relief is not None:
            lines.append(f"norm {picture(relief, 'normal', relief.pixels)}")
    files[f"{stem}.mtl"] = ("\n".join(lines) + "\n").encode(errors="replace")
    return files
