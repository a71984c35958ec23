"""Norms, gates and rotations in Triton against their twins in plain torch."""

import pytest
import torch

from engine.networks.dit import FlowConfig
from engine.networks.latent_flow import LatentFlow
from engine.networks.structure_flow import StructureFlow
from engine.sparse import SparseTensor
from engine.sparse import rows as twins
from engine.sparse.backends import preferring
from engine.sparse.layout import Layout
from engine.sparse.rope import rope_phases
from tests.checkpoints.tiny import FLOW_ARGS
from tests.sparse.grids import random_coords
from tests.tolerances import assert_same_maths

DTYPES = [torch.float32, torch.bfloat16, torch.float16]


def numbers(*shape: int, device: torch.device, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    generator = torch.Generator().manual_seed(sum(shape))
    return torch.randn(*shape, generator=generator).to(device, dtype)


def a_case(counts: list[int] | int, width: int, dtype: torch.dtype, device: torch.device):
    """Layout, tokens and six vectors for each item, as slices of one tensor like a block's."""
    if isinstance(counts, int):
        batch, layout = 2, Layout((0, counts, 2 * counts))
        x = numbers(batch, counts, width, device=device, dtype=dtype)
    else:
        batch = len(counts)
        coords = torch.zeros(sum(counts), 4, dtype=torch.int32)
        coords[:, 0] = torch.arange(batch).repeat_interleave(torch.tensor(counts))
        offsets = (0, *torch.tensor(counts).cumsum(0).tolist())
        layout = Layout(offsets, coords[:, 0].to(device))
        x = numbers(sum(counts), width, device=device, dtype=dtype)
    mod = numbers(batch, 6 * width, device=device, dtype=dtype)
    return layout, 3 * x + 1, mod.chunk(6, dim=-1)


CASES = [0, 1, 31, [0], [1], [33], [31, 0, 2], [1, 33]]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("counts", CASES)
def test_layer_norm_with_shift_and_scale(counts, dtype, device) -> None:
    from engine.sparse.triton_kernels.rows import modulated_norm

    layout, x, (shift, scale, *_) = a_case(counts, 24, dtype, device)
    got = modulated_norm(x, shift, scale, layout, 1e-6)
    assert got.dtype == dtype
    twin = twins.modulated_norm_in_torch(x.float(), shift.float(), scale.float(), layout, 1e-6)
    assert_rounded_once(got, twin)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("counts", CASES)
def test_gated_addition(counts, dtype, device) -> None:
    from engine.sparse.triton_kernels.rows import gated_add

    layout, x, (gate, *_) = a_case(counts, 24, dtype, device)
    h = numbers(*x.shape, device=device, dtype=dtype)
    got = gated_add(h, x, gate, layout)
    assert got.dtype == dtype
    twin = twins.gated_add_in_torch(h.float(), x.float(), gate.float(), layout)
    assert_rounded_once(got, twin)


@pytest.mark.parametrize("width", [1, 2, 7, 1536, 5000])
def test_widths(width, device) -> None:
    from engine.sparse.triton_kernels.rows import gated_add, modulated_norm

    layout, x, (shift, scale, *_) = a_case([2, 3], width, torch.float32, device)
    got = modulated_norm(x, shift, scale, layout, 1e-2)
    assert_rounded_once(got, twins.modulated_norm_in_torch(x, shift, scale, layout, 1e-2))
    added = gated_add(x, got, scale, layout)
    assert_rounded_once(added, twins.gated_add_in_torch(x, got, scale, layout))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("rows", "heads", "width"), [(0, 2, 8), (1, 1, 2), (31, 3, 12), (33, 2, 64)]
)
@pytest.mark.parametrize("what", ["norm", "turn", "both"])
def test_norm_and_rotation_of_heads(rows, heads, width, what, dtype, device) -> None:
    from engine.sparse.triton_kernels.rows import normed_heads

    # Queries as a slice of queries, keys and values of two items of equal length.
    qkv = numbers(2, rows, 3, heads, width, device=device, dtype=dtype)
    gamma = 1 + numbers(heads, width, device=device) if what != "turn" else None
    positions = torch.arange(3 * rows, device=device).view(rows, 3) % 17
    phases = rope_phases(positions, width) if what != "norm" else None
    for x in (qkv[:, :, 1], qkv[0, :, 0], qkv[:, :, 2].flip(-1)):
        got = normed_heads(x, gamma, phases)
        assert got.dtype == dtype
        assert_rounded_once(got, twins.normed_heads_in_torch(x.float(), gamma, phases))


def test_heads_of_odd_width_and_vectors_of_zeros(device) -> None:
    from engine.sparse.triton_kernels.rows import normed_heads

    x = numbers(5, 2, 7, device=device)
    x[2, 1] = 0
    gamma = numbers(2, 7, device=device)
    got = normed_heads(x, gamma, None)
    assert_rounded_once(got, twins.normed_heads_in_torch(x, gamma, None))
    assert bool((got[2, 1] == 0).all())


@pytest.mark.usefixtures("by_triton")
@pytest.mark.parametrize("share_mod", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_whole_networks(share_mod, dtype, device) -> None:
    """The kernels in their places, for batches of equal and of different lengths."""
    config = FlowConfig(**{**FLOW_ARGS, "share_mod": share_mod})
    torch.manual_seed(0)
    cond = numbers(2, 5, config.cond_channels, device=device)
    t = torch.tensor([300.0, 800.0], device=device)
    cells = SparseTensor.from_coords(random_coords((7, 3), 4), torch.randn(10, 4)).to(device)
    dense = torch.randn(2, 4, 2, 2, 2, device=device)
    for network, x in ((LatentFlow(config), cells), (StructureFlow(config), dense)):
        network.to(device).set_torso_dtype(dtype)
        with torch.no_grad():
            got = network(x, t, cond)
            with preferring("torch"):
                twin = network(x, t, cond)
        if isinstance(got, SparseTensor):
            got, twin = got.feats, twin.feats
        assert not torch.equal(got, twin), "the kernels did not run"
        assert_same_maths(got, twin, dtype)


@pytest.mark.usefixtures("by_triton")
def test_training_takes_the_twins(device) -> None:
    layout, x, (shift, scale, *_) = a_case([2, 3], 8, torch.float32, device)
    x.requires_grad_()
    out = twins.modulated_norm(x, shift, scale, layout, epsilon=1e-6)
    assert out.grad_fn is not None
    assert torch.equal(out, twins.modulated_norm_in_torch(x, shift, scale, layout, 1e-6))


def assert_rounded_once(got: torch.Tensor, twin: torch.Tensor) -> None:
    """The twin in float32 is what a kernel rounds once; so the bound is that rounding.

    The interpreter cuts bfloat16 off, which is twice as far.
    """
    assert got.shape == twin.shape
    if got.numel():
        step = {torch.float32: 3e-6, torch.bfloat16: 2**-7, torch.float16: 2**-11}[got.dtype]
        error = (got.float() - twin).abs()
        assert bool((error <= step * twin.abs() + 1e-5).all()), float(error.max())
