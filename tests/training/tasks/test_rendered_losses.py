"""Losses on pictures: known values, and what they do to a sphere."""

import numpy as np
import pytest
import torch

from engine.training.tasks.dual_surface import Frame, Surface, quads_of, split_softly, true_faces
from engine.training.tasks.rasterise import Raster, random_camera, rasterise
from engine.training.tasks.rendered_losses import (
    MATERIAL_PICTURES,
    SHAPE_PICTURES,
    edge_loss,
    material_picture_losses,
    shape_picture_losses,
    ssim,
)
from tests.training.shapes import shape_mesh, voxels_of


def noise(seed: int, size: int = 24) -> torch.Tensor:
    return torch.rand(size, size, 3, generator=torch.Generator().manual_seed(seed)).double()


def test_ssim_of_the_same_is_one_and_it_is_symmetric():
    one, other = noise(0), noise(1)
    assert float(ssim(one, one)) == pytest.approx(1, abs=1e-12)
    assert float(ssim(one, other)) == pytest.approx(float(ssim(other, one)), abs=1e-12)
    assert -1 < float(ssim(one, other)) < 0.2


def test_ssim_of_plain_pictures_is_that_of_their_light():
    one, other = torch.full((12, 12, 1), 0.2), torch.full((12, 12, 1), 0.6)
    expected = (2 * 0.2 * 0.6 + 1e-4) / (0.2**2 + 0.6**2 + 1e-4)
    assert float(ssim(one.double(), other.double())) == pytest.approx(expected, abs=1e-6)


def test_ssim_of_one_window_by_its_definition():
    one, other = noise(2, 11)[..., :1], noise(3, 11)[..., :1]
    place = np.arange(11) - 5
    weights = np.exp(-(place[:, None] ** 2 + place**2) / (2 * 1.5**2))
    weights /= weights.sum()
    x, y = one[..., 0].numpy(), other[..., 0].numpy()
    mx, my = (weights * x).sum(), (weights * y).sum()
    vx, vy = (weights * (x - mx) ** 2).sum(), (weights * (y - my) ** 2).sum()
    both = (weights * (x - mx) * (y - my)).sum()
    c1, c2 = 0.01**2, 0.03**2
    expected = (2 * mx * my + c1) * (2 * both + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2))
    assert float(ssim(one, other)) == pytest.approx(expected, abs=1e-9)


def test_edges_tell_blur_from_a_shift_of_the_light():
    one = noise(4)
    blurred = torch.nn.functional.avg_pool2d(one.permute(2, 0, 1), 3, 1, 1).permute(1, 2, 0)
    assert float(edge_loss(one, one)) == 0
    assert float(edge_loss(one, one + 0.3)) == pytest.approx(0, abs=1e-12)
    assert float(edge_loss(one, blurred)) > 0.1
    step = torch.zeros(8, 8, 1)
    step[:, 4:] = 1
    # One of seven differences in each row at full size, one of three, the only one.
    expected = (1 / 7 + 1 / 3 + 1) / 3
    assert float(edge_loss(step, torch.zeros(8, 8, 1))) == pytest.approx(expected, abs=1e-6)


class Ball:
    """A voxelised sphere, looked at by some cameras."""

    def __init__(self) -> None:
        mesh = shape_mesh(0)
        voxels = voxels_of(mesh.vertices, mesh.faces, 12, 0.5)
        self.coords = torch.from_numpy(voxels.coords.astype(np.int64))
        self.dual = torch.from_numpy(voxels.dual())
        self.materials = torch.from_numpy(voxels.materials).float() / 255
        self.frame = Frame.around(voxels.coords)
        self.quads = torch.from_numpy(quads_of(voxels.coords, voxels.intersected))
        faces = torch.from_numpy(true_faces(voxels.coords, voxels.dual(), voxels.intersected))
        truth = Surface(self.frame.place(self.coords, self.dual), faces)
        random = np.random.default_rng(5)
        self.cameras = [random_camera(random) for _ in range(3)]
        self.truths = [rasterise(truth, camera, 24) for camera in self.cameras]

    def losses(self, dual: torch.Tensor, split: torch.Tensor) -> dict[str, torch.Tensor]:
        surface = split_softly(self.frame.place(self.coords, dual), split, self.quads)
        found = [
            shape_picture_losses(rasterise(surface, camera, 24), truth)
            for camera, truth in zip(self.cameras, self.truths, strict=True)
        ]
        return {name: torch.stack([parts[name] for parts in found]).mean() for name in found[0]}


def weighted(parts: dict[str, torch.Tensor]) -> torch.Tensor:
    return torch.stack([SHAPE_PICTURES[name] * part for name, part in parts.items()]).sum()


def test_a_few_steps_bring_a_sphere_nearer():
    ball = Ball()
    dual = torch.full_like(ball.dual, 0.5, requires_grad=True)
    split = torch.ones(len(dual), 1, requires_grad=True)
    optimizer = torch.optim.Adam([dual, split], lr=0.03)
    history = []
    for _ in range(12):
        parts = ball.losses(dual, split)
        history.append({name: float(part.detach()) for name, part in parts.items()})
        optimizer.zero_grad()
        weighted(parts).backward()
        optimizer.step()
    for name in ("depth", "normal", "normal_ssim", "normal_edges"):
        assert history[-1][name] < 0.8 * history[0][name], name
    before, after = (ball.dual - 0.5).square().mean(), (ball.dual - dual.detach()).square().mean()
    assert float(after) < 0.9 * float(before)  # also where the truth lies, not only its pictures


@pytest.mark.parametrize("name", SHAPE_PICTURES)
def test_every_loss_reaches_vertices_and_split_weights(name: str):
    ball = Ball()
    dual = (ball.dual * 0.7 + 0.1).requires_grad_()
    split = torch.ones(len(dual), 1, requires_grad=True)
    ball.losses(dual, split)[name].backward()
    # The outline runs between quads mostly, seldom through the point in the middle of one.
    for given in (dual,) if name == "mask" else (dual, split):
        assert given.grad is not None and bool(torch.isfinite(given.grad).all())
        assert float(given.grad.abs().max()) > 0


def test_the_same_surface_has_no_loss_and_each_difference_its_own():
    truth = Ball().truths[0]
    for part in shape_picture_losses(truth, truth).values():
        assert float(part) == pytest.approx(0, abs=1e-6)
    farther = Raster(**{**vars(truth), "depth": truth.depth + 0.1})
    changed = shape_picture_losses(farther, truth)
    share = float(truth.covered.double().mean())
    assert float(changed["depth"]) == pytest.approx(0.1 * share, rel=1e-4)
    assert float(changed["normal"]) == 0 and float(changed["mask"]) == 0


def test_materials_are_compared_by_their_maps():
    ball = Ball()
    made = ball.materials.clone()
    made[:, 4] += 0.25
    made.requires_grad_()
    parts = material_picture_losses(ball.truths[0], made, ball.materials)
    assert parts.keys() == MATERIAL_PICTURES.keys()
    assert float(parts["base_color"].detach()) == 0
    share = float(ball.truths[0].covered.double().mean())
    assert float(parts["factors"].detach()) == pytest.approx(0.25 * share / 3, rel=1e-4)
    torch.stack(list(parts.values())).sum().backward()
    assert made.grad is not None and bool((made.grad[:, 3:] != 0).any())
