"""The self-test passes here, and sees what is broken."""

import dataclasses
import time

import pytest
import torch

from engine import ovoxel
from engine.doctor import selftest
from engine.sparse.convolution import CONVOLUTION

CPU = torch.device("cpu")


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_known_numbers(dtype: torch.dtype):
    assert selftest.problems(CPU, dtype) == []
    assert selftest.convolution_error(CPU, dtype, "torch") <= torch.finfo(dtype).eps
    assert selftest.attention_error(CPU, dtype, "sdpa") <= 4 * torch.finfo(dtype).eps


def test_it_is_quick():
    selftest.problems(CPU, torch.float32)
    start = time.perf_counter()
    selftest.problems(CPU, torch.float32)
    assert time.perf_counter() - start < 2


def test_a_backend_that_is_wrong_or_dies_is_named(monkeypatch: pytest.MonkeyPatch):
    good = CONVOLUTION.backends["torch"]

    def transposed(topology, feats, weight, bias, rows):
        return good.run(topology, feats, weight.flip(1), bias, rows)

    wrong = dataclasses.replace(good, run=transposed)
    monkeypatch.setitem(CONVOLUTION.backends, "torch", wrong)
    (line,) = selftest.problems(CPU, torch.float32)
    assert line.startswith("sparse convolution by torch in float32: off by")

    def dies(*_: object):
        raise RuntimeError("no kernel image is available")

    monkeypatch.setitem(CONVOLUTION.backends, "torch", dataclasses.replace(good, run=dies))
    (line,) = selftest.problems(CPU, torch.float32)
    assert line.endswith("no kernel image is available")


def test_missing_voxels_are_seen(monkeypatch: pytest.MonkeyPatch):
    convert = ovoxel.mesh_to_dual_grid

    def lossy(*arguments, **options):
        grid = convert(*arguments, **options)
        return dataclasses.replace(grid, coords=grid.coords[1:])

    monkeypatch.setattr(ovoxel, "mesh_to_dual_grid", lossy)
    assert selftest.ovoxel_problem() == "151 voxels instead of 152"
