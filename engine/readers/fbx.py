"""FBX, binary and as text: the meshes of its nodes, in metres, Z up.

Runs in a process of its own (`engine/readers/apart.py`), where alone ufbx is loaded.
"""

# ufbx may be absent.
# pyright: reportMissingImports=none

from collections.abc import Iterator
from typing import Any

import numpy as np
from ufbx import ElementType, SubdivisionDisplayMode

from engine.mesh import Material
from engine.meshing.parts import Part
from engine.readers.fbx_library import array, get, items, load, matrix, text, z_up_from
from engine.readers.fbx_materials import FbxMaterials
from engine.readers.gltf_levels import stands_in
from engine.readers.polygon_mesh import BYTES_OF_FACE, MOST_FACES, PolygonMesh, polygon_mesh
from engine.readers.polygons import check_corners
from engine.readers.source import Broken, Source, too_many

_LEFT_OUT = {"cameras": "camera", "lights": "light", "line_curves": "set of curves"}
_LEFT_OUT |= {"nurbs_curves": "set of curves", "nurbs_surfaces": "part of a free-form surface"}
_LEFT_OUT |= {"nurbs_trim_surfaces": "part of a free-form surface"}


def read_fbx(source: Source) -> tuple[list[Part], list[Material]]:
    """A part for each mesh of a node that is shown, placed as the file's own pose has it.

    Skinned meshes stand as they were bound, blend shapes have their default weights. Lengths become
    metres.
    """
    scene = load(str(source.path))
    for names, what in _LEFT_OUT.items():
        source.leave_out(what, len(items(scene, names)))
    unit = float(get(scene, "settings.unit_meters"))
    if not (np.isfinite(unit) and unit > 0):
        unit = 0.01
    source.made_metres(unit)
    object_from_scene = np.eye(4)
    object_from_scene[:3, :3] = z_up_from(scene) * unit
    reader = _Scene(source, scene)
    return list(reader.parts(object_from_scene)), reader.materials.used()


