"""Where the recorded cases of the reference implementation are."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.host.machine import whole_float32

DEFAULT = Path(__file__).resolve().parents[2].parent / "shared" / "goldens" / "dev"


@pytest.fixture(scope="package", autouse=True)
def float32_as_such() -> Iterator[None]:
    """As the engine runs its networks; tests here call them themselves."""
    with whole_float32():
        yield


@pytest.fixture(scope="session")
def goldens() -> Path:
    """The folder of recorded cases; tests that need it skip where it is absent."""
    given = os.environ.get("MAQUETTE_GOLDENS")
    folder = Path(given) if given else DEFAULT
    if not folder.is_dir():
        pytest.skip(f"no goldens in {folder}; set MAQUETTE_GOLDENS to a folder that has them")
    return folder
