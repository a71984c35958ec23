"""Flow networks with weights of one byte: how far their velocities are from the recorded ones."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from engine.networks.latent_flow import LatentFlow
from engine.networks.scaled_linear import ScaledLinear, Scheme, scale_linears
from engine.sparse.tensor import SparseTensor
from tests.parity.recorded import case_network, cases, recording

BOUNDS: dict[Scheme, float] = {"int8": 0.01, "fp8": 0.04}
"""Largest relative error of a velocity, root mean square."""


def relative(a: Tensor, b: Tensor) -> float:
    return ((a - b).norm() / b.norm()).item()


def velocity(file: Path, scheme: Scheme) -> tuple[Tensor, Tensor]:
    io = recording(file)
    flow = case_network(file.parent)
    assert scale_linears(flow.blocks, scheme) >= 6 * len(flow.blocks)
    if not isinstance(flow, LatentFlow):
        return flow(io["in.x"], io["in.t"], io["in.cond"]), io["out.v"]
    coords = io["in.coords"].int()
    x = SparseTensor.from_coords(coords, io["in.x_feats"])
    concat = io.get("in.concat_cond")
    concat = None if concat is None else SparseTensor.from_coords(coords, concat)
    return flow(x, io["in.t"], io["in.cond"], concat).feats, io["out.v"]


@pytest.mark.parametrize("scheme", BOUNDS)
@pytest.mark.parametrize("file", cases("s*_flow_*/io*.safetensors"))
@torch.inference_mode()
def test_velocity_stays_within_the_bound(goldens: Path, file: str, scheme: Scheme):
    error = relative(*velocity(goldens / file, scheme))
    # Above 0: the layers were replaced.
    assert 1e-5 < error < BOUNDS[scheme]


@pytest.mark.parametrize(("scheme", "step"), [("int8", 1 / 254), ("fp8", 1 / 16)])
def test_small_rows_survive_as_well_as_large_ones(scheme: Scheme, step: float):
    linear = nn.Linear(64, 3, bias=False)
    size = torch.tensor([1e-6, 1.0, 1e4])
    with torch.no_grad():
        linear.weight.copy_(torch.rand(3, 64, generator=torch.Generator().manual_seed(0)) + 0.1)
        linear.weight.mul_(size[:, None])
    got = ScaledLinear(linear, scheme)(torch.eye(64)).T
    assert got.dtype == torch.float32
    worst = ((got - linear.weight).abs().amax(1) / linear.weight.abs().amax(1)).max()
    assert 0 < worst < step * 1.01


def test_a_row_of_zeros_stays_zero():
    linear = nn.Linear(4, 2)
    nn.init.zeros_(linear.weight)
    for scheme in BOUNDS:
        assert torch.equal(ScaledLinear(linear, scheme)(torch.ones(1, 4))[0], linear.bias)
