"""Where the recorded cases of the reference implementation are."""

import os
from pathlib import Path

import pytest

DEFAULT = Path(__file__).resolve().parents[2].parent / "shared" / "goldens" / "dev"


@pytest.fixture(scope="session")
def goldens() -> Path:
    """The folder of recorded cases; tests that need it skip where it is absent."""
    given = os.environ.get("MAQUETTE_GOLDENS")
    folder = Path(given) if given else DEFAULT
    if not folder.is_dir():
        pytest.skip(f"no goldens in {folder}; set MAQUETTE_GOLDENS to a folder that has them")
    return folder
