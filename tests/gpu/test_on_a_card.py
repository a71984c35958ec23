"""What values decide, which fake tensors cannot show: the same on a card as on the CPU."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from engine.bench.networks import Reduction, random_network
from engine.bench.plan import SHAPE_SAMPLER
from engine.host.machine import working_dtypes
from engine.report import Report
from engine.residency.models import Models
from engine.residency.plan import Policy, Use
from engine.residency.streaming import BlockStream, streamed_bytes
from engine.sampling import sample, sparse_spread
from engine.sparse import SparseTensor, Topology
from engine.sparse.attention import attention
from engine.sparse.convolution import submanifold_conv3d
from engine.systems.trellis2.generate import generate
from protocol.jobs import GenerateJob
from tests.sampling.alone import one_by_one
from tests.sparse.grids import random_coords
from tests.systems.trellis2.toy import INPUTS, given, picture, toy_models
from tests.tolerances import assert_same_maths

pytestmark = pytest.mark.gpu
FLOAT32 = (torch.float32, torch.float32)
FLOW = "shape_slat_flow_model_64"


def cells(*counts: int, size: int = 9) -> Topology:
    return Topology(random_coords(counts, size))


def test_tables_of_a_grid(device: torch.device) -> None:
    here = cells(300, 41)
    there = here.to(device)
    assert torch.equal(there.neighbours.cpu(), here.neighbours)
    for (a, b), (c, d) in zip(there.neighbour_pairs, here.neighbour_pairs, strict=True):
        assert torch.equal(a.cpu(), c) and torch.equal(b.cpu(), d)
    assert there.offsets == here.offsets
    up, expected = there.coarsen(), here.coarsen()
    assert torch.equal(up.parents.coords.cpu(), expected.parents.coords)
    assert torch.equal(up.parent_rows.cpu(), expected.parent_rows)
    assert torch.equal(up.mask.cpu(), expected.mask)
    mask = torch.arange(8 * len(here)).view(-1, 8) % 3 == 0
    down, expected = there.subdivide(mask.to(device)), here.subdivide(mask)
    assert torch.equal(down.children.coords.cpu(), expected.children.coords)
    assert torch.equal(down.parent_rows.cpu(), expected.parent_rows)
    phases = there.rope_phases(12).cpu()
    torch.testing.assert_close(phases, here.rope_phases(12), rtol=1e-5, atol=1e-5)


# 5 channels go by row, 40 by direction
@pytest.mark.parametrize("channels", [5, 40])
def test_gradients_of_a_convolution(device: torch.device, channels: int) -> None:
    found = []
    for topology in (cells(200, 60), cells(200, 60).to(device)):
        generator = torch.Generator().manual_seed(3)
        leaves = [
            torch.randn(shape, generator=generator).to(topology.device).requires_grad_()
            for shape in ((260, channels), (24, 3, 3, 3, channels), (24,))
        ]
        feats, weight, bias = leaves
        out = submanifold_conv3d(SparseTensor(topology, feats), weight / 20, bias)
        found.append((out, *torch.autograd.grad(out.square().sum(), leaves)))
    for wanted, got in zip(*found, strict=True):
        assert_same_maths(got.detach().cpu(), wanted.detach(), torch.float32)


def test_gradients_of_attention(device: torch.device) -> None:
    offsets = [0, 30, 31, 75]
    found = []
    for place in (torch.device("cpu"), device):
        generator = torch.Generator().manual_seed(4)
        q, k, v = (
            torch.randn(75, 2, 16, generator=generator).to(place).requires_grad_() for _ in "qkv"
        )
        out = attention(q, k, v, q_offsets=offsets, k_offsets=offsets)
        found.append((out, *torch.autograd.grad(out.square().sum(), (q, k, v))))
    for wanted, got in zip(*found, strict=True):
        assert_same_maths(got.detach().cpu(), wanted.detach(), torch.float32)


@torch.inference_mode()
def test_streamed_blocks_compute_the_same(device: torch.device, toy: Path) -> None:
    models = toy_models(toy, dtypes=FLOAT32)
    whole: Any = models.checkpoint.load(FLOW, device=device, torso_dtype=torch.float32)
    network: Any = models.checkpoint.load(FLOW, device="cpu", torso_dtype=torch.float32)
    x = SparseTensor(cells(50, size=4).to(device), torch.randn(50, 4).to(device))
    tokens = torch.randn(1, 6, 8).to(device)
    t = torch.tensor([500.0], device=device)
    expected = whole(x, t, whole.prepare(tokens)).feats
    stream = BlockStream(network, device)
    # Many passes: what a copy overwrites too early is not seen in the first.
    for _ in range(20):
        got = network(x, t, network.prepare(tokens)).feats
        assert_same_maths(got, expected, torch.float32)
    assert stream.peak <= streamed_bytes(network)
    stream.close()
    assert {parameter.device.type for parameter in stream_weights(network)} == {"cpu"}


def stream_weights(network: torch.nn.Module) -> list[torch.Tensor]:
    return [p for p in network.get_submodule("blocks").parameters() if p.ndim > 1]


@torch.inference_mode()
def test_what_is_read_ahead_arrives_whole(device: torch.device, toy: Path) -> None:
    names = (FLOW, "shape_slat_flow_model_128") * 20
    models = toy_models(toy, device=device, dtypes=FLOAT32, policy=Policy.SINGLE, ahead=True)
    wanted = {
        name: models.checkpoint.load(name, device="cpu", torso_dtype=torch.float32).state_dict()
        for name in set(names)
    }
    models.plan([Use(name, 0) for name in names])
    busy = torch.randn(2000, 2000, device=device)
    for name in names:
        with models.on_device(name) as network:
            busy = (busy @ busy).clamp(-1, 1)  # the card is behind the host
            for key, tensor in network.state_dict().items():
                assert tensor.device.type == device.type
                assert torch.equal(tensor.cpu(), wanted[name][key]), (name, key)
    models.release()
    assert models.bytes_on_device == 0


@pytest.mark.parametrize("policy", Policy)
def test_a_request_gives_what_the_cpu_gives(
    device: torch.device, toy: Path, policy: Policy
) -> None:
    job = GenerateJob(picture=given(picture()), type="128_cascade", seed=3)
    expected = generate(job, toy_models(toy), Report(), INPUTS)
    models = toy_models(toy, device=device, dtypes=FLOAT32, policy=policy)
    asset = generate(job, models, Report(), INPUTS)
    assert models.policy is policy
    for name in ("coarse", "shape", "texture"):
        got, wanted = asset.latents[name], expected.latents[name]
        assert torch.equal(got.coords, wanted.coords), name
        torch.testing.assert_close(got.feats, wanted.feats, rtol=1e-3, atol=1e-3)
    grid, wanted = asset.voxels.grid, expected.voxels.grid
    assert abs(len(grid.coords) - len(wanted.coords)) <= 0.002 * len(wanted.coords)


def test_memory_comes_back(device: torch.device, toy: Path) -> None:
    job = GenerateJob(picture=given(picture()), type="64", seed=3)
    left = []
    for _ in range(3):
        models = toy_models(toy, device=device, dtypes=FLOAT32)
        generate(job, models, Report(), INPUTS)
        models.release()
        assert models.bytes_on_device == 0
        left.append(_allocated(device))
    assert left[2] <= left[0], "it grows from request to request"


def _allocated(device: torch.device) -> int:
    return torch.cuda.memory_allocated(device) if device.type == "cuda" else 0


@pytest.mark.parametrize("name", ["shape_slat_flow_model_512", "tex_slat_flow_model_512"])
@torch.inference_mode()
def test_no_sampling_step_waits(device: torch.device, name: str) -> None:
    """torch refuses what waits for the device, from the second step on: the first fills tables."""
    args = Reduction(width=256, blocks=2).args(name)
    flow: Any = random_network(*args, device=device, torso_dtype=working_dtypes(device)[0])
    topology = cells(500).to(device)
    channels = flow.config.out_channels
    noise = torch.randn(500, channels, device=device)
    more = [SparseTensor(topology, noise)] if flow.config.in_channels > channels else []
    conditions = {
        True: flow.prepare(torch.randn(1, 69, flow.config.cond_channels, device=device)),
        False: flow.prepare_zeros(1),
    }

    def velocity(x: torch.Tensor, t: float, positive: bool) -> torch.Tensor:
        time = torch.full((1,), 1000 * t, device=x.device)
        return flow(SparseTensor(topology, x), time, conditions[positive], *more).feats

    steps = sample(
        one_by_one(velocity), noise, SHAPE_SAMPLER, spread=sparse_spread(topology.offsets)
    )
    first = next(steps)
    with waiting_refused(device):
        rest = list(steps)
    assert len(rest) == SHAPE_SAMPLER.steps - 1
    assert bool(rest[-1].x.isfinite().all()) and not torch.equal(rest[-1].x, first.x)


@contextmanager
def waiting_refused(device: torch.device) -> Iterator[None]:
    if device.type != "cuda":
        yield
        return
    torch.cuda.set_sync_debug_mode("error")
    try:
        with pytest.raises(RuntimeError):  # else the test would hold on a torch that allows it
            torch.ones(1, device=device).item()
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_the_model_that_ships(device: torch.device) -> None:
    """A request in the dtypes that this device is given, and the same twice."""
    from engine import embedded
    from engine.systems.opening import load_checkpoint
    from protocol.references import File

    rocket = Path(__file__).parents[2] / "examples" / "rocket.png"
    models = Models(load_checkpoint(str(embedded.FOLDER), offline=True), device=device)
    job = GenerateJob(picture=File(str(rocket)), type="64", seed=0)
    first, second = (generate(job, models, Report()) for _ in range(2))
    assert len(first.mesh.faces) > 5000
    assert torch.equal(first.tensors["structure"], second.tensors["structure"])
    assert first.voxels.grid.coords.shape == second.voxels.grid.coords.shape
