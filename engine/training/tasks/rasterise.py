"""Pictures of a surface with gradients.

What is visible is found by the CPU rasteriser of ``engine.render`` and has no gradient; on a GPU
the vertices are copied to the CPU for it and the faces seen come back, the rest happens on the
device. For the face at each pixel the ray's corner weights are computed again in torch, in float64,
so that gradients of depth, normal and attributes reach the vertices.

Where the outline lies has a gradient through ``mask`` alone: a pixel on it is covered by as much
as the outline leaves of the way to its neighbour's middle (analytic antialiasing as in Laine et al.
2020, "Modular primitives for high-performance differentiable rendering", but against all edges of
the silhouette, not those of one triangle, so that triangles smaller than a pixel do as well). It
is exact but for pixels on corners. Where one part hides another and where the near plane cuts, the
border has no gradient.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from engine.render.camera import Camera
from engine.render.picture import visible_faces
from engine.training.tasks.dual_surface import Surface

RADIUS = (2.0, 100.0)
THINNEST = 1e-3
"""Square pixels: the weights of a triangle seen so much from its side have no gradient."""


@dataclass(frozen=True)
class Raster:
    """What a camera sees. Pictures are (H, W) or (H, W, C) in the dtype of the vertices.

    Args:
        covered: (H, W) bool, whether there is a face at the middle of a pixel.
        depth: along the view in units of object space, 0 where nothing is.
        normal: (H, W, 3) unit normals of the faces in object space, towards the eye; 0 likewise.
        mask: share of a pixel that is covered, in [0, 1], exact on silhouettes as told above.
        corners: (P, 3) int64 vertices of the face at each covered pixel, row by row.
        weights: (P, 3) of these corners, sum 1.
    """

    covered: Tensor
    depth: Tensor
    normal: Tensor
    mask: Tensor
    corners: Tensor
    weights: Tensor

    def interpolate(self, attributes: Tensor) -> Tensor:
        """(H, W, C) picture of (V, C) vertex attributes, perspective-correct; 0 where nothing is.

        Its gradient reaches the attributes and the vertices.
        """
        values = (self.weights[..., None] * attributes[self.corners]).sum(1)
        return _picture(self.covered, values)


def rasterise(surface: Surface, camera: Camera, size: int) -> Raster:
    """Look at a surface.

    Args:
        surface: on the CPU or a CUDA device.
        camera: perspective, with every vertex in front of its eye.
        size: pixels to a side.

    Raises:
        EngineError: ``picture_size``, ``camera``.
    """
    vertices, faces = surface.vertices, surface.faces
    axes = torch.from_numpy(camera.axes).to(vertices.device)
    eye = torch.tensor(camera.eye, dtype=torch.float64, device=vertices.device)
    points = (vertices.double() - eye) @ axes.T
    focal = camera.pixels_per_unit(size)
    face = _visible(surface, camera, size)
    covered = face >= 0
    seen = face[covered]
    corners = faces[seen]
    at = points[corners]
    rays = _rays(covered, focal, size)
    weights = _weights(at, rays, focal)
    depth = (weights * at[..., 2]).sum(1)
    normal = torch.linalg.cross(at[:, 1] - at[:, 0], at[:, 2] - at[:, 0])
    normal = normal / normal.norm(dim=1, keepdim=True).clamp_min(1e-12)
    # Rays end in depth 1; winding is not told apart, what faces away is seen from its back.
    away = (normal[:, :2] * rays).sum(1) + normal[:, 2] > 0
    normal = torch.where(away[:, None], -normal, normal) @ axes
    dtype = vertices.dtype
    return Raster(
        covered=covered,
        depth=_picture(covered, depth.to(dtype)[:, None])[..., 0],
        normal=_picture(covered, normal.to(dtype)),
        mask=_mask(surface, points, covered, camera.near, focal).to(dtype),
        corners=corners,
        weights=weights.to(dtype),
    )


def random_camera(random: np.random.Generator) -> Camera:
    """A camera that looks from anywhere at the unit cube around the origin, which it may cut.

    Directions are even over the sphere, the square of the inverse distance over 1/100^2 to 1/2^2,
    the unit sphere of diameter 1 fills the picture, and the near plane lies between one unit before
    the middle and the middle: so inner parts are seen (as TRELLIS.2's trainers do).
    """
    near_by, far_off = RADIUS
    distance = float(random.uniform(far_off**-2, near_by**-2) ** -0.5)
    direction = random.normal(size=3)
    x, y, z = (direction / np.linalg.norm(direction) * distance).tolist()
    return Camera(
        eye=(x, y, z),
        fov_degrees=float(np.degrees(2 * np.arcsin(0.5 / distance))),
        near=float(random.uniform(distance - 1, distance)),
    )


def _visible(surface: Surface, camera: Camera, size: int) -> Tensor:
    """(size, size) int64 faces, -1 where there is none."""
    vertices = surface.vertices.detach().float().cpu().numpy()
    seen = visible_faces(vertices, surface.faces.int().cpu().numpy(), camera, width=size)
    return torch.from_numpy(seen.face.astype(np.int64)).to(surface.faces.device)


def _rays(covered: Tensor, focal: float, size: int) -> Tensor:
    """(P, 2) right and up of the ray through each covered pixel at depth 1, float64."""
    down, across = covered.nonzero().double().unbind(1)
    return torch.stack([across + 0.5 - size / 2, size / 2 - down - 0.5], dim=1) / focal


def _weights(at: Tensor, rays: Tensor, focal: float) -> Tensor:
    """(P, 3) corner weights where rays meet the planes of (P, 3, 3) triangles in camera space.

    Corners are moved along the ray to its origin; weights are the areas opposite of them.
    """
    flat = at[..., :2] - rays[:, None] * at[..., 2:]
    ahead, behind = flat.roll(-1, 1), flat.roll(-2, 1)
    areas = ahead[..., 0] * behind[..., 1] - ahead[..., 1] * behind[..., 0]
    total = areas.sum(1, keepdim=True)
    pixels = total.detach().abs() * (focal / at.detach()[..., 2].mean(1, keepdim=True)) ** 2 / 2
    broad = pixels > THINNEST
    return torch.where(broad, areas / torch.where(broad, total, 1.0), 1 / 3)


def _mask(surface: Surface, points: Tensor, covered: Tensor, near: float, focal: float) -> Tensor:
    """(H, W) share of each pixel that is covered, float64."""
    depth = points[:, 2:].clamp_min(near / 2)  # farther in front all is cut and nothing counts
    screen = points[:, :2] * points.new_tensor([1.0, -1.0]) * (focal / depth) + len(covered) / 2
    outline = _silhouette(surface, screen.detach(), (depth.detach() >= near)[:, 0])
    start, end = screen[outline].unbind(1)
    mask = covered.double()
    mask = mask + _border(start, end, covered)
    mask = mask + _border(start.flip(1), end.flip(1), covered.T).T
    return mask.clamp(0, 1)


def _silhouette(surface: Surface, screen: Tensor, kept: Tensor) -> Tensor:
    """(S, 2) int64 ends of the edges whose triangles all lie on one side of them in the picture.

    Args:
        screen: (V, 2) places in the picture.
        kept: (V,) bool, behind the near plane; edges of triangles that it cuts are left out.
    """
    faces, edges = surface.faces, surface.edges
    a, b, c = faces, faces.roll(-1, 1), faces.roll(-2, 1)
    start, end = torch.minimum(a, b), torch.maximum(a, b)
    along, other = screen[end] - screen[start], screen[c] - screen[start]
    side = along[..., 0] * other[..., 1] - along[..., 1] * other[..., 0]
    count = int(edges.max()) + 1 if len(edges) else 0
    left, right, cut = torch.zeros((3, count), dtype=torch.bool, device=faces.device)
    left[edges[side > 0]] = True
    right[edges[side < 0]] = True
    cut[edges[~kept[faces].all(1)]] = True
    ends = torch.zeros((count, 2), dtype=faces.dtype, device=faces.device)
    ends[edges.flatten()] = torch.stack([start, end], dim=-1).flatten(0, 1)
    return ends[~(left & right) & ~cut]


def _border(start: Tensor, end: Tensor, covered: Tensor) -> Tensor:
    """What (H, W) coverage gains or loses along the rows, where the mask ends.

    Between the middles of a covered pixel and of the next one, which is not, the mask ends at the
    outermost place where an edge crosses the row: behind it no triangle begins.

    Args:
        start, end: (S, 2) ends of silhouette edges, across and down.
    """
    size, (low, high) = len(covered), torch.stack([start[:, 1], end[:, 1]]).detach().aminmax(dim=0)
    first = (low - 0.5).ceil().clamp(0, size).long()
    rows = ((high - 0.5).ceil().clamp(0, size).long() - first).clamp_min(0)
    edge = torch.arange(len(rows), device=rows.device).repeat_interleave(rows)
    row = torch.arange(len(edge), device=rows.device) - (rows.cumsum(0) - rows)[edge] + first[edge]
    a, b = start[edge], end[edge]
    across = a[:, 0] + (b[:, 0] - a[:, 0]) * (row + 0.5 - a[:, 1]) / (b[:, 1] - a[:, 1])
    column = (across.detach() - 0.5).floor().long()
    inside = (column >= 0) & (column < size - 1)
    row, column, across = row[inside], column[inside], across[inside]
    from_left = covered[row, column]
    border = from_left != covered[row, column + 1]
    row, column, from_left = row[border], column[border], from_left[border]
    way = across[border] - (column + 0.5)
    way = torch.where(from_left, way, 1 - way)
    reach = way.new_full((size * size,), -1).scatter_reduce(0, row * size + column, way, "amax")
    found = (reach.detach() >= 0).nonzero()[:, 0]
    share = reach[found] - 0.5
    on_left = covered.flatten()[found]
    change = way.new_zeros(size * size)
    change = change.index_add(0, found + ~on_left, share.clamp(max=0))
    return change.index_add(0, found + on_left, share.clamp(min=0)).reshape(size, size)


def _picture(covered: Tensor, values: Tensor) -> Tensor:
    """(H, W, C) picture of (P, C) values at the covered pixels."""
    blank = values.new_zeros((*covered.shape, values.shape[1]))
    return blank.index_put((covered,), values)
