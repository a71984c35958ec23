"""Where kernels run: by Triton's interpreter on the CPU, or on a GPU where there is one."""

import importlib.util
from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch

from engine.sparse.backends import Verdict, preferring
from engine.sparse.operations import OPERATIONS

ON_CARD = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")]


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=ON_CARD)])
def device(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> torch.device:
    """Kernels ask for the interpreter when they are imported, which here is the first time."""
    if importlib.util.find_spec("triton") is None:
        pytest.skip("triton is not installed (the extra maquette[triton])")
    if request.param == "cpu":
        if torch.cuda.is_available():
            pytest.skip("a process has kernels either interpreted or compiled, and here is a GPU")
        monkeypatch.setenv("TRITON_INTERPRET", "1")
    return torch.device(request.param)


@pytest.fixture
def by_triton(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every operation that has a kernel uses it, also on a CPU."""
    for operation in OPERATIONS:
        if (backend := operation.backends.get("triton")) is not None:
            known = replace(backend, probe=lambda _: Verdict(True, "interpreted"))
            monkeypatch.setitem(operation.backends, "triton", known)
        monkeypatch.setattr(operation, "_chosen", {})
    with preferring("triton"):
        yield
