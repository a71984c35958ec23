"""The sampler against recordings of the reference: schedule, calls, states, samples."""

import json
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from engine.checkpoints.pipeline import sampler_params
from engine.networks.bound_flow import BoundFlow
from engine.networks.latent_flow import LatentFlow
from engine.networks.structure_flow import StructureFlow
from engine.sampling import (
    GUIDANCE,
    Spread,
    Velocity,
    dense_spread,
    sample,
    schedule,
    sparse_spread,
    stepping,
)
from engine.sampling.velocity import Asked
from engine.sparse.tensor import SparseTensor
from protocol.samplers import SamplerParams
from tests.parity.recorded import DEVICE, case_network, cases, need, recording
from tests.sampling.alone import one_by_one
from tests.sampling.tape import TapeRecorder, taping
from tests.tolerances import assert_parity


class Case:
    """One recorded network with its parameter sets."""

    def __init__(self, folder: Path) -> None:
        description = json.loads(need(folder / "params.json").read_text(encoding="utf-8"))
        self.sampler = description["sampler"]
        self.sets: dict[str, dict] = description["params"]
        self.network = case_network(folder)
        self.io = recording(folder / "io.safetensors")

    def params(self, name: str) -> SamplerParams:
        return sampler_params({**self.sampler, "params": self.sets[name]})

    def alone(self, item: int) -> tuple[BoundFlow, Tensor, Spread, slice]:
        """One item as a request has it: its passes, its noise, its spread, and its rows."""
        pictures, noise = (self.io[name] for name in ("in.cond", "in.noise"))
        zeros = self.io["in.neg_cond"]
        conditions = {
            True: self.network.prepare(pictures[item : item + 1]),
            False: self.network.prepare(zeros[item : item + 1]),
        }
        if isinstance(self.network, StructureFlow):
            rows = slice(item, item + 1)
            return BoundFlow(self.network, conditions), noise[rows], dense_spread, rows
        start = SparseTensor.from_coords(self.io["in.coords"].int(), noise)
        rows, x = start.topology.slices[item], start.items()[item]
        concat = self.io.get("in.concat_cond")
        more = () if concat is None else (x.replace(concat[rows]),)
        bound = BoundFlow(self.network, conditions, x.replace, more)
        return bound, x.feats, sparse_spread(x.topology.offsets), rows

    def velocity(self) -> tuple[Velocity, Spread]:
        """The network with its conditions bound, and the spread that its kind of state needs."""
        conditions = {True: self.io["in.cond"], False: self.io["in.neg_cond"]}
        if isinstance(self.network, StructureFlow):
            flow = self.network

            def dense(x: Tensor, t: float, positive: bool) -> Tensor:
                return flow(x, torch.full((len(x),), 1000 * t, device=DEVICE), conditions[positive])

            return one_by_one(dense), dense_spread

        assert isinstance(self.network, LatentFlow)
        latent_flow = self.network
        start = SparseTensor.from_coords(self.io["in.coords"].int(), self.io["in.noise"])
        concat = self.io.get("in.concat_cond")
        shape = None if concat is None else start.replace(concat)

        def sparse(x: Tensor, t: float, positive: bool) -> Tensor:
            times = torch.full((start.batch_size,), 1000 * t, device=DEVICE)
            return latent_flow(start.replace(x), times, conditions[positive], shape).feats

        return one_by_one(sparse), sparse_spread(start.topology.offsets)


@pytest.fixture(scope="module", params=cases("sampler_*"))
def case(request, goldens: Path) -> Case:
    return Case(goldens / request.param)


def test_times_are_exactly_the_recorded_ones(case: Case):
    for name in case.sets:
        params = case.params(name)
        expected = case.io[f"out.{name}.t_seq"].tolist()
        assert schedule(params.steps, params.rescale_t) == expected, name


def test_states_predictions_and_samples(case: Case):
    velocity, spread = case.velocity()
    for name in case.sets:
        calls: list[tuple[float, bool]] = []

        def recorder(x: Tensor, t: float, asked: Asked, calls=calls) -> tuple[Tensor, ...]:
            calls += [(t, positive) for positive in asked]
            return velocity(x, t, asked)

        steps = list(sample(recorder, case.io["in.noise"], case.params(name), spread=spread))

        recorded_calls = case.io[f"out.{name}.model_is_neg"].tolist()
        assert [not positive for _, positive in calls] == [bool(c) for c in recorded_calls], name
        asked = np.array([1000 * t for t, _ in calls], np.float32)
        recorded_t = case.io[f"out.{name}.model_t"].cpu().numpy()
        np.testing.assert_array_equal(np.broadcast_to(asked[:, None], recorded_t.shape), recorded_t)

        states, ends = case.io[f"out.{name}.x_t"], case.io[f"out.{name}.x_0"]
        assert len(steps) == len(states) == len(ends)
        for step, state, end in zip(steps, states, ends, strict=True):
            assert_parity(step.x, state, f"{name}: x after step {step.index}")
            assert_parity(step.x_0, end, f"{name}: x_0 of step {step.index}")
        assert_parity(steps[-1].x, case.io[f"out.{name}.samples"], f"{name}: samples")


@pytest.mark.parametrize("guidance", GUIDANCE.backends)
@torch.inference_mode()
def test_samples_item_by_item_in_one_batch_and_replayed(case: Case, guidance: str):
    """As requests are sampled: a single item, conditions prepared, perhaps from a recording."""
    for item in range(len(case.io["in.cond"])):
        passes, noise, spread, rows = case.alone(item)
        for name in case.sets:
            for replaying in (False, True):
                with (
                    taping(TapeRecorder()) if replaying else nullcontext(),
                    stepping(passes, DEVICE, guidance=GUIDANCE.backends[guidance]) as velocity,
                ):
                    steps = list(sample(velocity, noise, case.params(name), spread=spread))
                recorded = case.io[f"out.{name}.samples"][rows]
                assert_parity(steps[-1].x, recorded, f"{name}: item {item}, {replaying=}")


def test_a_wrong_spread_would_be_seen(case: Case):
    """The recordings are sharp enough to tell the deviation from another measure of size."""
    velocity, _ = case.velocity()
    rescaled = [
        name
        for name in case.sets
        if case.params(name).guidance_rescale > 0
        and any(case.io[f"out.{name}.model_is_neg"].tolist())
    ]
    if not rescaled:
        pytest.skip("no parameter set rescales")
    for name in rescaled:
        steps = sample(velocity, case.io["in.noise"], case.params(name), spread=Tensor.max)
        last = list(steps)[-1].x
        with pytest.raises(AssertionError):
            assert_parity(last, case.io[f"out.{name}.samples"], name)
