"""Training of the small picture encoder: from one picture, draw the voxels and their materials.

A stand-in for the self-supervised training that made DINOv3, which a project of this size cannot
repeat. The head that draws is thrown away; what it was fed with, the tokens, is the condition that
the flows are trained on.
"""

from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.networks.efficientnet_lite import EfficientNetLite0
from engine.networks.small_encoder import SmallEncoder
from engine.training.data.dataset import Dataset
from engine.training.data.tokens import pixels_of, square_of

FINE, COARSE, MATERIALS = 32, 16, 6
"""Grids on which occupancy and materials are drawn."""


class EncoderBatch(NamedTuple):
    """
    Args:
        names: of the assets.
        pixels: (B, 3, H, W) float32 normalised.
        seen: what the encoder's trunk makes of them; None: it has none.
        occupied: (B, 32, 32, 32) float32, 1 where a surface is.
        materials: (B, 16, 16, 16, 6) float32 in [0, 1], 0 where no surface is.
        surface: (B, 16, 16, 16) float32, 1 where a surface is.
    """

    names: list[str]
    pixels: Tensor
    seen: tuple[Tensor, Tensor] | None
    occupied: Tensor
    materials: Tensor
    surface: Tensor


class DrawingHead(nn.Module):
    """Tokens of the coarse grid to occupancy logits and materials.

    Args:
        channels: of the tokens.
        grid: cells an axis of the encoder's coarse grid.
    """

    def __init__(self, channels: int, grid: int) -> None:
        super().__init__()
        self.grid, self.fine, self.coarse = grid, FINE // grid, COARSE // grid
        self.hidden = nn.Sequential(nn.Linear(channels, 2 * channels), nn.GELU())
        self.to_occupied = nn.Linear(2 * channels, self.fine**3)
        self.to_materials = nn.Linear(2 * channels, self.coarse**3 * MATERIALS)
        nn.init.constant_(self.to_occupied.bias, -3.0)  # few cells are occupied

    def forward(self, cells: Tensor) -> tuple[Tensor, Tensor]:
        """(B, grid^3, channels) -> logits (B, 32, 32, 32), materials (B, 16, 16, 16, 6)."""
        h = self.hidden(cells)
        occupied = _unfold(self.to_occupied(h).float(), self.grid, self.fine, 1).squeeze(-1)
        materials = _unfold(self.to_materials(h).float(), self.grid, self.coarse, MATERIALS)
        return occupied, materials.sigmoid()


