"""Kernels that were measured on no GPU are used where somebody asks for them, and only there."""

import pytest
import torch

from engine.host.machine import Hardware
from engine.sparse import SparseTensor, Topology
from engine.sparse.attention import ATTENTION
from engine.sparse.backends import preferring, triton_probe
from engine.sparse.convolution import CONVOLUTION, submanifold_conv3d
from engine.sparse.operations import OPERATIONS
from engine.sparse.rows import GATED_ADD
from protocol.errors import EngineError

HOPPER = Hardware("cuda", (9, 0))
WITH_KERNELS = [operation for operation in OPERATIONS if "triton" in operation.backends]


@pytest.fixture
def with_triton(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine where Triton is installed."""
    monkeypatch.setattr("importlib.util.find_spec", lambda _: object())
    for operation in OPERATIONS:
        monkeypatch.setattr(operation, "_chosen", {})


@pytest.mark.usefixtures("with_triton")
@pytest.mark.parametrize("operation", WITH_KERNELS, ids=lambda operation: operation.operation)
def test_a_kernel_is_never_chosen_of_itself(operation) -> None:
    dtype = operation.backends["triton"].dtypes[0]
    assert operation.choose(HOPPER, dtype).name == "torch"
    assert operation.choose(HOPPER, dtype, "triton").name == "triton"
    with preferring("triton"):
        assert operation.choose(HOPPER, dtype).name == "triton"
        assert operation.choose(Hardware("cpu"), dtype).name == "torch"
    assert operation.choose(HOPPER, dtype).name == "torch"


@pytest.mark.usefixtures("with_triton")
def test_several_are_preferred_at_once_and_none_afterwards() -> None:
    """As plain torch is measured: attention has a name of its own for it."""
    assert ATTENTION.choose(HOPPER, torch.bfloat16).name == "flash-attn-3"
    with preferring("sdpa", "torch"):
        assert ATTENTION.choose(HOPPER, torch.bfloat16).name == "sdpa"
        assert CONVOLUTION.choose(HOPPER, torch.float16).name == "torch"
        with preferring("flash-attn"):
            assert ATTENTION.choose(HOPPER, torch.bfloat16).name == "flash-attn"
        assert ATTENTION.choose(HOPPER, torch.bfloat16).name == "sdpa"
    assert ATTENTION.choose(HOPPER, torch.bfloat16).name == "flash-attn-3"


@pytest.mark.usefixtures("with_triton")
def test_a_kernel_without_gradients_is_not_preferred_in_training() -> None:
    with preferring("triton"):
        assert GATED_ADD.choose(HOPPER, torch.float32, learning=True).name == "torch"


def test_why_a_kernel_cannot_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    x = SparseTensor(Topology(torch.zeros(1, 4, dtype=torch.int32)), torch.zeros(1, 4))
    with pytest.raises(EngineError, match="needs a GPU"):
        submanifold_conv3d(x, torch.zeros(2, 3, 3, 3, 4), backend="triton")
    assert "Ampere" in triton_probe(Hardware("cuda", (7, 5))).reason
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    assert "maquette[triton]" in triton_probe(HOPPER).reason
