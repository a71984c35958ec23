"""Counted arithmetic against torch's own counter, and against the published total."""

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from engine.bench.networks import Reduction, random_network
from engine.bench.plan import SHAPE_SAMPLER, STRUCTURE_SAMPLER, TEXTURE_SAMPLER
from engine.bench.work import forward_flop, matrix_rate, prepare_flop
from engine.networks.dit import FlowConfig
from engine.networks.latent_flow import LatentFlow
from engine.sampling import guided_steps
from engine.sparse import SparseTensor
from engine.systems.trellis2.networks import build_network

CPU = torch.device("cpu")


@pytest.mark.parametrize("zero", [False, True])
def test_flop_of_a_flow(zero: bool):
    args = Reduction(width=128, blocks=2, scale=0.25).args("tex_slat_flow_model_512")
    flow = random_network(*args, device=CPU, torso_dtype=torch.float32)
    assert isinstance(flow, LatentFlow)
    grid = torch.arange(6, dtype=torch.int32)
    coords = torch.cartesian_prod(grid[:1], grid, grid, grid)
    x, shape = (SparseTensor.from_coords(coords, torch.randn(216, 32)) for _ in "xs")
    picture = torch.zeros(1, 77, 1024) if zero else torch.randn(1, 77, 1024)
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH):
        with FlopCounterMode(display=False) as prepared:
            condition = flow.prepare(picture)
        with FlopCounterMode(display=False) as counter:
            flow(x, torch.tensor([500.0]), condition, shape)
    context = 0 if zero else 77
    # The timestep's own layers are not counted by us: one row, not one for each token.
    rest = 2 * (256 * 128 + 128 * 128 + 128 * 6 * 128)
    assert counter.get_total_flops() - rest == forward_flop(flow.config, 216, context)
    if not zero:
        assert prepared.get_total_flops() == prepare_flop(flow.config, 77)


def test_a_published_generation_is_two_petaflop():
    # anchors.md: 22 + 21 + 21 + 12 passes, close to 2.0 PFLOP at about 9.6 K tokens.
    passes = [STRUCTURE_SAMPLER.steps + guided_steps(STRUCTURE_SAMPLER)]
    passes += [SHAPE_SAMPLER.steps + guided_steps(SHAPE_SAMPLER)] * 2
    passes += [TEXTURE_SAMPLER.steps + guided_steps(TEXTURE_SAMPLER)]
    assert passes == [22, 21, 21, 12]
    sizes = [("sparse_structure_flow_model", 4096, 1029), ("shape_slat_flow_model_512", 2400, 1029)]
    sizes += [("shape_slat_flow_model_1024", 9600, 4101), ("tex_slat_flow_model_1024", 9600, 4101)]
    total = 0
    for (name, tokens, context), count in zip(sizes, passes, strict=True):
        config = build_network(*Reduction().args(name)).config
        assert isinstance(config, FlowConfig)
        total += count * forward_flop(config, tokens, context)
    assert 1.8e15 < total < 2.2e15


def test_the_rate_of_this_machine():
    assert 1e8 < matrix_rate(CPU, torch.float32) < 1e14
