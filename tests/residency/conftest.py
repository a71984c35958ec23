"""The checkpoint of the tests of this folder."""

from pathlib import Path

import pytest

from tests.systems.trellis2.toy import make_checkpoint


@pytest.fixture(scope="session")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a checkpoint of small random networks."""
    return make_checkpoint(tmp_path_factory.mktemp("toy") / "model")
