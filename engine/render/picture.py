"""A picture of a mesh: visible layers found, shaded and put behind each other, band by band."""

from dataclasses import dataclass

import numpy as np

from engine.host.color import srgb_from_linear
from engine.host.parallel import map_chunks
from engine.kernels import tight
from engine.mesh import Mesh
from engine.meshing.bands import Bands
from engine.render.camera import Camera, ball_around
from engine.render.lights import STUDIO, Studio
from engine.render.raster import (
    BAND_ROWS,
    View,
    corner_weights,
    raster_band,
    sort_into_bands,
    view_mesh,
)
from engine.render.shade import shade_band
from engine.render.surface import Surface, surface_of
from engine.render.surroundings import NOWHERE, Surroundings
from protocol.errors import EngineError

LARGEST_PICTURE = 8192
SAMPLES = (1, 2, 4, 8)
"""Points per side of a pixel that may be asked for: those that divide a band."""


@dataclass(frozen=True)
class Picture:
    """What a camera sees, and the surface behind each pixel.

    The maps (all but ``rgba``) describe the front-most surface that is not wholly transparent, as
    the mean over the points of a pixel that see any; where none does they are 0. Depth is that of
    the nearest point.

    Args:
        rgba: (H, W, 4) uint8 sRGB, alpha not multiplied in; transparent where nothing is.
        depth: (H, W) float32 along the view, in object space units; 0 where nothing is.
        normal: (H, W, 3) float32 unit vectors in object space, towards the eye.
        mask: (H, W) float32 share of a pixel that a surface covers, transparent or not.
        base_color: (H, W, 3) float32 sRGB-coded in [0, 1].
        metallic, roughness, alpha: (H, W) float32 in [0, 1].
    """

    rgba: np.ndarray
    depth: np.ndarray
    normal: np.ndarray
    mask: np.ndarray
    base_color: np.ndarray
    metallic: np.ndarray
    roughness: np.ndarray
    alpha: np.ndarray


@dataclass(frozen=True)
class Visible:
    """The nearest triangle at the middle of each pixel.

    Args:
        face: (H, W) int32, -1 where there is none.
        weights: (H, W, 3) float32 of its corners, perspective-correct; sum 1, or 0 without a face.
        depth: (H, W) float32 along the view; 0 without a face.
    """

    face: np.ndarray
    weights: np.ndarray
    depth: np.ndarray


