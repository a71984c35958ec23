"""Copies of a glTF mesh (EXT_mesh_gpu_instancing), all at once since there may be thousands."""

from dataclasses import replace

import numpy as np

from engine.meshing.axes import Z_UP_FROM_Y_UP
from engine.meshing.parts import Part
from engine.readers.gltf_frames import placed_normals, unit


def copied(part: Part, world: np.ndarray, shared: dict[int, np.ndarray]) -> Part:
    """A part at each of several places, one after the other.

    Args:
        part: of a mesh whose node does nothing.
        world: (N, 4, 4) float64 world_from_node of each copy, Y up.
        shared: vertices that were copied so far, by those that they are copies of; added to.
    """
    count = len(world)
    turn = Z_UP_FROM_Y_UP @ world[:, :3, :3] @ Z_UP_FROM_Y_UP.T
    if id(part.vertices) not in shared:
        moved = np.einsum("nij,vj->nvi", turn, part.vertices)
        moved += (world[:, :3, 3] @ Z_UP_FROM_Y_UP.T)[:, None]
        shared[id(part.vertices)] = moved.reshape(-1, 3)
    mirrored = np.linalg.det(turn) < 0
    corners = part.faces[None] + len(part.vertices) * np.arange(count)[:, None, None]
    uvs = None if part.uvs is None else np.broadcast_to(part.uvs, (count, *part.uvs.shape))
    normals, tangents = _frames(part, turn, mirrored)
    uvs, normals, tangents = (
        None if values is None else _wound(values, mirrored) for values in (uvs, normals, tangents)
    )
    colors, values = (
        None if given is None else np.tile(given, (count, 1))
        for given in (part.colors, part.metallic_roughness)
    )
    return replace(
        part,
        vertices=shared[id(part.vertices)],
        faces=_wound(corners, mirrored),
        uvs=uvs,
        colors=colors,
        metallic_roughness=values,
        normals=normals,
        tangents=tangents,
    )


def _frames(
    part: Part, turn: np.ndarray, mirrored: np.ndarray
) -> tuple[np.ndarray | None, np.ndarray | None]:
    """(N, F, 3, 3) normals and (N, F, 3, 4) tangents; None where one has no direction any more."""
    if part.normals is None:
        return None, None
    shape = (len(turn), *part.normals.shape)
    each = turn[:, None]
    normals = placed_normals(part.normals.reshape(-1, 3), each)
    if normals is None or not normals.any(axis=-1).all():
        return None, None
    if part.tangents is None:
        return normals.reshape(shape), None
    given = part.tangents.reshape(-1, 4)
    along = unit(np.einsum("...ij,...j->...i", each, given[:, :3]))
    if not along.any(axis=-1).all():
        return normals.reshape(shape), None
    signs = given[:, 3] * np.where(mirrored, -1, 1)[:, None]
    tangents = np.concatenate([along, signs[..., None]], axis=-1, dtype=np.float32)
    return normals.reshape(shape), tangents.reshape(*shape[:-1], 4)


def _wound(values: np.ndarray, mirrored: np.ndarray) -> np.ndarray:
    """(N * F, 3, ...) values of face corners, the other way round in copies that are mirrored."""
    if mirrored.any():
        values = values.copy()
        values[mirrored] = values[mirrored][:, :, ::-1]
    return values.reshape(-1, *values.shape[2:])
