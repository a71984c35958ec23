"""The toy checkpoint, written once for all folders."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a checkpoint of small random networks."""
    from tests.systems.trellis2.toy import make_checkpoint  # in Blender there is no torch

    return make_checkpoint(tmp_path_factory.mktemp("toy") / "model")
