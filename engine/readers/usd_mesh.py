"""UsdGeomMesh: polygons with holes, primvars of every interpolation, subsets with materials."""

# usd-core has no types and may be absent.
# pyright: reportMissingImports=none, reportAttributeAccessIssue=none

from dataclasses import replace

import numpy as np
from pxr import Sdf, Usd, UsdGeom, UsdShade

from engine.host.color import srgb_from_linear
from engine.readers.polygon_mesh import PolygonMesh, polygon_mesh
from engine.readers.polygons import check_corners
from engine.readers.source import Broken, Source
from engine.readers.usd_materials import UsdMaterials
from engine.readers.usd_solids import SOLIDS, solid_polygons

_UV_TYPES = {Sdf.ValueTypeNames.TexCoord2fArray, Sdf.ValueTypeNames.TexCoord2dArray}
_UV_TYPES |= {Sdf.ValueTypeNames.TexCoord2hArray, Sdf.ValueTypeNames.Float2Array}
_COLOR_TYPES = {Sdf.ValueTypeNames.Color3fArray, Sdf.ValueTypeNames.Color4fArray}
_SHOWN = "displayColor"


class UsdMeshes:
    """The meshes of a stage; those that instances share are read once."""

    def __init__(self, source: Source, time: Usd.TimeCode, materials: UsdMaterials) -> None:
        self._source = source
        self._time = time
        self._materials = materials
        self._made: dict[tuple, PolygonMesh | None] = {}

    def read(self, prim: Usd.Prim) -> PolygonMesh | None:
        """The triangles of a mesh in its own space; None when it has none."""
        subsets = UsdShade.MaterialBindingAPI(prim).GetMaterialBindSubsets()
        bound = [self._materials.bound(p) for p in (prim, *(s.GetPrim() for s in subsets))]
        one = prim.GetPrimInPrototype() if prim.IsInstanceProxy() else prim
        key = (one.GetPath(), tuple(bound))
        if key not in self._made:
            solid = any(prim.IsA(kind) for kind in SOLIDS)
            self._made[key] = (
                self._solid(prim, bound[0]) if solid else self._mesh(prim, subsets, bound)
            )
        return self._made[key]

    def _mesh(
        self, prim: Usd.Prim, subsets: list[UsdGeom.Subset], bound: list[int]
    ) -> PolygonMesh | None:
        mesh = UsdGeom.Mesh(prim)
        points = self._array(mesh.GetPointsAttr(), np.float64)
        counts = self._array(mesh.GetFaceVertexCountsAttr(), np.int64)
        corners = self._array(mesh.GetFaceVertexIndicesAttr(), np.int64)
        if not len(counts) or not len(points):
            return None
        check_corners(corners, len(points))
        if (counts < 0).any() or int(counts.sum()) != len(corners):
            raise Broken("it has a mesh whose faces do not fit their corners")
        self._note_subdivision(mesh)
        material = self._face_material(subsets, bound, len(counts))
        layout = _Layout(corners, counts, len(points))
        kept = np.ones(len(counts), bool)
        holes = self._array(mesh.GetHoleIndicesAttr(), np.int64)
        kept[holes[(holes >= 0) & (holes < len(counts))]] = False
        return polygon_mesh(
            points.reshape(-1, 3),
            corners,
            counts,
            material=material,
            uvs=self._uvs(prim, layout, material),
            colors=self._colors(prim, layout, material),
            normals=self._normals(mesh, layout),
            clockwise=mesh.GetOrientationAttr().Get(self._time) == UsdGeom.Tokens.leftHanded,
            kept=None if kept.all() else kept,
        )

    def _solid(self, prim: Usd.Prim, bound: int) -> PolygonMesh | None:
        points, corners, counts = solid_polygons(prim, self._time)
        material = np.full(len(counts), bound, np.int64)
        colors = self._colors(prim, _Layout(corners, counts, len(points)), material)
        made = polygon_mesh(points, corners, counts, material=material, colors=colors)
        a, b, c = (made.vertices[made.faces[:, k]] for k in range(3))
        kept = np.cross(b - a, c - a).any(axis=1)  # at poles half of each side is nothing
        if not kept.any():
            return None
        return replace(made, faces=made.faces[kept], material=made.material[kept])

    def _note_subdivision(self, mesh: UsdGeom.Mesh) -> None:
        scheme = mesh.GetSubdivisionSchemeAttr()
        if scheme.Get() != UsdGeom.Tokens.none and scheme.HasAuthoredValue():
            self._source.note("Objects are meant to be subdivided; they are read as they are.")

    def _face_material(
        self, subsets: list[UsdGeom.Subset], bound: list[int], polygons: int
    ) -> np.ndarray:
        """(P,) places of materials, -1 for none."""
        material = np.full(polygons, bound[0], np.int64)
        for subset, index in zip(subsets, bound[1:], strict=True):
            chosen = self._array(subset.GetIndicesAttr(), np.int64)
            check_corners(chosen, polygons)
            if index >= 0:
                material[chosen] = index
        return material

    def _uvs(self, prim: Usd.Prim, layout: "_Layout", material: np.ndarray) -> np.ndarray | None:
        """(C, 2), each polygon's from the primvar that its material reads."""
        made: np.ndarray | None = None
        for index in np.unique(material).tolist():
            placing = self._materials.placing(index)
            name = "" if placing is None else placing.uv_set
            found = self._primvar(prim, name, layout, 2) if name else None
            if found is None:
                other = self._some_uvs(prim)
                found = None if other is None else self._primvar(prim, other, layout, 2)
                if placing is not None:
                    what = "lack the UVs" if found is None else f"have no UVs {name}, only {other},"
                    called = self._materials.name(index)
                    self._source.note(f"Faces with the material {called} {what} of its textures.")
            if found is not None:
                made = np.zeros((len(layout.corners), 2)) if made is None else made
                chosen = np.repeat(material == index, layout.counts)
                moved = found if placing is None else placing.moved(found)
                made[chosen] = moved[chosen]
        return made

    def _some_uvs(self, prim: Usd.Prim) -> str | None:
        """The name of the UVs of a mesh: those called st, or the first there are."""
        names = [
            primvar.GetPrimvarName()
            for primvar in UsdGeom.PrimvarsAPI(prim).FindPrimvarsWithInheritance()
            if primvar.HasValue() and primvar.GetTypeName() in _UV_TYPES
        ]
        return "st" if "st" in names else next(iter(names), None)

    def _colors(self, prim: Usd.Prim, layout: "_Layout", material: np.ndarray) -> np.ndarray | None:
        """(C, 4) sRGB-encoded, where materials read them or there is none; else white."""
        made: np.ndarray | None = None
        read: set[str] = set()
        for index in np.unique(material).tolist():
            name = self._materials.color_primvar(index)
            if name is None:
                continue
            read.add(name)
            colors = self._primvar(prim, name, layout, 3)
            opacity = self._primvar(prim, "displayOpacity", layout, 1) if index < 0 else None
            if colors is None and opacity is None:
                continue
            made = np.ones((len(layout.corners), 4)) if made is None else made
            chosen = np.repeat(material == index, layout.counts)
            if colors is not None:
                made[chosen, :3] = srgb_from_linear(np.clip(colors[chosen], 0, 1))
            if opacity is not None and (opacity[chosen] < 1).any():
                made[chosen, 3] = opacity[chosen, 0]
                material[material == index] = self._materials.clear()
        self._note_unread(prim, read)
        return made

    def _note_unread(self, prim: Usd.Prim, read: set[str]) -> None:
        unread = [
            primvar.GetPrimvarName()
            for primvar in UsdGeom.PrimvarsAPI(prim).GetPrimvars()
            if primvar.HasAuthoredValue() and primvar.GetTypeName() in _COLOR_TYPES
        ]
        for name in unread:
            if name not in read and name != _SHOWN:
                self._source.note(
                    f"No material reads the colours {name} of the vertices; they are left out."
                )

    def _normals(self, mesh: UsdGeom.Mesh, layout: "_Layout") -> np.ndarray | None:
        """(C, 3); the primvar counts before the attribute."""
        found = self._primvar(mesh.GetPrim(), "normals", layout, 3)
        if found is None:
            values = self._array(mesh.GetNormalsAttr(), np.float64)
            if len(values):
                found = layout.at_corners(values, str(mesh.GetNormalsInterpolation()))
        return found

    def _primvar(
        self, prim: Usd.Prim, name: str, layout: "_Layout", width: int
    ) -> np.ndarray | None:
        """(C, width) of a primvar, which may stand above the prim; None without, or unfit."""
        primvar = UsdGeom.PrimvarsAPI(prim).FindPrimvarWithInheritance(name)
        if not primvar or not primvar.HasValue():
            return None
        given = primvar.Get(self._time)
        try:
            values = np.asarray(given, np.float64)
        except (TypeError, ValueError):
            return None
        values = values.reshape(-1, width) if width == 1 else np.atleast_2d(values)
        indices = primvar.GetIndices(self._time)
        if primvar.IsIndexed() and indices is not None:
            places = np.asarray(indices, np.int64)
            if len(places) and not (places.min() >= 0 and places.max() < len(values)):
                self._source.note(f"Some {name} point to values that the file does not have.")
                return None
            values = values[places]
        if values.ndim != 2 or values.shape[1] < width:
            return None
        found = layout.at_corners(values[:, :width], str(primvar.GetInterpolation()))
        if found is None:
            self._source.note(f"The {name} of a mesh do not fit its faces; they are left out.")
        return found

    def _array(self, attribute: Usd.Attribute, dtype: type) -> np.ndarray:
        given = attribute.Get(self._time)
        return np.zeros(0, dtype) if given is None else np.asarray(given, dtype)


class _Layout:
    """Corners of polygons, and how values of any interpolation come to them."""

    def __init__(self, corners: np.ndarray, counts: np.ndarray, points: int) -> None:
        self.corners = corners
        self.counts = counts
        self._points = points

    def at_corners(self, values: np.ndarray, interpolation: str) -> np.ndarray | None:
        """(C, n) of (N, n); None when there are too few or too many."""
        if interpolation == UsdGeom.Tokens.constant and len(values) == 1:
            return np.repeat(values, len(self.corners), axis=0)
        if interpolation == UsdGeom.Tokens.uniform and len(values) == len(self.counts):
            return np.repeat(values, self.counts, axis=0)
        if interpolation in (UsdGeom.Tokens.vertex, UsdGeom.Tokens.varying):
            return values[self.corners] if len(values) == self._points else None
        if interpolation == UsdGeom.Tokens.faceVarying and len(values) == len(self.corners):
            return values
        return None
