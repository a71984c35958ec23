"""The sparse flow network against recordings of the reference."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from engine.networks.latent_flow import LatentFlow
from engine.sparse.tensor import SparseTensor
from tests.parity.recorded import case_network, cases, listen, need_tensors, recording
from tests.tolerances import assert_parity, assert_same_maths


class Case:
    """One recorded call."""

    def __init__(self, flow: LatentFlow, io: dict[str, Tensor]) -> None:
        self.flow, self.io = flow, io
        self.x = SparseTensor.from_coords(io["in.coords"].int(), io["in.x_feats"])
        self.concat = None
        if "in.concat_cond" in io:
            # A topology of its own, as a caller may have made it.
            self.concat = SparseTensor.from_coords(io["in.coords"].int(), io["in.concat_cond"])

    def run(self, cond, x: SparseTensor | None = None) -> Tensor:
        return self.flow(x or self.x, self.io["in.t"], cond, self.concat).feats

    def contexts(self) -> list[Tensor]:
        lengths = self.io["in.listcond_lens"].tolist()
        return [self.io["in.cond"][i, :length] for i, length in enumerate(lengths)]


@pytest.fixture(scope="module", params=cases("slat_flow_*/io*.safetensors"))
def case(request, goldens: Path) -> Case:
    file = goldens / request.param
    flow = case_network(file.parent)
    assert isinstance(flow, LatentFlow)
    return Case(flow, recording(file))


@torch.inference_mode()
def test_velocity_and_everything_on_the_way(case: Case):
    with listen(case.flow) as heard:
        v = case.run(case.io["in.cond"])
    assert_parity(v, case.io["out.v"], "out.v")
    for name in [name for name in case.io if name.startswith("mid.")]:
        assert_parity(heard[name], case.io[name], name)


@torch.inference_mode()
def test_pictures_of_different_lengths(case: Case):
    need_tensors(case.io, "out.v_listcond", "in.listcond_lens")
    assert_parity(case.run(case.contexts()), case.io["out.v_listcond"], "out.v_listcond")
    assert_parity(
        case.run(case.flow.prepare(case.contexts())),
        case.io["out.v_listcond"],
        "out.v_listcond, prepared",
    )


@torch.inference_mode()
def test_a_batch_is_its_items(case: Case):
    together = case.run(case.io["in.cond"])
    concats = case.concat.items() if case.concat else [None] * case.x.batch_size
    for i, (x, concat, rows) in enumerate(
        zip(case.x.items(), concats, case.x.topology.slices, strict=True)
    ):
        one = slice(i, i + 1)
        v = case.flow(x, case.io["in.t"][one], case.io["in.cond"][one], concat)
        assert_parity(v.feats, together[rows], f"item {i}")


@torch.inference_mode()
def test_two_velocities_in_one_batch(case: Case):
    concats = case.concat.items() if case.concat else [None] * case.x.batch_size
    for i, (x, concat, rows) in enumerate(
        zip(case.x.items(), concats, case.x.topology.slices, strict=True)
    ):
        t, cond = (case.io[name][i : i + 1] for name in ("in.t", "in.cond"))
        for zeros in (case.flow.prepare_zeros(1), torch.zeros_like(cond)):
            positive, negative = case.flow.both(x, t, case.flow.prepare(cond), zeros, concat)
            assert_parity(positive.feats, case.io["out.v"][rows], f"item {i}")
            alone = case.flow(x, t, torch.zeros_like(cond), concat)
            assert_same_maths(negative.feats, alone.feats, torch.float32)


@torch.inference_mode()
def test_a_prepared_picture_gives_the_same(case: Case):
    prepared = case.flow.prepare(case.io["in.cond"])
    for _ in range(2):
        assert_parity(case.run(prepared), case.io["out.v"], "prepared")


@torch.inference_mode()
def test_the_zero_picture_needs_no_attention(case: Case):
    zeros = torch.zeros_like(case.io["in.cond"])
    plain = case.run(zeros)
    short = case.flow.prepare(zeros)
    assert all(isinstance(entry, Tensor) for entry in short.blocks)
    assert_parity(case.run(short), plain, "zero picture")
    off = case.flow.prepare(zeros, zero_shortcut=False)
    assert not any(isinstance(entry, Tensor) for entry in off.blocks)
    assert_parity(case.run(off), plain, "zero picture, shortcut off")


@torch.inference_mode()
def test_positions_are_computed_once_per_structure_and_the_same_without(case: Case):
    first = case.run(case.io["in.cond"])
    kept = case.x.topology
    if case.flow.config.pe_mode == "rope":
        arguments = (case.flow.config.head_dim, case.flow.config.rope_freq)
        assert kept.rope_phases(*arguments) is kept.rope_phases(*arguments)
    fresh = SparseTensor.from_coords(case.x.coords.clone(), case.x.feats)
    assert torch.equal(case.run(case.io["in.cond"], fresh), first)
