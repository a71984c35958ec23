"""Facts about this machine."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.skipif(sys.platform != "linux", reason="peaks are read from /proc there")
def test_the_peak_is_that_of_this_process_and_not_of_the_one_that_started_it() -> None:
    held = np.ones(200_000_000)  # 1.6 GB
    code = "from engine.host.machine import peak_ram; print(peak_ram())"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True,
        preexec_fn=lambda: None,  # fork, not vfork, so that the child begins with our memory
    )  # fmt: skip
    # torch alone takes 0.3 to 0.75 GB, by its build.
    assert held.nbytes > 1_500_000_000 and 1_000_000 < int(done.stdout) < 1_200_000_000
