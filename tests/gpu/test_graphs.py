"""Sampler steps in one batch and as CUDA graphs: the same samples, no waiting, no memory left."""

import gc
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from benchmarks.gpu_day import card
from engine.bench.networks import Reduction, random_network
from engine.bench.plan import SHAPE_SAMPLER, STRUCTURE_SAMPLER
from engine.networks.bound_flow import BoundFlow
from engine.report import Report
from engine.sampling import GUIDANCE, dense_spread, sample, sparse_spread, stepping
from engine.sampling.passes import GRAPH, LAUNCHED, ONE_BATCH, TWO_PASSES
from engine.sparse import SparseTensor
from engine.sparse.backends import preferring
from engine.systems.trellis2.generate import generate
from protocol.jobs import GenerateJob
from protocol.samplers import SamplerParams
from tests.gpu.test_on_a_card import FLOAT32, cells, waiting_refused
from tests.sampling.tape import TapeRecorder, taping
from tests.systems.trellis2.toy import INPUTS, given, picture, toy_models
from tests.tolerances import assert_same_maths

pytestmark = pytest.mark.gpu
FLOWS = ("sparse_structure_flow_model", "shape_slat_flow_model_512")


def recording(device: torch.device, *, on: bool = True) -> Any:
    """Steps as graphs; in a rehearsal on the CPU as tapes."""
    if not on:
        return preferring(LAUNCHED)
    return preferring(GRAPH) if device.type == "cuda" else taping(TapeRecorder())


def flow_on(
    device: torch.device, name: str, dtype: torch.dtype
) -> tuple[BoundFlow, Tensor, Any, SamplerParams]:
    """A small flow with a picture, its noise, spread and settings."""
    reduction = Reduction(width=128, blocks=2, scale=0.25)
    flow: Any = random_network(*reduction.args(name), device=device, torso_dtype=dtype)
    generator = torch.Generator().manual_seed(4)

    def drawn(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator).to(device)

    tokens = drawn(1, 69, flow.config.cond_channels)
    conditions = {True: flow.prepare(tokens), False: flow.prepare_zeros(1)}
    if name == FLOWS[0]:
        noise = drawn(1, flow.config.in_channels, *[flow.config.resolution] * 3)
        return BoundFlow(flow, conditions), noise, dense_spread, STRUCTURE_SAMPLER
    topology = cells(200).to(device)
    bound = BoundFlow(flow, conditions, lambda x: SparseTensor(topology, x))
    noise = drawn(200, flow.config.in_channels)
    return bound, noise, sparse_spread(topology.offsets), SHAPE_SAMPLER


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("name", FLOWS)
@torch.inference_mode()
def test_one_batch_and_graphs_change_no_sample(
    device: torch.device, name: str, dtype: torch.dtype
) -> None:
    passes, noise, spread, params = flow_on(device, name, dtype)
    found: dict[tuple[str, bool], Tensor] = {}
    for guidance in (TWO_PASSES, ONE_BATCH):
        for graph in (False, True):
            with (
                recording(device, on=graph),
                stepping(passes, device, guidance=GUIDANCE.backends[guidance]) as velocity,
            ):
                steps = list(sample(velocity, noise, params, spread=spread))
            found[guidance, graph] = steps[-1].x
    for guidance in (TWO_PASSES, ONE_BATCH):
        # The same kernels with the same numbers.
        assert_same_maths(found[guidance, True], found[guidance, False], torch.float32)
    assert_same_maths(found[ONE_BATCH, False], found[TWO_PASSES, False], dtype)
    assert not torch.equal(found[ONE_BATCH, True], noise)


@torch.inference_mode()
def test_no_replay_waits(device: torch.device) -> None:
    """In the shape's twelve steps nine are guided: one rehearses, one records, seven replay."""
    passes, noise, spread, params = flow_on(device, FLOWS[1], torch.float32)
    guidance = GUIDANCE.backends[ONE_BATCH]
    with recording(device), stepping(passes, device, guidance=guidance) as velocity:
        steps = sample(velocity, noise, params, spread=spread)
        seen = [next(steps), next(steps)]
        with waiting_refused(device):
            seen += [next(steps) for _ in range(7)]
        seen += [next(steps), next(steps)]
        with waiting_refused(device):
            seen.append(next(steps))
    assert seen[-1].t == 0 and bool(seen[-1].x.isfinite().all())


@torch.inference_mode()
def test_memory_of_graphs_comes_back(device: torch.device) -> None:
    passes, noise, spread, params = flow_on(device, FLOWS[1], torch.float32)
    left: list[int] = []
    for graph in (False, True, True):
        context = recording(device, on=graph)
        guidance = GUIDANCE.backends[ONE_BATCH]
        with context, stepping(passes, device, guidance=guidance) as velocity:
            steps = list(sample(velocity, noise, params, spread=spread))
        assert steps[-1].x.shape == noise.shape
        del velocity, steps
        gc.collect()
        card.forget(device)
        left.append(card.allocated(device))
    assert left[1] <= left[0] and left[2] <= left[0]


@pytest.mark.parametrize("graph", [False, True])
def test_a_request_with_graphs_gives_what_the_cpu_gives(
    device: torch.device, toy: Path, graph: bool
) -> None:
    job = GenerateJob(picture=given(picture()), type="128_cascade", seed=3)
    expected = generate(job, toy_models(toy), Report(), INPUTS)
    models = toy_models(toy, device=device, dtypes=FLOAT32)
    with recording(device) if graph else nullcontext():
        asset = generate(job, models, Report(), INPUTS)
    for name in ("coarse", "shape", "texture"):
        got, wanted = asset.latents[name], expected.latents[name]
        assert torch.equal(got.coords, wanted.coords), name
        torch.testing.assert_close(got.feats, wanted.feats, rtol=1e-3, atol=1e-3)
