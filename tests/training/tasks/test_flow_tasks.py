"""The tasks of the three flows, on latents and tokens made up here."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

import numpy as np
import pytest
import torch
from torch import Tensor

from engine.checkpoints.pipeline import Normalization
from engine.networks.dit import FlowConfig
from engine.networks.latent_flow import LatentFlow
from engine.networks.structure_flow import StructureFlow
from engine.networks.structure_vae import StructureDecoder, StructureDecoderConfig
from engine.sparse.tensor import SparseTensor
from engine.sparse.topology import Topology
from engine.training.tasks.flow_matching import initialise_flow
from engine.training.tasks.flow_pictures import latent_picture
from engine.training.tasks.flow_tasks import (
    Cells,
    FlowBatch,
    FlowTask,
    Level,
    ShapeFlowTask,
    StructureFlowTask,
    TextureFlowTask,
)
from protocol.samplers import SamplerParams
from tests.checkpoints.tiny import FLOW_ARGS
from tests.tolerances import assert_same_maths

Flow = TypeVar("Flow", LatentFlow, StructureFlow)
VIEWS, TOKENS, COND = 2, 5, 8
SHAPE = Normalization((1.0, -1.0, 0.5, 0.0), (2.0, 3.0, 1.0, 1.5))
TEXTURE = Normalization((0.5, 0.5, -2.0, 1.0), (0.5, 2.0, 3.0, 1.0))
FOLLOW_PICTURE = SamplerParams(steps=12, guidance_strength=1.0)


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    # Networks this small are slower on two, and much slower on two busy ones.
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


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


def _level(latent: Callable[[int], Any], assets: int = 3, **changes: Any) -> Level[Any]:
    names = [f"asset_{i}" for i in range(assets)]
    return replace(Level(names, latent, _tokens, VIEWS, batch_size=16), **changes)


def _flow(kind: Callable[[FlowConfig], Flow], **changes: Any) -> Flow:
    flow = kind(FlowConfig(**{**FLOW_ARGS, **changes}))
    initialise_flow(flow, torch.Generator().manual_seed(5))
    return flow


def _structure_task(assets: int = 3, **changes: Any) -> StructureFlowTask:
    levels = [_level(_structure, assets)]
    return StructureFlowTask(_flow(StructureFlow), levels, sampler=FOLLOW_PICTURE, **changes)


def _shape_task(assets: int = 3) -> ShapeFlowTask:
    levels = [_level(_cells(3), assets)]
    return ShapeFlowTask(_flow(LatentFlow), levels, shape_norm=SHAPE, sampler=FOLLOW_PICTURE)


def _texture_task(assets: int = 3) -> TextureFlowTask:
    return TextureFlowTask(
        _flow(LatentFlow, in_channels=8),
        [_level(_cells(3), assets)],
        shape_norm=SHAPE,
        texture_norm=TEXTURE,
        sampler=FOLLOW_PICTURE,
    )


EVERY_TASK = pytest.mark.parametrize("make", [_structure_task, _shape_task, _texture_task])


def _noise(like: Tensor) -> Tensor:
    return torch.randn(like.shape, generator=torch.Generator().manual_seed(4))


def _missed(got: Tensor, wanted: Tensor) -> float:
    return float((got - wanted).square().mean() / wanted.square().mean())


@pytest.mark.parametrize("make", [partial(_structure_task, 1), partial(_texture_task, 2)])
def test_a_trained_flow_samples_its_latents(make: Callable[[], FlowTask[Any]]):
    task, steps = make(), 300
    random, generator = np.random.default_rng(1), torch.Generator().manual_seed(2)
    optimizer = torch.optim.AdamW(task.networks.parameters(), weight_decay=0)
    losses: list[float] = []
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = 1e-2 * (1 - step / steps)
        loss, _ = task.loss(task.batch(random), generator)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert np.mean(losses[-20:]) < 0.15 * losses[0]
    batch = task.batch(np.random.default_rng(9))
    noise = _noise(batch.x_0)
    assert _missed(noise, batch.x_0) > 1
    assert _missed(task.sampled(batch, noise), batch.x_0) < 0.05


class _Knowing(torch.nn.Module):
    """In place of a network: the exact velocity, worked out from the state and the time alone."""

    def __init__(self, batch: FlowBatch) -> None:
        super().__init__()
        self.batch = batch
        self.empty: list[bool] = []

    def forward(self, x: Any, time: Tensor, tokens: Tensor, concat_cond: Any = None) -> Any:
        self.empty += [not bool(picture.any()) for picture in tokens]
        if self.batch.concat_cond is not None:
            assert torch.equal(concat_cond.feats, self.batch.concat_cond)
        t = (time / 1000).double().expand(len(tokens))
        if isinstance(x, SparseTensor):
            return x.replace(self._velocity(x.feats, x.topology.expand(t)[:, None]))
        return self._velocity(x, t.view(-1, 1, 1, 1, 1))

    def _velocity(self, x: Tensor, t: Tensor) -> Tensor:
        x_0 = self.batch.x_0.double()
        noise = (x - (1 - t) * x_0) / (1e-5 + (1 - 1e-5) * t)
        return ((1 - 1e-5) * noise - x_0).float()


def _knowing_task(make: Callable[[], FlowTask[Any]]) -> tuple[FlowTask[Any], FlowBatch, _Knowing]:
    task = make()
    batch = task.batch(np.random.default_rng(3))
    task.flow = knowing = _Knowing(batch)  # pyright: ignore[reportAttributeAccessIssue]
    return task, batch, knowing


@EVERY_TASK
def test_the_target_is_the_velocity_that_the_sampler_follows(make: Callable[[], FlowTask[Any]]):
    task, batch, knowing = _knowing_task(make)
    loss, parts = task.loss(batch, torch.Generator().manual_seed(0))
    assert float(loss) < 1e-6
    assert parts == {"mse": float(loss)}
    for strength, empty in ((1.0, {False}), (0.0, {True}), (3.0, {False, True})):
        knowing.empty.clear()
        task.sampler = SamplerParams(steps=4, guidance_strength=strength, guidance_rescale=0.5)
        assert _missed(task.sampled(batch, _noise(batch.x_0)), batch.x_0) < 1e-6
        assert set(knowing.empty) == empty


def test_one_picture_in_ten_is_dropped():
    task, batch, knowing = _knowing_task(_structure_task)
    generator = torch.Generator().manual_seed(0)
    for _ in range(100):
        task.loss(batch, generator)
    share = float(np.mean(knowing.empty))
    assert len(knowing.empty) == 1600
    assert 0.07 < share < 0.13


def test_latents_are_normalised_and_rows_stay_with_their_asset_and_picture():
    task = _texture_task()
    batch = task.batch(np.random.default_rng(3))
    assert batch.cells is not None and batch.concat_cond is not None
    shape, texture = SHAPE.denormalize(batch.concat_cond), TEXTURE.denormalize(batch.x_0)
    for item, rows in enumerate(batch.cells.slices):
        name, _, view = batch.names[item].partition(" view ")
        asset = int(name.removeprefix("asset_"))
        coords, true_shape, true_texture = _cells(3)(asset)
        assert true_texture is not None
        assert np.array_equal(batch.cells.coords[rows, 1:].numpy(), coords)
        assert_same_maths(shape[rows], torch.from_numpy(true_shape), torch.float32)
        assert_same_maths(texture[rows], torch.from_numpy(true_texture), torch.float32)
        tokens = torch.from_numpy(_tokens(asset, int(view))).float()
        assert torch.equal(batch.tokens[item], tokens)
    assert len(set(batch.names)) == 3 * VIEWS
    assert task.describe(batch) == ", ".join(batch.names)


def test_all_chance_comes_from_the_generators():
    task = _shape_task()

    def loss(seed: int, noise_seed: int) -> float:
        batch = task.batch(np.random.default_rng(seed))
        return task.loss(batch, torch.Generator().manual_seed(noise_seed))[1]["mse"]

    assert loss(1, 2) == loss(1, 2)
    assert len({loss(1, 2), loss(1, 3), loss(2, 2)}) == 3


def test_levels_share_the_batches_by_weight_and_have_their_own_size():
    coarse = _level(_cells(2), batch_size=6, weight=1)
    fine = _level(_cells(4), batch_size=2, weight=3)
    task = ShapeFlowTask(_flow(LatentFlow), [coarse, fine], shape_norm=SHAPE)
    random = np.random.default_rng(0)
    sizes = [len(task.batch(random).names) for _ in range(200)]
    assert set(sizes) == {6, 2}
    assert 0.65 < sizes.count(2) / 200 < 0.85


def test_a_latent_without_texture_is_refused():
    level = _level(lambda asset: _cells(3)(asset)._replace(texture=None))
    task = _texture_task()
    task.levels = (level,)
    with pytest.raises(ValueError, match="without texture"):
        task.batch(np.random.default_rng(0))


def test_pictures_show_truth_and_samples():
    decoder = StructureDecoder(StructureDecoderConfig(1, 4, 1, [8, 4]))
    (structure,) = _structure_task(decoder=decoder).pictures(np.random.default_rng(1)).values()
    # Four items of 4 cells and a gap, from two sides, true and sampled; 4 pixels per cell.
    assert structure.shape == (4 * 5 * 4, 4 * 5 * 4, 3)
    assert _structure_task().pictures(np.random.default_rng(1)) == {}
    (shape,) = _shape_task().pictures(np.random.default_rng(1)).values()
    assert shape.dtype == np.uint8
    truth, samples = np.split(shape, 2)
    assert np.array_equal(truth.any(axis=2), samples.any(axis=2))
    assert not np.array_equal(truth, samples)


def test_the_cell_in_front_is_seen():
    coords = torch.tensor([[0, 0, 2, 1], [0, 0, 0, 1], [0, 0, 1, 1]], dtype=torch.int32)
    feats = torch.tensor([[-2.0], [2.0], [0.0]])
    picture = latent_picture(Topology(coords), feats, feats)
    # The grid has three cells per axis, of 4 pixels; z is up, so z = 1 is the middle row.
    assert picture.shape == (2 * 4 * 4, 4 * 4, 3)
    assert picture[5, 1].tolist() == [255, 255, 255]
    assert not picture[:4, :12].any()


def test_times_lean_towards_the_noise_where_asked():
    generator = torch.Generator().manual_seed(1)
    seen: list[Tensor] = []

    def times_of(**changes: Any) -> Tensor:
        task = _structure_task(1, **changes)
        seen.clear()
        hook = task.flow.register_forward_pre_hook(lambda _, given: seen.append(given[1]))
        with hook:
            for _ in range(20):
                task.loss(task.batch(np.random.default_rng(1)), generator)
        return torch.cat(seen) / 1000

    usual, late = times_of(), times_of(times=(1.0, 1.0))
    for times in (usual, late):
        assert float(times.min()) >= 0 and float(times.max()) <= 1
    assert abs(float(usual.mean()) - 0.5) < 0.05
    assert abs(float(torch.logit(late).mean()) - 1) < 0.15
    assert abs(float(torch.logit(late).std()) - 1) < 0.15
