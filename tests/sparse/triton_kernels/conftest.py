"""Where kernels run: by Triton's interpreter on the CPU, or on a GPU where there is one."""

import importlib.util
from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch

from engine.sparse.backends import Verdict, preferring
from engine.sparse.operations import OPERATIONS

# A process has its kernels either interpreted or compiled.
PLACE = pytest.param("cuda", marks=pytest.mark.gpu) if torch.cuda.is_available() else "cpu"


@pytest.fixture(params=[PLACE])
def device(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> torch.device:
    """Kernels ask for the interpreter when they are imported, which here is the first time."""
    if importlib.util.find_spec("triton") is None:
        pytest.skip("triton is not installed (the extra maquette[triton])")
    if request.param == "cpu":
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
