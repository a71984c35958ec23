"""The tests beside this one, in one Blender: what the ordinary run of all tests does of them."""

import subprocess
import sys

import pytest

from tests.blender.environments import ROOT, Missing, one


@pytest.mark.blender
@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_extension_in_one_blender() -> None:
    try:
        version, _ = one()
    except Missing as missing:
        pytest.skip(str(missing))
    done = subprocess.run(
        [sys.executable, "-m", "tests.blender", version], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
