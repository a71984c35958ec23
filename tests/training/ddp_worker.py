"""One rank of the test of data-parallel training; run by torchrun."""

import sys
from pathlib import Path

import torch
import torch.distributed as dist

from engine.training.loop import train
from tests.training.toy_task import ToyTask, toy_config

if __name__ == "__main__":
    dist.init_process_group("gloo")
    folder = Path(sys.argv[1])
    config = toy_config(batches_per_step=4)
    average = train(ToyTask(), config, folder, device=torch.device("cpu"))
    torch.save(average, folder / f"average-{dist.get_rank()}.pt")
    dist.barrier()
    dist.destroy_process_group()
