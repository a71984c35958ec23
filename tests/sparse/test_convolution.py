"""Submanifold convolution against torch's dense convolution in float64."""

import pytest
import torch
import torch.nn.functional as F

from engine.sparse import SparseTensor, Topology, conv_spconv
from engine.sparse.conv_spconv import convolve_in_slices
from engine.sparse.conv_torch import _rounded_up, convolve
from engine.sparse.convolution import available_backends, submanifold_conv3d
from protocol.errors import EngineError
from tests.sparse.grids import random_coords
from tests.tolerances import assert_same_maths


def dense_oracle(coords, feats, weight, bias=None):
    """The same on a full grid, zeros where there is no cell."""
    batch, x, y, z = coords.long().unbind(1)
    sizes = (coords.amax(dim=0) + 1).tolist()
    grid = torch.zeros(sizes[0], feats.shape[1], *sizes[1:], dtype=torch.float64)
    grid[batch, :, x, y, z] = feats.double()
    kernel = weight.double().permute(0, 4, 1, 2, 3)
    out = F.conv3d(grid, kernel, None if bias is None else bias.double(), padding=1)
    return out[batch, :, x, y, z]


def a_case(channels, outputs, dtype=torch.float32, counts=(150, 70), seed=0):
    generator = torch.Generator().manual_seed(seed)
    coords = random_coords(counts, 7, seed=seed)
    feats = torch.randn(len(coords), channels, generator=generator).to(dtype)
    weight = (torch.randn(outputs, 3, 3, 3, channels, generator=generator) / 5).to(dtype)
    bias = torch.randn(outputs, generator=generator).to(dtype)
    return SparseTensor.from_coords(coords, feats), weight, bias


# 5 channels go by row, 20 by direction, half precision on a CPU always by row
@pytest.mark.parametrize("channels", [5, 20])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
def test_against_dense_convolution(channels, dtype):
    x, weight, bias = a_case(channels, 6, dtype)
    got = submanifold_conv3d(x, weight, bias, backend="torch")
    assert got.dtype == dtype
    assert_same_maths(got, dense_oracle(x.coords, x.feats, weight, bias), dtype)
    without = submanifold_conv3d(x, weight)
    assert_same_maths(without, dense_oracle(x.coords, x.feats, weight), dtype)


@pytest.mark.parametrize("channels", [5, 20])
def test_chunks_do_not_change_the_result(channels):
    x, weight, bias = a_case(channels, 6, torch.float64)
    whole = convolve(x.topology, x.feats, weight, bias, None)
    for chunk_rows in (1, 7, 219, 220, 1000):
        parts = convolve(x.topology, x.feats, weight, bias, None, chunk_rows)
        torch.testing.assert_close(parts, whole, rtol=0, atol=1e-13)


@pytest.mark.parametrize("channels", [5, 20])
def test_some_rows_alone(channels):
    x, weight, bias = a_case(channels, 6, torch.float64)
    rows = torch.arange(len(x))[::3]
    got = submanifold_conv3d(x, weight, bias, rows=rows)
    torch.testing.assert_close(got, submanifold_conv3d(x, weight, bias)[rows])
    nothing = submanifold_conv3d(x, weight, bias, rows=rows[:0])
    assert nothing.shape == (0, 6)


@pytest.mark.parametrize("channels", [2, 20])
@pytest.mark.parametrize("some", [False, True])
def test_gradients_against_dense_convolution(channels, some):
    x, weight, bias = a_case(channels, 3, torch.float64, counts=(60, 30))
    rows = torch.arange(len(x))[::2] if some else None
    inputs = [t.requires_grad_() for t in (x.feats, weight, bias)]
    pull = torch.randn(len(x) if rows is None else len(rows), 3, dtype=torch.float64)
    got = torch.autograd.grad(submanifold_conv3d(x, weight, bias, rows=rows), inputs, pull)
    dense = dense_oracle(x.coords, x.feats, weight, bias)
    expected = torch.autograd.grad(dense if rows is None else dense[rows], inputs, pull)
    for ours, theirs in zip(got, expected, strict=True):
        torch.testing.assert_close(ours, theirs)


def test_gradcheck_on_a_small_grid():
    x, weight, bias = a_case(2, 2, torch.float64, counts=(5, 3))
    inputs = [t.requires_grad_() for t in (x.feats, weight, bias)]
    assert torch.autograd.gradcheck(lambda f, w, b: submanifold_conv3d(x.replace(f), w, b), inputs)


def test_a_batch_is_its_items():
    x, weight, bias = a_case(20, 6)
    together = submanifold_conv3d(x, weight, bias)
    apart = torch.cat([submanifold_conv3d(item, weight, bias) for item in x.items()])
    assert_same_maths(together, apart, torch.float32)


def test_an_empty_grid():
    empty = Topology(torch.zeros(0, 4, dtype=torch.int32), 1)
    x = SparseTensor(empty, torch.zeros(0, 20))
    assert submanifold_conv3d(x, torch.zeros(3, 3, 3, 3, 20)).shape == (0, 3)


