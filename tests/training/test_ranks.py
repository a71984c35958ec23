"""Two ranks compute what one does."""

import subprocess
import sys
from pathlib import Path

import torch

from engine.training.loop import train
from tests.training.toy_task import ToyTask, toy_config

ROOT = Path(__file__).parents[2]


def test_two_ranks_equal_one(tmp_path: Path) -> None:
    alone = train(
        ToyTask(), toy_config(batches_per_step=4), tmp_path / "one", device=torch.device("cpu")
    )
    together = tmp_path / "two"
    together.mkdir()
    command = [
        sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2",
        "-m", "tests.training.ddp_worker", str(together),
    ]  # fmt: skip
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    for rank in range(2):
        average = torch.load(together / f"average-{rank}.pt", weights_only=True)
        for name, value in alone.items():
            assert torch.allclose(average[name], value, atol=1e-5), name
    assert len(list((together / "states").iterdir())) == 2