class _Scene:
    """A scene and what was made of it so far."""

    def __init__(self, source: Source, scene: Any) -> None:
        self.materials = FbxMaterials(source)
        self._source = source
        self._nodes = items(scene, "nodes")
        self._made: dict[tuple, PolygonMesh | None] = {}

    def parts(self, object_from_scene: np.ndarray) -> Iterator[Part]:
        faces = 0
        names = [text(node, "name") for node in self._nodes if get(node, "mesh") is not None]
        coarse = [name for name in names if stands_in(name, names)]
        if coarse:
            said = ", ".join(coarse)
            self._source.note(f"{said} left out; only the finest level of detail counts.")
        for node in self._nodes:
            mesh = get(node, "mesh")
            if mesh is None or text(node, "name") in coarse or not self._shown(node):
                continue
            made = self._mesh(mesh, items(node, "materials") or items(mesh, "materials"))
            if made is None:
                continue
            faces += len(made.faces)
            self._source.allow(BYTES_OF_FACE * len(made.faces))
            if faces > MOST_FACES:
                raise too_many(self._source, f"{MOST_FACES:,} triangles with all its copies")
            yield made.placed(object_from_scene @ self._place(node, mesh))

    def _shown(self, node: Any) -> bool:
        above: Any = node
        while above is not None:
            if not get(above, "visible"):
                self._source.leave_out("hidden object")
                return False
            parent = get(above, "parent")
            if parent is not None and get(parent, "attrib_type") == ElementType.LOD_GROUP:
                first = items(parent, "children")[0]
                if get(first, "element_id") != get(above, "element_id"):
                    self._source.note("Only the finest level of detail was read.")
                    return False
            above = parent
        return True

    def _place(self, node: Any, mesh: Any) -> np.ndarray:
        """(4, 4) from a mesh to the scene; of a skinned one as it was bound."""
        for skin in items(mesh, "skin_deformers"):
            for cluster in items(skin, "clusters")[:1]:
                bound = matrix(cluster, "bind_to_world") @ matrix(cluster, "geometry_to_bone")
                if abs(np.linalg.det(bound[:3, :3])) > 0:
                    self._source.note("Skinned objects stand as they were bound to their bones.")
                    return bound
        return matrix(node, "geometry_to_world")

    def _mesh(self, mesh: Any, materials: list[Any]) -> PolygonMesh | None:
        used = [self.materials.use(material) for material in materials]
        key = (get(mesh, "element_id"), tuple(used))
        if key not in self._made:
            self._made[key] = self._read(mesh, used)
        return self._made[key]

    def _read(self, mesh: Any, used: list[int]) -> PolygonMesh | None:
        points = self._shaped(mesh, array(mesh, "vertices", np.float64, 3))
        corners = array(mesh, "vertex_indices", np.int64)
        polygons = array(mesh, "faces", np.int64, 2)
        if not len(polygons):
            return None
        counts = polygons[:, 1]
        if not np.array_equal(np.cumsum(counts) - counts, polygons[:, 0]):
            raise Broken("it has a mesh whose faces do not fit their corners")
        check_corners(corners, len(points))
        if get(mesh, "subdivision_display_mode") in (
            SubdivisionDisplayMode.HULL_AND_SMOOTH,
            SubdivisionDisplayMode.SMOOTH,
        ):
            self._source.note("Objects are meant to be subdivided; they are read as they are.")
        material = self._face_material(mesh, used, len(polygons))
        holes = array(mesh, "face_hole", np.bool_)
        return polygon_mesh(
            points,
            corners,
            counts,
            material=material,
            uvs=self._uvs(mesh, material, counts),
            colors=_corner_values(mesh, "vertex_color", 4, len(corners)),
            normals=_corner_values(mesh, "vertex_normal", 3, len(corners)),
            kept=~holes if len(holes) == len(polygons) and holes.any() else None,
        )

    def _shaped(self, mesh: Any, points: np.ndarray) -> np.ndarray:
        """Points under the default weights of blend shapes."""
        points = points.copy()
        for blend in items(mesh, "blend_deformers"):
            for channel in items(blend, "channels"):
                for frame in items(channel, "keyframes"):
                    weight = float(get(frame, "effective_weight"))
                    if weight == 0 or not np.isfinite(weight):
                        continue
                    shape = get(frame, "shape")
                    moved = array(shape, "offset_vertices", np.int64)
                    check_corners(moved, len(points))
                    offsets = array(shape, "position_offsets", np.float64, 3)
                    np.add.at(points, moved, offsets * weight)
        return points

    def _face_material(self, mesh: Any, used: list[int], polygons: int) -> np.ndarray:
        """(P,) places of materials, -1 for none."""
        given = array(mesh, "face_material", np.int64)
        if not used or len(given) != polygons:
            return np.full(polygons, used[0] if used else -1)
        known = (given >= 0) & (given < len(used))
        return np.where(known, np.array(used)[np.where(known, given, 0)], -1)

    def _uvs(self, mesh: Any, material: np.ndarray, counts: np.ndarray) -> np.ndarray | None:
        """(C, 2), each polygon's from the set that its material names, else from the first."""
        sets = {text(uv_set, "name"): uv_set for uv_set in reversed(items(mesh, "uv_sets"))}
        corners = int(counts.sum())
        made: np.ndarray | None = None
        first = next(reversed(sets.values()), None)
        for index in np.unique(material).tolist():
            placing = self.materials.placing(index)
            chosen = first if placing is None else sets.get(placing.uv_set, first)
            found = None if chosen is None else _corner_values(chosen, "vertex_uv", 2, corners)
            if found is None:
                if placing is not None:
                    name = self.materials.name(index)
                    self._source.note(
                        f"Faces with the material {name} lack the UVs of its textures."
                    )
                continue
            made = np.zeros((corners, 2)) if made is None else made
            of_material = np.repeat(material == index, counts)
            moved = found if placing is None else placing.moved(found)
            made[of_material] = moved[of_material]
        return made


def _corner_values(given: Any, name: str, width: int, corners: int) -> np.ndarray | None:
    """(C, width) of a mesh's or a set's values; None without."""
    if not get(given, f"{name}.exists"):
        return None
    values = array(given, f"{name}.values", np.float64, width)
    indices = array(given, f"{name}.indices", np.int64)
    if len(indices) != corners or not len(values):
        return None
    check_corners(indices, len(values))
    return values[indices]
