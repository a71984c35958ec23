"""What the three flow networks learn: the velocity from noise to latents, given a picture.

A batch holds latents of one level, a level being a resolution with its own share of the batches
and its own batch size, so that steps of coarse and fine grids cost about the same.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Generic, NamedTuple, TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.checkpoints.pipeline import Normalization
from engine.networks.bound_flow import BoundFlow
from engine.networks.latent_flow import LatentFlow
from engine.networks.structure_flow import StructureFlow
from engine.sampling import GUIDANCE, dense_spread, sample, sparse_spread, stepping
from engine.sampling.passes import TWO_PASSES
from engine.sampling.velocity import POSITIVE
from engine.sparse.tensor import SparseTensor
from engine.sparse.topology import Topology
from engine.training.tasks.flow_matching import noised
from engine.training.tasks.flow_pictures import latent_picture, occupancy_picture
from protocol.samplers import SamplerParams

CONDITION_DROPPED = 0.1
"""Share of the samples that see an empty picture, so that guidance has a negative."""

FEW_STEPS = SamplerParams(steps=12, guidance_strength=3.0, rescale_t=3.0)
"""How sample pictures are made while training."""


class Cells(NamedTuple):
    """The sparse latents of one asset at one resolution, as the auto-encoders give them.

    Attributes:
        coords: (N, 3) int, occupied cells of the latent grid, x, y, z.
        shape: (N, C) float shape_latent.
        texture: (N, C) float texture_latent, rows as ``coords``; None where only shapes are
            learned.
    """

    coords: np.ndarray
    shape: np.ndarray
    texture: np.ndarray | None = None


Latent = TypeVar("Latent")


@dataclass(frozen=True)
class Level(Generic[Latent]):
    """The examples of one resolution.

    Attributes:
        names: of the assets.
        latent: asset number -> its latent: (C, R, R, R) float of a structure, else ``Cells``.
        tokens: (asset number, view) -> (T, cond_channels) float16 or float32 tokens of a picture
            of the asset, by the frozen picture encoder; T is the same for all.
        views: pictures per asset; one of them is drawn for each sample.
        batch_size: assets per batch.
        weight: share of the batches, relative to the other levels.
    """

    names: Sequence[str]
    latent: Callable[[int], Latent]
    tokens: Callable[[int, int], np.ndarray]
    views: int
    batch_size: int
    weight: float = 1.0


class FlowBatch(NamedTuple):
    """One batch of a flow, on the task's device.

    Attributes:
        names: asset and view of every item.
        x_0: normalised latent: (B, C, R, R, R), or rows (N, C) on ``cells``.
        tokens: (B, T, cond_channels) float32.
        cells: where the rows of a sparse latent are; None for a structure.
        concat_cond: (N, C) normalised shape_latent for a texture flow, else None.
    """

    names: list[str]
    x_0: Tensor
    tokens: Tensor
    cells: Topology | None = None
    concat_cond: Tensor | None = None


class FlowTask(ABC, Generic[Latent]):
    """What the three flows share; a ``Task`` of the training loop.

    Args:
        flow: the network, in float32, on ``device``.
        levels: at least one.
        device: where batches go.
        sampler: how ``pictures`` samples.
        times: mean and standard deviation of the logit of the times that are learned; a mean above
            0 learns more of what is near the noise, which is all that samplers of few steps see.
            None: all times in [0, 1] alike.
    """

    network_name: str
    """By which checkpoints and configurations know the network."""

    def __init__(
        self,
        flow: StructureFlow | LatentFlow,
        levels: Sequence[Level[Latent]],
        *,
        device: torch.device | str = "cpu",
        sampler: SamplerParams = FEW_STEPS,
        times: tuple[float, float] | None = None,
    ) -> None:
        self.flow = flow
        self.levels = tuple(levels)
        self.device = torch.device(device)
        self.sampler = sampler
        self.times = times
        self._networks = nn.ModuleDict({self.network_name: flow})

    @property
    def networks(self) -> nn.ModuleDict:
        """The flow, under its name in checkpoints."""
        return self._networks

    def batch(self, random: np.random.Generator) -> FlowBatch:
        """Assets of one level, each with a view, all drawn from ``random``."""
        weights = np.array([level.weight for level in self.levels])
        level = self.levels[random.choice(len(weights), p=weights / weights.sum())]
        return self._draw(level, level.batch_size, random)

    def loss(self, batch: FlowBatch, generator: torch.Generator) -> tuple[Tensor, dict[str, float]]:
        """Mean squared error of the velocity, each item at a time of its own.

        Args:
            generator: of the CPU; times, noise and which pictures are dropped come from it.
        """
        items = len(batch.tokens)
        t = self._drawn_times(items, generator).to(self.device)
        kept = torch.rand(items, generator=generator) >= CONDITION_DROPPED
        noise = torch.randn(batch.x_0.shape, generator=generator).to(self.device)
        if batch.cells is None:
            times = t.view(-1, *[1] * (batch.x_0.ndim - 1))
        else:
            times = batch.cells.expand(t)[:, None]
        x_t, target = noised(batch.x_0, noise, times)
        tokens = batch.tokens * kept.to(self.device)[:, None, None]
        (velocity,) = self._bound(batch, {True: tokens})(x_t, 1000 * t, POSITIVE)
        loss = F.mse_loss(velocity.float(), target)
        return loss, {"mse": float(loss.detach())}

    def describe(self, batch: FlowBatch) -> str:
        """Assets and views of a batch."""
        return ", ".join(batch.names)

    def pictures(self, random: np.random.Generator) -> dict[str, np.ndarray]:
        """A few samples beside the truth, per level: (H, W, 3) uint8."""
        drawn: dict[str, np.ndarray] = {}
        for number, level in enumerate(self.levels):
            batch = self._draw(level, min(4, level.batch_size), random)
            noise = torch.from_numpy(random.standard_normal(tuple(batch.x_0.shape), np.float32))
            picture = self._picture(batch, self.sampled(batch, noise.to(self.device)))
            if picture is not None:
                drawn[f"level_{number}"] = picture
        return drawn

    @torch.no_grad()
    def sampled(self, batch: FlowBatch, noise: Tensor) -> Tensor:
        """Normalised latents for the pictures of a batch, shaped like ``batch.x_0``."""
        conditions = {True: batch.tokens, False: torch.zeros_like(batch.tokens)}
        spread = dense_spread if batch.cells is None else sparse_spread(batch.cells.offsets)
        # In one batch pictures have to be prepared first.
        guidance = GUIDANCE.choose(self.device, noise.dtype, TWO_PASSES)
        x = noise
        with stepping(self._bound(batch, conditions), self.device, guidance=guidance) as velocity:
            for step in sample(velocity, noise, self.sampler, spread=spread):
                x = step.x
        return x

    def _drawn_times(self, items: int, generator: torch.Generator) -> Tensor:
        if self.times is None:
            return torch.rand(items, generator=generator)
        mean, std = self.times
        return torch.sigmoid(mean + std * torch.randn(items, generator=generator))

    def _draw(self, level: Level[Latent], items: int, random: np.random.Generator) -> FlowBatch:
        indices = random.integers(len(level.names), size=items).tolist()
        views = random.integers(level.views, size=items).tolist()
        tokens = [level.tokens(i, view) for i, view in zip(indices, views, strict=True)]
        return self._collate(
            [f"{level.names[i]} view {view}" for i, view in zip(indices, views, strict=True)],
            [level.latent(i) for i in indices],
            torch.from_numpy(np.stack(tokens)).to(self.device, torch.float32),
        )

    @abstractmethod
    def _collate(self, names: list[str], latents: list[Latent], tokens: Tensor) -> FlowBatch: ...

    @abstractmethod
    def _picture(self, batch: FlowBatch, got: Tensor) -> np.ndarray | None: ...

    def _bound(self, batch: FlowBatch, conditions: Mapping[bool, Tensor]) -> BoundFlow:
        if batch.cells is None:
            return BoundFlow(self.flow, conditions)
        more = () if batch.concat_cond is None else (SparseTensor(batch.cells, batch.concat_cond),)
        return BoundFlow(self.flow, conditions, partial(SparseTensor, batch.cells), more)


class StructureFlowTask(FlowTask[np.ndarray]):
    """Which cells hold anything: dense latents (C, R, R, R) of one grid size.

    The published pipeline does not normalise these latents, so neither does the task: the
    auto-encoder has to give them a spread of about 1.

    Args:
        decoder: shows what ``pictures`` samples, latents (B, C, R, R, R) -> logits (B, 1, ...);
            without it there are no pictures.
    """

    network_name = "structure_flow"

    def __init__(
        self,
        flow: StructureFlow,
        levels: Sequence[Level[np.ndarray]],
        *,
        device: torch.device | str = "cpu",
        sampler: SamplerParams = FEW_STEPS,
        times: tuple[float, float] | None = None,
        decoder: nn.Module | None = None,
    ) -> None:
        super().__init__(flow, levels, device=device, sampler=sampler, times=times)
        self.decoder = decoder

    def _collate(self, names: list[str], latents: list[np.ndarray], tokens: Tensor) -> FlowBatch:
        x_0 = torch.from_numpy(np.stack(latents)).to(self.device, torch.float32)
        return FlowBatch(names, x_0, tokens)

    @torch.no_grad()
    def _picture(self, batch: FlowBatch, got: Tensor) -> np.ndarray | None:
        if self.decoder is None:
            return None
        return occupancy_picture(*(self.decoder(z)[:, 0] > 0 for z in (batch.x_0, got)))


class ShapeFlowTask(FlowTask[Cells]):
    """The shape_latent on given cells.

    Args:
        shape_norm: statistics of the training data's shape latents.
    """

    network_name = "shape_flow"

    def __init__(
        self,
        flow: LatentFlow,
        levels: Sequence[Level[Cells]],
        *,
        shape_norm: Normalization,
        device: torch.device | str = "cpu",
        sampler: SamplerParams = FEW_STEPS,
        times: tuple[float, float] | None = None,
    ) -> None:
        super().__init__(flow, levels, device=device, sampler=sampler, times=times)
        self.shape_norm = shape_norm

    def _collate(self, names: list[str], latents: list[Cells], tokens: Tensor) -> FlowBatch:
        shape = _normalised([latent.shape for latent in latents], self.shape_norm, self.device)
        return FlowBatch(names, shape, tokens, _topology(latents, self.device))

    def _picture(self, batch: FlowBatch, got: Tensor) -> np.ndarray | None:
        return None if batch.cells is None else latent_picture(batch.cells, batch.x_0, got)


class TextureFlowTask(ShapeFlowTask):
    """The texture_latent that goes with a shape_latent; every latent needs its ``texture``.

    Args:
        texture_norm: statistics of the training data's texture latents.
    """

    network_name = "texture_flow"

    def __init__(
        self,
        flow: LatentFlow,
        levels: Sequence[Level[Cells]],
        *,
        shape_norm: Normalization,
        texture_norm: Normalization,
        device: torch.device | str = "cpu",
        sampler: SamplerParams = FEW_STEPS,
        times: tuple[float, float] | None = None,
    ) -> None:
        super().__init__(
            flow, levels, shape_norm=shape_norm, device=device, sampler=sampler, times=times
        )
        self.texture_norm = texture_norm

    def _collate(self, names: list[str], latents: list[Cells], tokens: Tensor) -> FlowBatch:
        textures = [latent.texture for latent in latents if latent.texture is not None]
        if len(textures) != len(latents):
            raise ValueError("a latent without texture cannot train a texture flow")
        texture = _normalised(textures, self.texture_norm, self.device)
        shape_batch = super()._collate(names, latents, tokens)
        return shape_batch._replace(x_0=texture, concat_cond=shape_batch.x_0)


def _normalised(latents: Sequence[np.ndarray], norm: Normalization, device: torch.device) -> Tensor:
    feats = torch.from_numpy(np.concatenate(latents)).to(device, torch.float32)
    return norm.normalize(feats)


def _topology(latents: Sequence[Cells], device: torch.device) -> Topology:
    counts = [len(latent.coords) for latent in latents]
    items = np.repeat(np.arange(len(latents)), counts)[:, None]
    coords = np.concatenate([items, np.concatenate([latent.coords for latent in latents])], axis=1)
    return Topology(torch.from_numpy(coords.astype(np.int32)).to(device), len(latents))
