"""Sampling never waits for the device, nor sends anything to it, once it has begun.

On fake tensors whatever needs a value of the device on the host fails (``item``, ``bool``,
``tolist``, ``nonzero``); copies between the two are counted.
"""

from dataclasses import replace
from typing import Any

import pytest
import torch

from engine.bench.networks import Reduction
from engine.bench.plan import SHAPE_SAMPLER, STRUCTURE_SAMPLER, TEXTURE_SAMPLER
from engine.host.machine import working_dtypes
from engine.networks.bound_flow import BoundFlow
from engine.sampling import (
    GUIDANCE,
    Spread,
    dense_spread,
    guided_steps,
    sample,
    sparse_spread,
    stepping,
)
from engine.sampling.passes import ONE_BATCH, TWO_PASSES
from engine.sparse import SparseTensor
from engine.systems.trellis2.networks import build_network
from protocol.samplers import SamplerParams
from tests.gpu_without_card.card import CUDA, Transfers, fake_topology, on_card, pretended_card
from tests.gpu_without_card.test_networks import KERNELS, empty, grid_of
from tests.sampling.alone import one_by_one

CELLS = 500
FLOWS = {
    "sparse_structure_flow_model": STRUCTURE_SAMPLER,
    "shape_slat_flow_model_512": SHAPE_SAMPLER,
    "tex_slat_flow_model_512": TEXTURE_SAMPLER,
}
CASES = [(name, TWO_PASSES) for name in FLOWS]
CASES += [(name, ONE_BATCH) for name, params in FLOWS.items() if guided_steps(params)]


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize(("name", "guidance"), CASES)
@torch.inference_mode()
def test_steps(name: str, kernel: str, guidance: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As ``engine/systems/trellis2/stages.py`` samples, in the published width, of two blocks."""
    capability, flash = KERNELS[kernel]
    with pretended_card(monkeypatch, capability, flash=flash):
        args = Reduction(blocks=2).args(name)
        flow = on_card(lambda: build_network(*args, torso_dtype=working_dtypes(CUDA)[0]))
        channels = flow.config.in_channels
        more: tuple[Any, ...] = ()
        spread: Spread = dense_spread
        if name == "sparse_structure_flow_model":
            noise = empty(1, channels, *[flow.config.resolution] * 3)
            wrap: Any = lambda x: x  # noqa: E731
        else:
            cells = fake_topology(grid_of(CELLS))
            spread = sparse_spread(cells.offsets)
            if name.startswith("tex"):
                channels //= 2
                more = (SparseTensor(cells, empty(CELLS, channels)),)
            noise = empty(CELLS, channels)
            wrap = lambda x: SparseTensor(cells, x)  # noqa: E731
        conditions = {
            True: flow.prepare(empty(1, 1029, flow.config.cond_channels), zero_shortcut=False),
            False: flow.prepare_zeros(1),
        }
        passes = BoundFlow(flow, conditions, wrap, more)
        # Lengths of one item and of its picture; of a batch of two beside them.
        tables = 3 if guidance == ONE_BATCH else 2
        with stepping(passes, CUDA, guidance=GUIDANCE.backends[guidance]) as velocity:
            _walk(velocity, noise, FLOWS[name], spread, first=tables if kernel == "varlen" else 0)


def _walk(
    velocity: Any, noise: torch.Tensor, params: SamplerParams, spread: Spread, *, first: int
) -> None:
    """Sample; ``first``: tables that the first step may send, kept for the others."""
    steps = 0
    with Transfers() as transfers:
        for step in sample(velocity, noise, params, spread=spread):
            assert step.x.device == CUDA
            assert step.x.shape == noise.shape
            steps += 1
            assert transfers.to_host == []
            assert len(transfers.to_device) <= first, transfers.to_device
    assert steps == params.steps


@torch.inference_mode()
def test_saved_steps_wait_for_nothing_either(monkeypatch: pytest.MonkeyPatch) -> None:
    with pretended_card(monkeypatch):
        asked: list[float] = []

        def velocity(x: torch.Tensor, t: float, _: bool) -> torch.Tensor:
            asked.append(t)
            return x * t

        params = replace(STRUCTURE_SAMPLER, reuse_after=6)
        _walk(one_by_one(velocity), empty(1, 8, 4, 4, 4), params, dense_spread, first=0)
        assert len(set(asked)) == params.steps - len(params.saved_steps) < params.steps


@pytest.mark.parametrize(
    ("read", "to_host", "to_device"),
    [
        (lambda x: x.cpu(), 1, 0),
        (lambda x: x.to("cpu", torch.float64), 1, 0),
        (lambda x: torch.empty(3, 2).copy_(x), 1, 0),
        (lambda x: torch.empty(3, 2).to(x.device), 0, 1),
        (lambda x: torch.tensor([1, 2], device=x.device), 0, 1),
        (lambda x: x.to(torch.float16), 0, 0),
        (lambda x: x * 3 + torch.full((1,), 2.0, device=x.device), 0, 0),
    ],
)
def test_transfers_are_seen(
    read: Any, to_host: int, to_device: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pretended_card(monkeypatch):
        x = empty(3, 2)
        with Transfers() as transfers:
            read(x)
        assert (len(transfers.to_host), len(transfers.to_device)) == (to_host, to_device)


@pytest.mark.parametrize(
    "wait",
    [
        lambda x: x.sum().item(),
        lambda x: bool(x.any()),
        lambda x: x.nonzero(),
        lambda x: x[x > 0],
        lambda x: x.unique(),
        lambda x: int(x.argmax()),
        lambda x: torch.equal(x, x),
    ],
)
def test_what_waits_fails(wait: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    # The last is what int() and float() say, which do not come as far as the fake mode here.
    refusals = ("_local_scalar_dense", "nonzero", "unique", "index", "equal", "cuda devices")
    with (
        pretended_card(monkeypatch),
        Transfers(),
        pytest.raises(Exception, match="|".join(refusals)),
    ):
        wait(empty(3, 2))
