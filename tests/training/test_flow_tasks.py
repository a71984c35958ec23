"""The tasks of the three flows, on latents and tokens made up here."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from engine.models.dit import FlowConfig
from engine.models.latent_flow import LatentFlow
from engine.models.pipeline import Normalization
from engine.models.structure_flow import StructureFlow
from engine.sampling import SamplerParams
from engine.training.flow_matching import initialise_flow
from engine.training.flow_tasks import (
    Cells,
    FlowTask,
    Level,
    ShapeFlowTask,
    StructureFlowTask,
    TextureFlowTask,
)
from tests.models.tiny import FLOW_ARGS
from tests.tolerances import assert_same_maths

ASSETS, VIEWS, TOKENS, COND = 3, 2, 5, 8
SHAPE = Normalization((1.0, -1.0, 0.5, 0.0), (2.0, 3.0, 1.0, 1.5))
TEXTURE = Normalization((0.5, 0.5, -2.0, 1.0), (0.5, 2.0, 3.0, 1.0))
FOLLOW_PICTURE = SamplerParams(steps=20, guidance_strength=1.0)


def _tokens(asset: int, view: int) -> np.ndarray:
    # The asset is what counts; the view changes little.
    random = np.random.default_rng(asset)
    other = np.random.default_rng([asset, view])
    tokens = random.standard_normal((TOKENS, COND)) + 0.1 * other.standard_normal((TOKENS, COND))
    return tokens.astype(np.float16)


def _structure(asset: int) -> np.ndarray:
    return np.random.default_rng(asset).standard_normal((4, 2, 2, 2)).astype(np.float32)


def _cells(grid: int) -> Callable[[int], Cells]:
    def latent(asset: int) -> Cells:
        random = np.random.default_rng([asset, grid])
        flat = np.sort(random.choice(grid**3, size=3 + asset, replace=False))
        coords = np.stack(np.unravel_index(flat, (grid,) * 3), axis=1)
        shape = random.standard_normal((len(coords), 4)) * SHAPE.std + SHAPE.mean
        texture = random.standard_normal((len(coords), 4)) * TEXTURE.std + TEXTURE.mean
        return Cells(coords, shape.astype(np.float32), texture.astype(np.float32))

    return latent


def _levels(latent: Callable[[int], Any], batch_size: int = 4) -> list[Level[Any]]:
    names = [f"asset_{i}" for i in range(ASSETS)]
    return [Level(names, latent, _tokens, VIEWS, batch_size)]


def _flow(kind: Callable[[FlowConfig], nn.Module], **changes: Any) -> Any:
    flow = kind(FlowConfig(**{**FLOW_ARGS, **changes}))
    initialise_flow(flow, torch.Generator().manual_seed(5))  # pyright: ignore[reportArgumentType]
    return flow


def structure_task() -> StructureFlowTask:
    return StructureFlowTask(_flow(StructureFlow), _levels(_structure), sampler=FOLLOW_PICTURE)


def shape_task() -> ShapeFlowTask:
    return ShapeFlowTask(
        _flow(LatentFlow), _levels(_cells(3)), shape_norm=SHAPE, sampler=FOLLOW_PICTURE
    )


def texture_task() -> TextureFlowTask:
    return TextureFlowTask(
        _flow(LatentFlow, in_channels=8),
        _levels(_cells(3)),
        shape_norm=SHAPE,
        texture_norm=TEXTURE,
        sampler=FOLLOW_PICTURE,
    )


def _train(task: FlowTask[Any], steps: int) -> list[float]:
    random, generator = np.random.default_rng(1), torch.Generator().manual_seed(2)
    optimizer = torch.optim.AdamW(task.networks.parameters(), lr=1e-2, weight_decay=0)
    losses: list[float] = []
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = 1e-2 * (1 - step / steps)
        loss, _ = task.loss(task.batch(random), generator)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    return losses


@pytest.mark.parametrize("make", [structure_task, shape_task, texture_task])
def test_a_trained_flow_samples_the_latents_of_its_pictures(make: Callable[[], FlowTask[Any]]):
    task = make()
    losses = _train(task, 400)
    assert np.mean(losses[-20:]) < 0.4 * np.mean(losses[:5])
    batch = task.batch(np.random.default_rng(9))
    noise = torch.randn(batch.x_0.shape, generator=torch.Generator().manual_seed(4))
    got = task.sampled(batch, noise)
    missed = float((got - batch.x_0).square().mean() / batch.x_0.square().mean())
    print(make.__name__, losses[0], np.mean(losses[-20:]), missed)
    assert missed < 0.1
