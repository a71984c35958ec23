"""Facts about this machine."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from engine.host.machine import Hardware, precision_of, working_dtypes
from tests.gpu_without_card.card import CUDA, pretended_card

ROOT = Path(__file__).parents[2]
FLOAT32, FLOAT16, BFLOAT16 = torch.float32, torch.float16, torch.bfloat16


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


@pytest.mark.parametrize(
    ("hardware", "flows", "codecs"),
    [
        (Hardware("cuda", (6, 1)), FLOAT32, FLOAT16),
        (Hardware("cuda", (7, 0)), FLOAT32, FLOAT16),
        (Hardware("cuda", (7, 5)), FLOAT32, FLOAT16),
        (Hardware("cuda", (8, 0)), BFLOAT16, FLOAT16),
        (Hardware("cuda", (12, 0)), BFLOAT16, FLOAT16),
        (Hardware("rocm"), BFLOAT16, FLOAT16),
        (Hardware("mps"), FLOAT32, FLOAT32),
        (Hardware("cpu"), FLOAT32, FLOAT32),
    ],
)
def test_what_hardware_works_in(
    hardware: Hardware, flows: torch.dtype, codecs: torch.dtype
) -> None:
    found = precision_of(hardware)
    assert (found.flows, found.codecs) == (flows, codecs) and found.why


def test_a_device_works_in_what_its_hardware_does(monkeypatch: pytest.MonkeyPatch) -> None:
    assert working_dtypes(torch.device("cpu")) == (FLOAT32, FLOAT32)
    for capability, flows in (((7, 5), FLOAT32), ((9, 0), BFLOAT16)):
        with pretended_card(monkeypatch, capability):
            assert working_dtypes(CUDA) == (flows, FLOAT16)