def render(
    mesh: Mesh,
    camera: Camera,
    *,
    width: int = 512,
    height: int | None = None,
    studio: Studio = STUDIO,
    surroundings: Surroundings | None = None,
    samples: int = 2,
    layers: int = 12,
    shadows: bool = True,
    surface: Surface | None = None,
    threads: int | None = None,
) -> Picture:
    """Take a picture of a mesh on a transparent background.

    Args:
        mesh: in object space; materials, textures, vertex colours and normal maps count.
        width, height: pixels, 1 to 8192; square without a height.
        studio: where light comes from.
        surroundings: instead of the studio's sky and ground; its lamps stay.
        samples: points per side of a pixel, one of 1, 2, 4, 8: how smooth edges are.
        layers: how many transparent surfaces behind each other are seen at most.
        shadows: whether the first lamp casts shadows.
        surface: of ``surface_of(mesh)``, where the caller takes several pictures.
        threads: all cores when None; the picture does not depend on it.

    Raises:
        EngineError: ``picture_size``, ``camera``, and what ``surface_of`` raises.
    """
    height = width if height is None else height
    _check_size(width, height, samples)
    surface = surface_of(mesh, threads) if surface is None else surface
    view = view_mesh(
        mesh.vertices, surface.faces, camera, width * samples, height * samples, threads
    )
    bands = sort_into_bands(view, threads)
    lamp_view, lamp_near = view, np.zeros((0, 0))
    if shadows and studio.lamps:
        lamp_view, lamp_near = _shadow(mesh, surface, camera, studio, width * samples, threads)
    axes = camera.axes
    lights = (
        studio.table(),
        np.asarray(studio.sky) * studio.exposure,
        np.asarray(studio.ground) * studio.exposure,
        NOWHERE if surroundings is None else surroundings.seen_by(axes),
    )
    rgba, maps = np.zeros((height, width, 4), np.float32), np.zeros((height, width, 11), np.float32)

    def one_band(band: int) -> None:
        rows = min(BAND_ROWS, view.height - band * BAND_ROWS)
        shape = (rows, view.width)
        through, light, seen = np.ones(shape), np.zeros((*shape, 3)), np.zeros(shape, bool)
        layer = np.zeros((*shape, 10), np.float32)
        before_near, before_face = np.empty(shape), np.empty(shape, np.int32)
        near, face = np.empty(shape), np.empty(shape, np.int32)
        for number in range(layers):
            if number > 0 and not (before_face >= 0).any():
                break
            raster_band(view, bands, band, number > 0, before_near, before_face, near, face)
            shade_band(
                *(view, surface, axes, *lights, band, face, through, light, layer, seen),
                *(lamp_view, lamp_near, samples),
            )
            before_near, near = near, before_near
            before_face, face = face, before_face
        first = band * BAND_ROWS // samples
        some = slice(first, first + rows // samples)
        _resolve(samples, through, light, layer, seen, rgba[some], maps[some])

    map_chunks(one_band, range(len(bands.start) - 1), threads=threads)
    alpha = rgba[..., 3:]
    color = srgb_from_linear(rgba[..., :3] / np.maximum(alpha, 1e-6))
    return Picture(
        rgba=np.rint(np.concatenate([color, alpha], axis=2) * 255).astype(np.uint8),
        depth=maps[..., 0],
        normal=maps[..., 1:4],
        mask=maps[..., 10],
        base_color=maps[..., 4:7],
        metallic=maps[..., 7],
        roughness=maps[..., 8],
        alpha=maps[..., 9],
    )


def visible_faces(
    vertices: np.ndarray,
    faces: np.ndarray,
    camera: Camera,
    *,
    width: int,
    height: int | None = None,
    threads: int | None = None,
) -> Visible:
    """Only what is seen where, for renderers that do their own shading (training).

    Args:
        vertices: (V, 3) finite; faces: (F, 3) into them, F may be 0.

    Raises:
        EngineError: ``picture_size``, ``camera``.
    """
    height = width if height is None else height
    _check_size(width, height, 1)
    view = view_mesh(vertices, faces, camera, width, height, threads)
    bands = sort_into_bands(view, threads)
    face = np.full((height, width), -1, np.int32)
    weights = np.zeros((height, width, 3), np.float32)
    depth = np.zeros((height, width), np.float32)

    def one_band(band: int) -> None:
        some = slice(band * BAND_ROWS, (band + 1) * BAND_ROWS)
        _first_layer(view, bands, band, face[some])
        _weights_of(view, band * BAND_ROWS, face[some], weights[some], depth[some])

    map_chunks(one_band, range(len(bands.start) - 1), threads=threads)
    return Visible(face, weights, depth)


def _first_layer(view: View, bands: Bands, band: int, face: np.ndarray) -> np.ndarray:
    near = np.empty(face.shape)
    raster_band(view, bands, band, False, near, face, near, face)
    return near


def _shadow(
    mesh: Mesh, surface: Surface, camera: Camera, studio: Studio, points: int, threads: int | None
) -> tuple[View, np.ndarray]:
    """The first lamp's orthographic view of the mesh, and its nearness buffer."""
    centre, radius = ball_around(mesh.vertices, surface.faces)
    direction = studio.lamps[0].direction @ camera.axes
    x, y, z = (np.asarray(centre) + direction * 2 * radius).tolist()
    lamp = Camera(
        eye=(x, y, z), target=centre, projection="orthographic", height=2.02 * radius, near=1e-6
    )
    size = min(max(points, 64), 1024)
    view = view_mesh(mesh.vertices, surface.faces, lamp, size, size, threads)
    bands = sort_into_bands(view, threads)
    near = np.empty((size, size))

    def one_band(band: int) -> None:
        some = slice(band * BAND_ROWS, (band + 1) * BAND_ROWS)
        near[some] = _first_layer(view, bands, band, np.empty_like(near[some], np.int32))

    map_chunks(one_band, range(len(bands.start) - 1), threads=threads)
    return view, near


@tight
def _weights_of(view, top, face, weights, depth):
    for r in range(face.shape[0]):
        for x in range(face.shape[1]):
            f = face[r, x]
            if f >= 0:
                wa, wb, wc = corner_weights(view, f, x + 0.5, top + r + 0.5)
                a, b, c = view.faces[f, 0], view.faces[f, 1], view.faces[f, 2]
                weights[r, x, 0], weights[r, x, 1], weights[r, x, 2] = wa, wb, wc
                z = view.points[:, 2]
                depth[r, x] = wa * z[a] + wb * z[b] + wc * z[c]


@tight
def _resolve(samples, through, light, layer, seen, rgba, maps):
    """Points to pixels: colours multiplied by alpha are averaged in linear light."""
    share = 1.0 / (samples * samples)
    for y in range(rgba.shape[0]):
        for x in range(rgba.shape[1]):
            count = 0
            for r in range(y * samples, (y + 1) * samples):
                for c in range(x * samples, (x + 1) * samples):
                    for i in range(3):
                        rgba[y, x, i] += light[r, c, i] * share
                    rgba[y, x, 3] += (1 - through[r, c]) * share
                    if seen[r, c]:
                        count += 1
                        depth = layer[r, c, 0]
                        if count == 1 or depth < maps[y, x, 0]:
                            maps[y, x, 0] = depth
                        for i in range(1, 10):
                            maps[y, x, i] += layer[r, c, i]
            if count > 0:
                for i in range(4, 10):
                    maps[y, x, i] /= count
                size = np.sqrt(maps[y, x, 1] ** 2 + maps[y, x, 2] ** 2 + maps[y, x, 3] ** 2)
                for i in range(1, 4):
                    maps[y, x, i] /= max(size, np.float32(1e-12))
                maps[y, x, 10] = count * share


def _check_size(width: int, height: int, samples: int) -> None:
    if not (1 <= width <= LARGEST_PICTURE and 1 <= height <= LARGEST_PICTURE):
        raise EngineError(
            "picture_size",
            f"A picture of {width} x {height} pixels is not possible.",
            f"Choose sides from 1 to {LARGEST_PICTURE}; 512 is usual.",
        )
    if samples not in SAMPLES:
        raise EngineError(
            "picture_samples",
            f"{samples} samples per side of a pixel are not possible.",
            f"Choose one of {SAMPLES}.",
        )
