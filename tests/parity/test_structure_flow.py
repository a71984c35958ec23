"""The dense flow network against recordings of the reference."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from engine.networks.structure_flow import StructureFlow
from tests.parity.recorded import case_network, cases, listen, recording
from tests.tolerances import assert_parity, assert_same_maths


def load(folder: Path) -> tuple[StructureFlow, dict[str, Tensor]]:
    network = case_network(folder)
    assert isinstance(network, StructureFlow)
    return network, recording(folder / "io.safetensors")


@pytest.fixture(scope="module", params=cases("ss_flow_*"))
def case(request, goldens: Path):
    return load(goldens / request.param)


@torch.inference_mode()
def test_velocity_and_everything_on_the_way(case):
    flow, io = case
    with listen(flow) as heard:
        v = flow(io["in.x"], io["in.t"], io["in.cond"])
    assert_parity(v, io["out.v"], "out.v")
    for name in [name for name in io if name.startswith("mid.")]:
        if not name.startswith("mid.rope_phases"):
            assert_parity(heard[name].reshape(io[name].shape), io[name], name)
    if "mid.rope_phases_re" in io:
        assert_parity(flow.rope_phases.real, io["mid.rope_phases_re"], "rope_phases")
        assert_parity(flow.rope_phases.imag, io["mid.rope_phases_im"], "rope_phases")


@torch.inference_mode()
def test_a_batch_is_its_items(case):
    flow, io = case
    for i in range(len(io["in.x"])):
        one = slice(i, i + 1)
        assert_parity(
            flow(io["in.x"][one], io["in.t"][one], io["in.cond"][one]),
            io["out.v"][one],
            f"item {i}",
        )


@torch.inference_mode()
def test_a_prepared_picture_gives_the_same(case):
    flow, io = case
    prepared = flow.prepare(io["in.cond"])
    for _ in range(2):
        assert_parity(flow(io["in.x"], io["in.t"], prepared), io["out.v"], "prepared")


@torch.inference_mode()
def test_two_velocities_in_one_batch(case):
    flow, io = case
    for i in range(len(io["in.x"])):
        x, t, cond = (io[name][i : i + 1] for name in ("in.x", "in.t", "in.cond"))
        for zeros in (flow.prepare_zeros(1), torch.zeros_like(cond)):
            positive, negative = flow.both(x, t, flow.prepare(cond), zeros)
            assert_parity(positive, io["out.v"][i : i + 1], f"item {i}")
            assert_same_maths(negative, flow(x, t, torch.zeros_like(cond)), torch.float32)


@torch.inference_mode()
def test_the_zero_picture_needs_no_attention(case):
    flow, io = case
    zeros = torch.zeros_like(io["in.cond"])
    plain = flow(io["in.x"], io["in.t"], zeros)
    short = flow.prepare(zeros)
    assert all(isinstance(entry, Tensor) for entry in short.blocks)
    assert_parity(flow(io["in.x"], io["in.t"], short), plain, "zero picture")
    off = flow.prepare(zeros, zero_shortcut=False)
    assert not any(isinstance(entry, Tensor) for entry in off.blocks)
    assert_parity(flow(io["in.x"], io["in.t"], off), plain, "zero picture, shortcut off")