class EncoderTask:
    """Occupancy at 32^3 and materials at 16^3 from one picture.

    Args:
        networks: "image_encoder" alone; the head is added.
        dataset: with a resolution of 64 or 128, and pictures.
        device: of everything.
        batch_size: pictures a batch.
        resolution: whose voxels are drawn; a multiple of 32.
    """

    def __init__(
        self,
        networks: nn.ModuleDict,
        dataset: Dataset,
        device: torch.device,
        *,
        batch_size: int = 64,
        resolution: int = 64,
    ) -> None:
        encoder = networks["image_encoder"]
        assert isinstance(encoder, SmallEncoder)
        config = encoder.config
        self.networks = nn.ModuleDict(
            {"image_encoder": encoder, "head": DrawingHead(config.model_channels, config.grid)}
        ).to(device)
        self.config, self.dataset, self.device = config, dataset, device
        self.batch_size, self.resolution = batch_size, resolution
        self._seen: dict[tuple[int, int], tuple[Tensor, Tensor]] = {}
        self._squares: dict[tuple[int, int], np.ndarray] = {}
        self._targets: dict[int, tuple[np.ndarray, ...]] = {}

    def batch(self, random: np.random.Generator) -> EncoderBatch:
        chosen = random.integers(len(self.dataset), size=self.batch_size).tolist()
        views = random.integers(self.dataset.views, size=self.batch_size).tolist()
        squares = [self._square(i, v) for i, v in zip(chosen, views, strict=True)]
        pixels = pixels_of(squares).to(self.device)
        targets = [self._target(index) for index in chosen]
        occupied = np.stack([np.unpackbits(bits).reshape((FINE,) * 3) for bits, _, _ in targets])
        materials = np.zeros((len(chosen), COARSE, COARSE, COARSE, MATERIALS), np.float32)
        surface = np.zeros(materials.shape[:-1], np.float32)
        for number, (_, cells, values) in enumerate(targets):
            materials[number].reshape(-1, MATERIALS)[cells] = values / 255
            surface[number].reshape(-1)[cells] = 1
        return EncoderBatch(
            [self.dataset.names[index] for index in chosen],
            pixels,
            self._seen_by_trunk(list(zip(chosen, views, strict=True)), pixels),
            torch.from_numpy(occupied).float().to(self.device),
            torch.from_numpy(materials).to(self.device),
            torch.from_numpy(surface).to(self.device),
        )

    def loss(
        self, batch: EncoderBatch, generator: torch.Generator
    ) -> tuple[Tensor, dict[str, float]]:
        del generator
        logits, materials = self._drawn(batch)
        entropy = F.binary_cross_entropy_with_logits(logits, batch.occupied)
        inside = logits.sigmoid()
        both = (inside * batch.occupied).sum((1, 2, 3))
        either = (inside + batch.occupied).sum((1, 2, 3))
        dice = (1 - 2 * both / either.clamp(min=1)).mean()
        off = (materials - batch.materials).abs().mean(-1)
        material = (off * batch.surface).sum() / batch.surface.sum().clamp(min=1)
        loss = 10 * entropy + dice + 2 * material
        with torch.no_grad():
            found, wanted = logits > 0, batch.occupied > 0.5
            iou = (found & wanted).sum() / (found | wanted).sum().clamp(min=1)
        return loss, {
            "entropy": float(entropy.detach()),
            "dice": float(dice.detach()),
            "material": float(material.detach()),
            "iou": float(iou),
        }

    def describe(self, batch: EncoderBatch) -> str:
        return ", ".join(batch.names)

    @torch.no_grad()
    def pictures(self, random: np.random.Generator) -> dict[str, np.ndarray]:
        """Pictures, then the drawn and the true occupancy seen along y, side by side."""
        batch = self.batch(random)
        logits, _ = self._drawn(batch)
        rows = []
        for number in range(min(len(logits), 6)):
            square = batch.pixels[number].permute(1, 2, 0).cpu().numpy()
            square = (square - square.min()) / max(float(np.ptp(square)), 1e-6)
            seen = [volume.amax(1).cpu().numpy().T[::-1] for volume in (
                logits[number].sigmoid(), batch.occupied[number]
            )]  # fmt: skip
            scale = square.shape[0] // FINE
            rows.append(np.hstack([square, *(_enlarged(image, scale) for image in seen)]))
        return {"picture, drawn, true": (np.vstack(rows) * 255).astype(np.uint8)}

    def _square(self, index: int, view: int) -> np.ndarray:
        key = index, view
        if key not in self._squares:
            self._squares[key] = square_of(self.dataset, index, view, self.config.image_size)
        return self._squares[key]

    @torch.no_grad()
    def _seen_by_trunk(
        self, keys: list[tuple[int, int]], pixels: Tensor
    ) -> tuple[Tensor, Tensor] | None:
        """The trunk does not learn, so that each picture goes through it once."""
        trunk = self.networks["image_encoder"].trunk
        if not isinstance(trunk, EfficientNetLite0):
            return None
        fresh = [number for number, key in enumerate(keys) if key not in self._seen]
        if fresh:
            fine, coarse = trunk(pixels[fresh])
            for row, number in enumerate(fresh):
                self._seen[keys[number]] = fine[row].half().cpu(), coarse[row].half().cpu()
        pairs = [self._seen[key] for key in keys]
        fine, coarse = (
            torch.stack(each).to(self.device).float() for each in zip(*pairs, strict=True)
        )
        return fine, coarse

    def _drawn(self, batch: EncoderBatch) -> tuple[Tensor, Tensor]:
        tokens = self.networks["image_encoder"](batch.pixels, batch.seen)
        return self.networks["head"](tokens[:, -(self.config.grid**3) :])

    def _target(self, index: int) -> tuple[np.ndarray, ...]:
        """Bits of the fine occupancy; rows and uint8 mean materials of the coarse cells."""
        if index not in self._targets:
            voxels = self.dataset.voxels(index, self.resolution)
            coords = voxels.coords.astype(np.int64)
            fine = np.zeros(FINE**3, bool)
            fine[_flat(coords // (self.resolution // FINE), FINE)] = True
            cells, inverse, counts = np.unique(
                _flat(coords // (self.resolution // COARSE), COARSE),
                return_inverse=True,
                return_counts=True,
            )
            sums = np.zeros((len(cells), MATERIALS))
            np.add.at(sums, inverse, voxels.materials)
            means = np.rint(sums / counts[:, None]).astype(np.uint8)
            self._targets[index] = np.packbits(fine), cells, means
        return self._targets[index]


def _flat(cells: np.ndarray, size: int) -> np.ndarray:
    return (cells[:, 0] * size + cells[:, 1]) * size + cells[:, 2]


def _unfold(values: Tensor, grid: int, inner: int, channels: int) -> Tensor:
    """(B, grid^3, inner^3 * channels) -> (B, size, size, size, channels)."""
    values = values.unflatten(1, (grid,) * 3).unflatten(-1, (inner, inner, inner, channels))
    size = grid * inner
    return values.permute(0, 1, 4, 2, 5, 3, 6, 7).reshape(len(values), size, size, size, channels)


def _enlarged(image: np.ndarray, scale: int) -> np.ndarray:
    large = image.repeat(scale, axis=0).repeat(scale, axis=1)
    return np.repeat(large[:, :, None], 3, axis=2)
