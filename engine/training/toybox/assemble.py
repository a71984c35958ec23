"""Parts to one mesh, fitted to the box."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from engine.mesh import Material, Mesh
from engine.meshing.parts import Part as Piece
from engine.meshing.parts import join_parts
from engine.training.toybox.patterns import TILE, cube_uvs
from engine.training.toybox.solids import Solid

LONGEST_SIDE = 63 / 64
_STEP = 2.0**-16
"""Vertices lie on multiples of this, so that the last bits of sines, which differ between
machines, do not reach the mesh."""


@dataclass(frozen=True)
class Part:
    """A piece of a toy.

    Args:
        solid: its triangles.
        material: of all of them.
        colors: (V, 3) sRGB-encoded in [0, 1], multiplied with the material's; None leaves it.
        uvs: (F, 3, 2) where the material's texture lies; None projects its tiles along the axes.
    """

    solid: Solid
    material: Material
    colors: np.ndarray | None = None
    uvs: np.ndarray | None = None


def assemble(parts: Sequence[Part]) -> Mesh:
    """One mesh of all parts; equal materials become one.

    Returns:
        A mesh centred at the origin, the longest side of its box 63/64; vertices that no triangle
        uses are left out.
    """
    materials: list[Material] = []
    numbers: dict[tuple[Material, int], int] = {}
    pieces = []
    for part in parts:
        vertices, faces, colors = _used(part)
        # Textures are arrays: they have no hash, and are the same where they are one object.
        texture = part.material.base_color_texture
        key = (replace(part.material, base_color_texture=None), id(texture))
        if key not in numbers:
            numbers[key] = len(materials)
            materials.append(part.material)
        pieces.append(Piece(vertices, faces, colors=colors, material=numbers[key]))
    points = np.concatenate([piece.vertices for piece in pieces])
    low, high = points.min(axis=0), points.max(axis=0)
    middle, scale = (low + high) / 2, LONGEST_SIDE / (high - low).max()
    fitted = []
    for part, piece in zip(parts, pieces, strict=True):
        vertices = np.rint((piece.vertices - middle) * scale / _STEP) * _STEP
        uvs = part.uvs
        if uvs is None and part.material.base_color_texture is not None:
            uvs = cube_uvs(vertices[piece.faces], TILE)
        if uvs is not None:
            uvs = np.rint(uvs / _STEP) * _STEP
        fitted.append(replace(piece, vertices=vertices, uvs=uvs))
    mesh = join_parts(fitted, materials)
    return replace(mesh, vertices=mesh.vertices.astype(np.float32))


def _used(part: Part) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Vertices (V, 3), faces and colours (V, 4) without the vertices that no face uses."""
    used, faces = np.unique(part.solid.faces, return_inverse=True)
    faces = faces.reshape(-1, 3)
    colors = None
    if part.colors is not None:
        colors = np.ones((len(used), 4))
        colors[:, :3] = np.rint(part.colors[used] * 255) / 255
    return part.solid.vertices[used], faces, colors
