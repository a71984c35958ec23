"""The mesh that all rooms share: triangles, UVs and PBR materials."""

from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

AlphaMode = Literal["opaque", "mask", "blend"]
Wrap = Literal["repeat", "clamp", "mirror"]
Filter = Literal["linear", "nearest"]


@dataclass(frozen=True)
class Texture:
    """A picture on a surface.

    Args:
        pixels: (H, W, C) uint8, C of 1 to 4, first row at the top.
        filter: how values between texels are found.
        wrap: what lies outside of UV 0..1, for both axes, or one for u and one for v.
        encoded: the bytes of the .png or .jpg that ``pixels`` were decoded from, unchanged, so that
            they can be written as they were; None where there are none.
    """

    pixels: np.ndarray
    filter: Filter = "linear"
    wrap: Wrap | tuple[Wrap, Wrap] = "repeat"
    encoded: bytes | None = field(default=None, repr=False)

    @property
    def wraps(self) -> tuple[Wrap, Wrap]:
        """``wrap`` along u and along v."""
        return self.wrap if isinstance(self.wrap, tuple) else (self.wrap, self.wrap)

    def with_pixels(self, pixels: np.ndarray) -> "Texture":
        """Other pixels laid on a surface in the same way; they were decoded from no file."""
        return replace(self, pixels=np.ascontiguousarray(pixels), encoded=None)


@dataclass(frozen=True)
class Material:
    """Metallic-roughness material, named as in glTF 2.0.

    Colours, factors and vertex colours are sRGB-encoded in [0, 1], as the published networks were
    trained on; a loader of glTF (whose factors are linear) encodes them once.

    Args:
        base_color_texture: RGB or RGBA; its A is used unless ``alpha_mode`` is opaque.
        metallic_roughness_texture: roughness in G, metallic in B, as in glTF.
        occlusion: whether its R says how much of the sky a point sees.
        alpha_mode: opaque ignores alpha, mask compares it with ``alpha_cutoff``, blend keeps it.
        normal_texture: tangent-space normals, X right, Y up (green) in the picture, as in glTF.
        double_sided: whether back faces are visible too.
    """

    name: str = "material"
    base_color_factor: tuple[float, float, float] = (1.0, 1.0, 1.0)
    alpha_factor: float = 1.0
    metallic_factor: float = 0.0
    roughness_factor: float = 1.0
    alpha_mode: AlphaMode = "opaque"
    alpha_cutoff: float = 0.5
    base_color_texture: Texture | None = None
    metallic_roughness_texture: Texture | None = None
    occlusion: bool = False
    normal_texture: Texture | None = None
    double_sided: bool = True

    @property
    def textures(self) -> tuple[Texture, ...]:
        """Those that it has."""
        all_kinds = (self.base_color_texture, self.metallic_roughness_texture, self.normal_texture)
        return tuple(texture for texture in all_kinds if texture is not None)


@dataclass(frozen=True)
class Mesh:
    """A triangle mesh in object space: Z up, right-handed.

    Args:
        vertices: (V, 3) float32; float64 where a file has them, until they are centred.
        faces: (F, 3) int32 into vertices.
        uvs: (F, 3, 2) float32 per face corner, origin at the bottom left; None without UVs.
        second_uvs: as ``uvs``; no texture uses them: a second layer that a mesh keeps, for its own
            tiled textures; None without.
        colors: (V, 4) float32 sRGB-encoded RGBA in [0, 1]; None without vertex colours.
        materials: what ``face_material`` points into; empty means one default material.
        face_material: (F,) int32; None when all faces have material 0.
        metallic_roughness: (V, 2) float32 metallic and roughness in [0, 1] of each vertex, beside
            ``colors``, as a mesh made from O-Voxels has them; None without.
        normals: (F, 3, 3) float32 unit vectors per face corner; None leaves them to the reader.
        tangents: (F, 3, 4) float32 per face corner, unit vector and sign (MikkTSpace), which
            normal maps refer to; None without.
        polygons: (F,) int32 the polygon that each triangle is a piece of, in any numbers; new UVs
            do not cut it. None where every triangle is one.
        objects: names of what ``face_object`` points into, which need not differ; empty where a
            file has no objects.
        face_object: (F,) int32; None when all faces are of object 0.
    """

    vertices: np.ndarray
    faces: np.ndarray
    uvs: np.ndarray | None = None
    colors: np.ndarray | None = None
    materials: tuple[Material, ...] = field(default=())
    face_material: np.ndarray | None = None
    metallic_roughness: np.ndarray | None = None
    normals: np.ndarray | None = None
    tangents: np.ndarray | None = None
    polygons: np.ndarray | None = None
    objects: tuple[str, ...] = ()
    face_object: np.ndarray | None = None
    second_uvs: np.ndarray | None = None


def far_centre(vertices: np.ndarray) -> np.ndarray | None:
    """(3,) float64 to take from vertices before they are rounded to float32; None for near ones.

    Near is what keeps 14 of the 24 bits of float32 for the shape itself.
    """
    if not len(vertices):
        return None
    low, high = vertices.min(axis=0).astype(np.float64), vertices.max(axis=0).astype(np.float64)
    away, size = np.abs([low, high]).max(), (high - low).max()
    return (low + high) / 2 if away > 1024 * size else None


def drop_unused_vertices(mesh: Mesh) -> Mesh:
    """The same mesh with only the vertices that faces use, in the same order."""
    used = np.bincount(mesh.faces.reshape(-1), minlength=len(mesh.vertices)) > 0
    if used.all():
        return mesh
    new_index = (np.cumsum(used) - 1).astype(np.int32)
    values = mesh.metallic_roughness
    return replace(
        mesh,
        vertices=mesh.vertices[used],
        faces=new_index[mesh.faces],
        colors=None if mesh.colors is None else mesh.colors[used],
        metallic_roughness=None if values is None else values[used],
    )


def some_faces(mesh: Mesh, chosen: np.ndarray) -> Mesh:
    """The same mesh with only some faces, (F,) bool, and the vertices that these use."""
    per_face = (
        *("faces", "uvs", "second_uvs", "normals", "tangents"),
        *("face_material", "polygons", "face_object"),
    )
    given = {name: getattr(mesh, name) for name in per_face}
    kept = {name: values[chosen] for name, values in given.items() if values is not None}
    return drop_unused_vertices(replace(mesh, **kept))
