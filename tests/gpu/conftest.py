"""The device of the tests that need a card."""

import os
from collections.abc import Iterator

import pytest
import torch

from engine.host.machine import whole_float32


@pytest.fixture(scope="package")
def device() -> Iterator[torch.device]:
    """The card; skips where there is none. MAQUETTE_GPU_TESTS_DEVICE=cpu rehearses them."""
    named = os.environ.get("MAQUETTE_GPU_TESTS_DEVICE") or "cuda"
    if named == "cuda" and not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    with whole_float32():
        yield torch.device(named)
