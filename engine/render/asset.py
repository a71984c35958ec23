"""Files to meshes that can be rendered, O-Voxels included."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from engine.mesh import Material, Mesh, far_centre
from engine.meshing.alpha import choose_alpha_mode
from engine.ovoxel.ovoxel_file import load_ovoxels
from engine.ovoxel.ovoxels import OVoxels
from engine.ovoxel.placement import Placement
from engine.readers.load import READERS, load_mesh
from protocol.errors import EngineError


def load_surface(
    path: Path, *, require_textures: bool = False, tell: Callable[[str], None] | None = None
) -> Mesh:
    """A mesh file, or the surface of O-Voxels with their values on its vertices.

    Args:
        require_textures, tell: as in ``load_mesh``.

    Raises:
        EngineError: ``mesh_format``, and what ``load_mesh`` and ``load_ovoxels`` raise.
    """
    suffix = path.suffix.lower()
    if suffix == ".vxz":
        return mesh_of_ovoxels(load_ovoxels(path))
    if suffix not in READERS:
        raise EngineError(
            "mesh_format",
            f"{path.name} has no suffix of a file that can be shown.",
            f"Use one of {', '.join(READERS)}, .vxz, or an asset's folder.",
        )
    mesh = load_mesh(path, require_textures=require_textures, tell=tell)
    centre = far_centre(mesh.vertices)
    # A picture shows the same wherever the mesh lies; cameras work in float32.
    return mesh if centre is None else replace(mesh, vertices=mesh.vertices - centre)


def mesh_of_ovoxels(ovoxels: OVoxels) -> Mesh:
    """The surface in the unit cube; a vertex for each voxel, with its values."""
    mesh = replace(ovoxels, placement=Placement()).surface()
    alpha = np.rint(np.clip(ovoxels.alpha, 0, 1) * 255).astype(np.uint8)
    return replace(mesh, materials=(Material(alpha_mode=choose_alpha_mode(alpha)),))
