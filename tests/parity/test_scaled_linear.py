"""Flow networks with weights of one byte: how far their velocities are from the recorded ones."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from engine.networks.latent_flow import LatentFlow
from engine.networks.scaled_linear import ScaledLinear, Scheme, to_one_byte
from engine.sparse.tensor import SparseTensor
from engine.systems.trellis2.networks import load_network
from tests.checkpoints.one_byte_files import write_one_byte
from tests.parity.recorded import DEVICE, cases, recording

BOUNDS: dict[Scheme, float] = {"int8": 0.01, "fp8": 0.04}
"""Largest relative error of a velocity, root mean square."""


def relative(a: Tensor, b: Tensor) -> float:
    return ((a - b).norm() / b.norm()).item()


def small_network(folder: Path, scheme: Scheme, room: Path, layout: str = "ours") -> Any:
    """A case's network out of a file with weights of one byte."""
    small = write_one_byte(folder / "weights.safetensors", room / "w.safetensors", scheme, layout)
    flow: Any = load_network(folder / "config", weights=small, device=DEVICE)
    layers = [module for module in flow.modules() if isinstance(module, ScaledLinear)]
    assert len(layers) >= 6 * len(flow.blocks)
    return flow


def velocity(file: Path, scheme: Scheme, room: Path) -> tuple[Tensor, Tensor]:
    io = recording(file)
    flow = small_network(file.parent, scheme, room)
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
def test_velocity_stays_within_the_bound(goldens: Path, tmp_path: Path, file: str, scheme: Scheme):
    error = relative(*velocity(goldens / file, scheme, tmp_path))
    # Above 0: the layers were replaced.
    assert 1e-5 < error < BOUNDS[scheme]


@pytest.mark.parametrize(("scheme", "step"), [("int8", 1 / 254), ("fp8", 1 / 16)])
def test_small_rows_survive_as_well_as_large_ones(scheme: Scheme, step: float):
    size = torch.tensor([1e-6, 1.0, 1e4])
    weight = torch.rand(3, 64, generator=torch.Generator().manual_seed(0)) + 0.1
    weight.mul_(size[:, None])
    small, scale = to_one_byte(weight, scheme)
    assert small.element_size() == 1 and scale.dtype == torch.float32
    got = small.float() * scale[:, None]
    worst = ((got - weight).abs().amax(1) / weight.abs().amax(1)).max()
    assert 0 < worst < step * 1.01


def test_a_row_of_zeros_stays_zero():
    for scheme in BOUNDS:
        small, scale = to_one_byte(torch.zeros(2, 4), scheme)
        assert not small.float().any() and torch.isfinite(scale).all()
