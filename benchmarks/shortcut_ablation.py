"""The residual shortcuts of the SC-VAE on a small scale: a shape VAE with and without, at 16x.

    python -m benchmarks.shortcut_ablation DATA [STEPS] [RESOLUTION]

DATA is a folder that ``maquette data build`` made. Both start from the same seed, see the same
batches and noise, and take the same steps; the losses of held-out assets are printed at the end.
"""

import sys
from pathlib import Path

import numpy as np
import torch

from benchmarks.shortcuts_left_out import without_shortcuts
from engine.networks.sc_vae import DOWN_BLOCK, TORSO_BLOCK, UP_BLOCK
from engine.networks.shape_vae import (
    ShapeDecoder,
    ShapeDecoderConfig,
    ShapeEncoder,
    ShapeEncoderConfig,
)
from engine.training.data.dataset import Dataset
from engine.training.optimiser import parameter_groups, set_rate
from engine.training.tasks.sc_vae import ShapeVaeTask

WIDTHS = (16, 32, 64, 128, 128)
BLOCKS = (0, 1, 1, 1, 1)
LATENT = 16
RATE, RATE_TIMES_INPUTS = 3e-3, 0.3
MOST_VOXELS = 20_000
# Vertices count more than in the paper, whose stage 2 would put them right.
WEIGHTS = {"vertices": 1.0, "edges": 0.1, "pruning": 0.1, "kl": 1e-6}


def networks() -> tuple[ShapeEncoder, ShapeDecoder]:
    torch.manual_seed(0)
    levels, between = len(WIDTHS), len(WIDTHS) - 1
    encoder = ShapeEncoderConfig(
        model_channels=WIDTHS,
        latent_channels=LATENT,
        num_blocks=BLOCKS,
        block_type=[TORSO_BLOCK] * levels,
        down_block_type=[DOWN_BLOCK] * between,
    )
    decoder = ShapeDecoderConfig(
        model_channels=WIDTHS[::-1],
        latent_channels=LATENT,
        num_blocks=BLOCKS[::-1],
        block_type=[TORSO_BLOCK] * levels,
        up_block_type=[UP_BLOCK] * between,
    )
    return ShapeEncoder(encoder), ShapeDecoder(decoder)


def task_of(folder: Path, resolution: int, *, shortcuts: bool) -> ShapeVaeTask:
    encoder, decoder = networks()
    if not shortcuts:
        without_shortcuts(encoder)
        without_shortcuts(decoder)
    return ShapeVaeTask(
        encoder,
        decoder,
        Dataset(folder, "train"),
        resolutions=(resolution,),
        most_voxels=MOST_VOXELS,
        weights=WEIGHTS,
    )


def held_out_losses(task: ShapeVaeTask, folder: Path, batches: int = 8) -> dict[str, float]:
    """Means over the same batches of held-out assets."""
    task.source = Dataset(folder, "held_out")
    rows = []
    with torch.no_grad():
        for seed in range(batches):
            batch = task.batch(np.random.default_rng(seed))
            rows.append(task.loss(batch, torch.Generator().manual_seed(seed))[1])
    return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}


def main(folder: Path, steps: int, resolution: int) -> None:
    print(f"{steps} steps at {resolution}^3, losses of held-out assets")
    for shortcuts in (True, False):
        task = task_of(folder, resolution, shortcuts=shortcuts)
        groups = parameter_groups(task.networks, RATE, RATE_TIMES_INPUTS)
        optimiser = torch.optim.AdamW(groups, weight_decay=0)
        set_rate(optimiser, RATE)
        for step in range(steps):
            batch = task.batch(np.random.default_rng(step))
            with torch.autocast("cpu", torch.bfloat16):
                loss, _ = task.loss(batch, torch.Generator().manual_seed(step))
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(task.networks.parameters(), 1.0)
            optimiser.step()
        losses = held_out_losses(task, folder)
        told = "  ".join(f"{name} {value:.4f}" for name, value in losses.items())
        print(f"{'with' if shortcuts else 'without'} shortcuts: {told}", flush=True)


if __name__ == "__main__":
    given = sys.argv[1:]
    if not given:
        raise SystemExit(__doc__)
    main(
        Path(given[0]),
        int(given[1]) if len(given) > 1 else 300,
        int(given[2]) if len(given) > 2 else 64,
    )