@pytest.mark.parametrize("byte_limit", [220 * 8 * 8 + 1, 220 * 8 * 16 + 1, 10**9])
def test_channel_slices_add_up_to_the_whole(byte_limit):
    x, weight, _ = a_case(20, 12, torch.float64)
    seen = []

    def call(part, kernel):
        seen.append((part.shape[1], len(kernel)))
        assert max(part.numel(), len(part) * len(kernel)) * 8 < byte_limit
        return convolve(x.topology, part, kernel, None, None)

    got = convolve_in_slices(call, x.feats, weight, byte_limit)
    torch.testing.assert_close(got, convolve(x.topology, x.feats, weight, None, None))
    assert (len(seen) > 1) == (byte_limit < 10**9)


def test_spconv_is_not_asked_about_no_cells():
    topology = Topology(torch.zeros(0, 4, dtype=torch.int32))
    out = conv_spconv.convolve(topology, torch.zeros(0, 5), torch.zeros(7, 3, 3, 3, 5), None, None)
    assert out.shape == (0, 7)


def test_too_many_rows_for_slices():
    x, weight, _ = a_case(20, 12, torch.float64)
    with pytest.raises(ValueError, match="220 cells"):
        convolve_in_slices(lambda part, kernel: part, x.feats, weight, 1000)


def test_bad_kernels_are_refused():
    x, weight, _ = a_case(5, 6)
    with pytest.raises(ValueError, match="kernel for 5 channels"):
        submanifold_conv3d(x, weight[..., :4])
    with pytest.raises(ValueError, match=r"kernel is torch\.float64"):
        submanifold_conv3d(x, weight.double())


def test_the_cpu_has_one_backend_and_the_others_say_why():
    report = {line.name: line for line in available_backends("cpu")}
    assert [name for name, line in report.items() if line.usable] == ["torch"]
    assert "needs a GPU" in report["triton"].reason
    assert "wrong numbers" in report["spconv"].reason
    x, weight, _ = a_case(5, 6)
    for name in ("spconv", "triton"):
        with pytest.raises(EngineError, match=f"'{name}' cannot be used"):
            submanifold_conv3d(x, weight, backend=name)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("name", ["triton", "spconv", "torch"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_backends_agree_on_a_gpu(name, dtype):
    if not {line.name: line.usable for line in available_backends("cuda")}[name]:
        pytest.skip(f"{name} is not usable here")
    x, weight, bias = a_case(32, 16, dtype)
    got = submanifold_conv3d(x.to("cuda"), weight.cuda(), bias.cuda(), backend=name)
    assert_same_maths(got.cpu(), dense_oracle(x.coords, x.feats, weight, bias), dtype)


def test_neighbours_are_found_once_per_topology_and_the_same_in_a_new_one():
    """A new ``Topology`` of the same cells leaves out what the first one keeps."""
    coords = random_coords((40, 30), 6)
    kept, fresh = Topology(coords), Topology(coords.clone())
    x, weight = torch.randn(70, 4), torch.randn(5, 3, 3, 3, 4)
    first = submanifold_conv3d(SparseTensor(kept, x), weight)
    again = submanifold_conv3d(SparseTensor(kept, x), weight)
    assert torch.equal(first, again)
    assert torch.equal(first, submanifold_conv3d(SparseTensor(fresh, x), weight))
    assert kept.neighbours is kept.neighbours
    assert kept.neighbours is not fresh.neighbours


def test_autocast_reaches_the_convolution():
    x, weight, bias = a_case(8, 6)
    weight.requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        got = submanifold_conv3d(x, weight, bias)
    assert got.dtype == torch.bfloat16
    got.sum().backward()
    assert weight.grad is not None and weight.grad.dtype == torch.float32
    assert_same_maths(
        got.detach(), dense_oracle(x.coords, x.feats, weight.detach(), bias), got.dtype
    )


@pytest.mark.parametrize("channels", [5, 20])
def test_the_way_back_in_half_precision(channels):
    """Rounded up to other row counts than there are, it gives the same gradients."""
    x, weight, bias = a_case(channels, 6)

    def gradients(dtype):
        leaves = [value.to(dtype).requires_grad_() for value in (x.feats, weight, bias)]
        out = submanifold_conv3d(x.replace(leaves[0]), *leaves[1:], backend="torch")
        pull = (torch.arange(out.numel()) % 7 - 2).to(dtype).view_as(out)
        return torch.autograd.grad(out, leaves, pull)

    for got, wanted in zip(gradients(torch.bfloat16), gradients(torch.float64), strict=True):
        close = (got.double() - wanted).abs().max() / wanted.abs().max()
        assert got.shape == wanted.shape and close < 0.02


def test_row_counts_are_rounded_up_to_few():
    counts = range(1, 100_000)
    rounded = [_rounded_up(count) for count in counts]
    for count, more in zip(counts, rounded, strict=True):
        assert count <= more <= 1.25 * count + 16
    assert len(set(rounded)) < 60
