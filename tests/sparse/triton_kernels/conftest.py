"""Where kernels run: by Triton's interpreter on the CPU, or on a GPU where there is one."""

import importlib.util
import os
from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch

from engine.sparse.backends import Verdict, preferring
from engine.sparse.operations import OPERATIONS

# A process has its kernels either interpreted or compiled.
PLACE = pytest.param("cuda", marks=pytest.mark.gpu) if torch.cuda.is_available() else "cpu"


if PLACE == "cpu":
    # Triton reads it when it is imported, and torch imports Triton in tests of other folders; while
    # tests are collected nothing has.
    os.environ["TRITON_INTERPRET"] = "1"


@pytest.fixture(params=[PLACE])
def device(request: pytest.FixtureRequest) -> torch.device:
    """Where the kernels run in this process."""
    if importlib.util.find_spec("triton") is None:
        pytest.skip("triton is not installed (the extra maquette[triton])")
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
