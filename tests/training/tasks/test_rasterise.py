"""The differentiable rasteriser: what it shows, and its gradients against differences."""

import numpy as np
import pytest
import torch

from engine.render.camera import Camera
from engine.render.picture import visible_faces
from engine.training.tasks.dual_surface import Surface
from engine.training.tasks.rasterise import random_camera, rasterise
from tests import meshes

CAMERA = Camera(eye=(0.3, -1.8, 0.6), fov_degrees=34.0)


def bumpy_sheet() -> Surface:
    """Eighteen triangles, none of which is seen from its side."""
    vertices, faces = meshes.grid(3, 3, 0.1)
    upright = vertices[:, [0, 2, 1]] * 0.9 + np.array([0.013, 0.0, 0.021], np.float32)
    upright[:, 1] += 0.3 * upright[:, 0]
    return Surface(torch.from_numpy(upright).double(), torch.from_numpy(faces).long())


def square(side: float) -> Surface:
    corners = torch.tensor([[-1, 0, -1], [1, 0, -1], [1, 0, 1], [-1, 0, 1]], dtype=torch.float64)
    return Surface(corners * side / 2, torch.tensor([[0, 1, 2], [0, 2, 3]]))


def test_it_shows_what_the_plain_rasteriser_shows():
    vertices, faces = meshes.sphere(6)
    surface = Surface(torch.from_numpy(vertices), torch.from_numpy(faces).long())
    raster = rasterise(surface, CAMERA, 40)
    seen = visible_faces(vertices, faces, CAMERA, width=40)
    assert np.array_equal(raster.covered.numpy(), seen.face >= 0)
    assert np.allclose(raster.depth.numpy(), seen.depth, atol=1e-6)
    assert np.allclose(raster.weights.numpy(), seen.weights[seen.face >= 0], atol=1e-4)
    outwards = raster.interpolate(surface.vertices / surface.vertices.norm(dim=1, keepdim=True))
    cosine = (raster.normal * outwards).sum(-1)[raster.covered]
    assert cosine.min() > 0.9  # normals look outwards, as the eye sees them


@pytest.mark.parametrize("part", ["depth", "normal", "mask", "attributes"])
def test_gradients_are_those_of_differences(part: str):
    sheet = bumpy_sheet()
    vertices = sheet.vertices.clone().requires_grad_()
    colours = torch.rand(len(vertices), 2, generator=torch.Generator().manual_seed(1)).double()
    colours.requires_grad_()

    def picture(vertices: torch.Tensor, colours: torch.Tensor) -> torch.Tensor:
        raster = rasterise(Surface(vertices, sheet.faces), CAMERA, 16)
        if part == "attributes":
            return raster.interpolate(colours)
        return getattr(raster, part)

    given = (vertices, colours if part == "attributes" else colours.detach())
    assert bool(rasterise(sheet, CAMERA, 16).covered.any())
    assert torch.autograd.gradcheck(picture, given, eps=1e-6, atol=1e-5)


def test_the_mask_is_the_area_of_the_silhouette():
    camera = Camera(eye=(0.011, -2.0, 0.017), target=(0.011, 0, 0.017), fov_degrees=30.0)
    focal = camera.pixels_per_unit(32)
    for side in np.linspace(0.5, 0.6, 12):
        size = torch.tensor(side, dtype=torch.float64, requires_grad=True)
        flat = square(1.0)
        area = rasterise(Surface(flat.vertices * size, flat.faces), camera, 32).mask.sum()
        exact = float((side * focal / 2) ** 2)
        # Only the four corner pixels are not exact, by half a pixel at most.
        assert abs(float(area.detach()) - exact) < 2
        (slope,) = torch.autograd.grad(area, size)
        assert float(slope) == pytest.approx(2 * exact / side, rel=0.1)


def test_edges_inside_of_a_surface_are_no_silhouette():
    raster = rasterise(square(4.0), CAMERA, 16)  # fills the picture
    assert bool((raster.mask == 1).all()) and bool(raster.covered.all())
    ball, faces = meshes.sphere(3)
    mask = rasterise(
        Surface(torch.from_numpy(ball), torch.from_numpy(faces).long()), CAMERA, 32
    ).mask
    blended = (mask > 0) & (mask < 1)
    assert bool(blended.any()) and float(blended.float().mean()) < 0.15


def test_where_the_near_plane_cuts_the_mask_is_hard():
    camera = Camera(eye=(0, -2.0, 0), fov_degrees=30.0, near=1.9)
    tilted = square(4.0).vertices.clone()
    tilted[:, 1] = tilted[:, 0]  # the left half lies in front of the near plane
    vertices = tilted.requires_grad_()
    mask = rasterise(Surface(vertices, square(1.0).faces), camera, 16).mask
    assert set(mask.unique().tolist()) == {0.0, 1.0}
    (gradient,) = torch.autograd.grad(mask.sum(), vertices)
    assert not bool(gradient.any())


def test_a_triangle_from_its_side_has_no_wild_gradient():
    vertices = torch.tensor([[0, -0.4, 0], [0, 0.4, 0.3], [1e-7, 0.4, -0.3]], dtype=torch.float64)
    vertices.requires_grad_()
    camera = Camera(eye=(0, -2.0, 0), fov_degrees=30.0)
    raster = rasterise(Surface(vertices, torch.tensor([[0, 1, 2]])), camera, 17)
    (gradient,) = torch.autograd.grad(raster.depth.sum() + raster.mask.sum(), vertices)
    assert bool(torch.isfinite(gradient).all()) and float(gradient.abs().max()) < 100


def test_nothing_to_see_has_gradients_too():
    vertices = torch.zeros(3, 3, requires_grad=True)
    raster = rasterise(Surface(vertices, torch.zeros(0, 3, dtype=torch.int64)), CAMERA, 16)
    assert not bool(raster.covered.any()) and float(raster.mask.detach().sum()) == 0
    (raster.depth.sum() + raster.mask.sum()).backward()
    assert vertices.grad is not None and not bool(vertices.grad.any())


def test_random_cameras_cut_into_the_cube():
    random = np.random.default_rng(0)
    cameras = [random_camera(random) for _ in range(200)]
    distances = np.array([np.linalg.norm(camera.eye) for camera in cameras])
    near = np.array([camera.near for camera in cameras])
    assert distances.min() >= 2 and distances.max() <= 100
    assert ((distances - near > 0) & (distances - near < 1)).all()
    assert 0.3 < np.mean(distances - near < 0.5) < 0.7
    edge = [
        camera.pixels_per_unit(2) * 0.5 / d for camera, d in zip(cameras, distances, strict=True)
    ]
    assert np.allclose(edge, 1, atol=0.04)  # a ball of radius 0.5 fills the picture
