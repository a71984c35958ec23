"""USD: the meshes of a stage, each where its prims put it, in metres, Z up.

Runs in a process of its own (`engine/readers/apart.py`), where alone usd-core is loaded.
"""

# usd-core has no types and may be absent.
# pyright: reportMissingImports=none, reportAttributeAccessIssue=none

import os
from collections.abc import Iterator
from contextlib import suppress

import numpy as np
from pxr import Gf, Sdf, Usd, UsdGeom, UsdLux, UsdSkel

from engine.mesh import Material
from engine.meshing.axes import Z_UP_FROM_Y_UP
from engine.meshing.parts import Part
from engine.readers.polygon_mesh import BYTES_OF_FACE, MOST_FACES
from engine.readers.source import Broken, Source, too_many
from engine.readers.usd_materials import UsdMaterials
from engine.readers.usd_mesh import UsdMeshes
from engine.readers.usd_solids import SOLIDS

_DEEPEST = 16
_FOUND = {UsdGeom.BasisCurves: "set of curves", UsdGeom.NurbsCurves: "set of curves"}
_FOUND |= {UsdGeom.Points: "set of points", UsdGeom.NurbsPatch: "part of a free-form surface"}
_FOUND |= {UsdGeom.Camera: "camera", UsdGeom.HermiteCurves: "set of curves"}


def read_usd(source: Source) -> tuple[list[Part], list[Material]]:
    """A part for each mesh that is shown, under the selected variants.

    Points and transforms count at the start of an animation; skinned meshes stand as they were
    bound. Lengths become metres.
    """
    stage = _opened(source)
    time = Usd.TimeCode.EarliestTime()
    if stage.HasAuthoredTimeCodeRange():
        time = Usd.TimeCode(stage.GetStartTimeCode())
        if stage.GetEndTimeCode() > stage.GetStartTimeCode():
            source.note("It is animated; its first frame was read.")
    materials = UsdMaterials(source, time)
    reader = _Stage(source, stage, time, materials)
    return reader.parts(), materials.used()


def _opened(source: Source) -> Usd.Stage:
    try:
        layers = _layers(source)  # held, so that the stage has them without reading them again
        stage = Usd.Stage.Open(str(source.path))
        del layers
    except Exception as error:  # pxr has one kind of error for all
        raise Broken("it is damaged, or something else") from error
    for prim in stage.Traverse():
        if prim.HasVariantSets():
            source.note("It has variants; those that it selects were read.")
            break
    missing = sorted({name for error in stage.GetCompositionErrors() if (name := _lost(error))})
    for name in missing[:5]:
        source.note(f"The file {name}, of which it is made, cannot be read; its objects lack.")
    if len(missing) > 5:
        source.note(f"{len(missing) - 5:,} more such files cannot be read.")
    return stage


def _layers(source: Source) -> list[Sdf.Layer]:
    """The file and all layers that it refers to; their sizes count as the file's own."""
    root = Sdf.Layer.FindOrOpen(str(source.path))
    layers, seen = [root] if root else [], {str(source.path)}
    for layer in layers:
        for name in layer.GetCompositionAssetDependencies():
            path = layer.ComputeAbsolutePath(name)
            if path in seen:
                continue
            seen.add(path)
            if os.path.isfile(path):
                source.allow(os.path.getsize(path))
            with suppress(Exception):  # pxr has one kind of error for all; the stage tells of it
                found = Sdf.Layer.FindOrOpen(path)
                layers += [found] if found else []
    return layers


def _lost(error: object) -> str | None:
    """The name of the file that a part of the stage was to come from."""
    for name in ("assetPath", "layerPath", "subLayerPath"):
        given = getattr(error, name, None)
        if given:
            return str(given)
    text = str(error)
    return text.partition("@")[2].partition("@")[0] if "@" in text else None


class _Stage:
    """A stage and the parts made of it so far."""

    def __init__(
        self, source: Source, stage: Usd.Stage, time: Usd.TimeCode, materials: UsdMaterials
    ) -> None:
        self._source = source
        self._stage = stage
        self._time = time
        self._places = UsdGeom.XformCache(time)
        self._meshes = UsdMeshes(source, time, materials)
        self._faces = 0

    def parts(self) -> list[Part]:
        unit = UsdGeom.GetStageMetersPerUnit(self._stage)
        if not (np.isfinite(unit) and unit > 0):
            raise Broken("its unit of length is no number of metres")
        self._source.made_metres(unit)
        object_from_stage = np.eye(4)
        if UsdGeom.GetStageUpAxis(self._stage) == UsdGeom.Tokens.y:
            object_from_stage[:3, :3] = Z_UP_FROM_Y_UP
        object_from_stage[:3] *= unit
        return list(self._under(self._stage.GetPseudoRoot(), object_from_stage, 0))

    def _under(self, root: Usd.Prim, placed: np.ndarray, depth: int) -> Iterator[Part]:
        """The parts of all meshes under a prim, itself counted, ``placed`` being its own place."""
        if depth > _DEEPEST:
            raise Broken("its instances are made of each other without an end")
        prims = iter(Usd.PrimRange(root, Usd.TraverseInstanceProxies()))
        for prim in prims:
            if not self._shown(prim):
                prims.PruneChildren()
                continue
            if prim.IsA(UsdGeom.PointInstancer):
                prims.PruneChildren()
                yield from self._instances(prim, placed @ self._place(prim, root), depth)
            elif any(prim.IsA(kind) for kind in (UsdGeom.Mesh, *SOLIDS)):
                yield from self._mesh(prim, placed, root)
            else:
                self._leave_out(prim)

    def _mesh(self, prim: Usd.Prim, placed: np.ndarray, root: Usd.Prim) -> Iterator[Part]:
        mesh = self._meshes.read(prim)
        if mesh is None:
            return
        self._faces += len(mesh.faces)
        self._source.allow(BYTES_OF_FACE * len(mesh.faces))
        if self._faces > MOST_FACES:
            raise too_many(self._source, f"{MOST_FACES:,} triangles with all its copies")
        bound = self._bound(prim)
        place = self._place(prim, root)
        if bound is not None:
            skeleton, mesh_from_bound = bound
            place = self._place(skeleton, root) @ mesh_from_bound
            self._source.note("Skinned objects stand as they were bound to their skeletons.")
        yield mesh.placed(placed @ place)

    def _bound(self, prim: Usd.Prim) -> tuple[Usd.Prim, np.ndarray] | None:
        """The skeleton of a skinned mesh, and where that has the mesh; None without."""
        binding = UsdSkel.BindingAPI(prim)
        skeleton = binding.GetInheritedSkeleton()
        joints = UsdGeom.PrimvarsAPI(prim).FindPrimvarWithInheritance("skel:jointIndices")
        if not skeleton or not joints or not joints.HasValue():
            return None
        given = binding.GetGeomBindTransformAttr().Get(self._time)
        return skeleton.GetPrim(), _matrix(given or Gf.Matrix4d(1))

    def _instances(self, prim: Usd.Prim, placed: np.ndarray, depth: int) -> Iterator[Part]:
        instancer = UsdGeom.PointInstancer(prim)
        targets = instancer.GetPrototypesRel().GetForwardedTargets()
        kinds = np.asarray(instancer.GetProtoIndicesAttr().Get(self._time) or [], np.int64)
        places = instancer.ComputeInstanceTransformsAtTime(
            *(self._time, self._time),
            UsdGeom.PointInstancer.IncludeProtoXform,
            UsdGeom.PointInstancer.IgnoreMask,
        )
        mask = list(instancer.ComputeMaskAtTime(self._time)) or [True] * len(kinds)
        if len(places) != len(kinds) or len(mask) != len(kinds):
            raise Broken("it has copies of which some lack their place")
        if len(kinds) and not (kinds.min() >= 0 and kinds.max() < len(targets)):
            raise Broken("it has copies of an object that it lacks")
        for kind, place, seen in zip(kinds.tolist(), places, mask, strict=True):
            target = self._stage.GetPrimAtPath(targets[kind])
            if seen and target:
                # The prototype's own place is in that of its copy.
                yield from self._under(target, placed @ _matrix(place), depth + 1)

    def _place(self, prim: Usd.Prim, root: Usd.Prim) -> np.ndarray:
        """(4, 4) from the space of a prim to that of ``root``, for column vectors."""
        if root.IsPseudoRoot():
            return _matrix(self._places.GetLocalToWorldTransform(prim))
        if prim == root:
            return np.eye(4)
        return _matrix(self._places.ComputeRelativeTransform(prim, root)[0])

    def _shown(self, prim: Usd.Prim) -> bool:
        if not prim.IsA(UsdGeom.Imageable):
            return True
        image = UsdGeom.Imageable(prim)
        purpose = image.GetPurposeAttr().Get()
        if purpose in (UsdGeom.Tokens.guide, UsdGeom.Tokens.proxy):
            self._source.leave_out(f"{purpose} object")
            return False
        if image.GetVisibilityAttr().Get(self._time) == UsdGeom.Tokens.invisible:
            self._source.leave_out("hidden object")
            return False
        return True

    def _leave_out(self, prim: Usd.Prim) -> None:
        for kind, name in _FOUND.items():
            if prim.IsA(kind):
                self._source.leave_out(name)
        if prim.HasAPI(UsdLux.LightAPI):
            self._source.leave_out("light")


def _matrix(given: Gf.Matrix4d) -> np.ndarray:
    """(4, 4) for column vectors."""
    matrix = np.asarray(given, np.float64).T
    if not np.isfinite(matrix).all():
        raise Broken("it has an object whose place is no number")
    return matrix
