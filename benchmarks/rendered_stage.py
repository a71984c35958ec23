"""Stage 2 of the SC-VAEs (losses on pictures) against more of stage 1, for equal processor time.

    python -m benchmarks.rendered_stage DATA CHECKPOINT OUT [SECONDS]

CHECKPOINT holds the auto-encoders of the embedded model (configs/embedded), DATA is what they were
trained on. Only the decoders learn: flows keep their latents, so that what comes out of this can
be shipped beside flows of any age. Each training is given SECONDS of processor time (600); the
learning rate falls over the steps that fit into them, by the cost of a few steps. OUT gets the
trainings and table.md: held-out assets, as they were, after more of stage 1, after stage 2.
"""

import json
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch

from engine.mesh import Mesh
from engine.networks.material_vae import MaterialDecoder, MaterialEncoder
from engine.networks.shape_vae import ShapeDecoder, ShapeEncoder
from engine.render.camera import orbit
from engine.render.picture import render
from engine.systems.trellis2.networks import load_network
from engine.training.config import TrainConfig, read_config
from engine.training.data.dataset import Dataset
from engine.training.metrics import f_score, psnr
from engine.training.publish import CKPTS
from engine.training.reconstruct import (
    opaque_surface,
    ovoxels_of,
    reconstruct_material,
    reconstruct_shape,
)
from engine.training.tasks.table import train_networks

CONFIGS = Path("configs/embedded")
STARTING_STEPS = 6
RATE = {"shape_vae": 3e-4, "material_vae": 3e-4}
RENDERED = {"picture": 128, "views": 1}
MEASURED, RESOLUTION, PICTURE = 32, 128, 256
CPU = torch.device("cpu")

Kind = TypeVar("Kind", bound=torch.nn.Module)


def config_of(stage: str, checkpoint: Path, *, rendered: bool, steps: int) -> TrainConfig:
    config = read_config(CONFIGS / f"{stage}.json")
    encoder = next(name for name in config.networks if name.endswith("encoder"))
    options = dict(config.options) | ({"rendered": RENDERED} if rendered else {})
    return replace(
        config,
        task=f"{config.task}_rendered" if rendered else config.task,
        start=str(checkpoint),
        warm_start=None,
        quick_start=False,
        frozen=(encoder,),
        options=options,
        steps=steps,
        lr=RATE[stage],
        warmup_steps=min(20, steps),
        ema=0.98,
        seed=5,
        save_every=max(steps, 1),
    )


def train(stage: str, data: Path, start: Path, out: Path, *, rendered: bool, seconds: float) -> str:
    """Train the decoder; gives what was spent, in words."""
    cost = _seconds_a_step(stage, data, start, out, rendered=rendered)
    steps = max(1, int(seconds / cost))
    begun = time.process_time()
    config = config_of(stage, start, rendered=rendered, steps=steps)
    train_networks(config, data, out / "training", out / "checkpoint", device=CPU)
    return f"{steps} steps in {time.process_time() - begun:.0f} processor seconds"


def _seconds_a_step(stage: str, data: Path, start: Path, out: Path, *, rendered: bool) -> float:
    """Of the later half of a few steps: the first ones read data and compile."""
    marks: list[float] = []
    config = config_of(stage, start, rendered=rendered, steps=2 * STARTING_STEPS)
    train_networks(
        config, data, out / "trial", out / "trial_checkpoint", device=CPU,
        on_step=lambda step, log: marks.append(time.process_time()),
    )  # fmt: skip
    return (marks[-1] - marks[STARTING_STEPS - 1]) / STARTING_STEPS


def shape_figures(encoders: Path, decoders: Path, held_out: Dataset) -> dict[str, float]:
    """F-score at one voxel, and in pictures the normals' mean angle and the silhouettes' IoU."""
    encoder = _network(encoders, "shape_encoder", ShapeEncoder)
    decoder = _network(decoders, "shape_decoder", ShapeDecoder)
    rows: list[tuple[float, float, float]] = []
    for index in range(MEASURED):
        voxels = held_out.voxels(index, RESOLUTION)
        truth = opaque_surface(ovoxels_of(voxels, RESOLUTION))
        made = reconstruct_shape(encoder, decoder, voxels, RESOLUTION).surface()
        near = f_score(made, truth, 1 / RESOLUTION)
        rows.append((near, *_seen(made, truth)))
    near, angle, overlap = np.mean(rows, axis=0)
    return {
        "F-score at one voxel": float(near),
        "mean angle of normals, degrees": float(angle),
        "IoU of silhouettes": float(overlap),
    }


def _seen(made: Mesh, truth: Mesh) -> tuple[float, float]:
    """The mean angle between normals where both are seen (degrees), and the silhouettes' IoU."""
    angles, overlaps = [], []
    for turn, tilt in ((30, 25), (210, -25)):
        camera = orbit(turn, tilt)
        one, other = (
            render(mesh, camera, width=PICTURE, samples=1, shadows=False) for mesh in (made, truth)
        )
        seen, wanted = one.mask > 0.5, other.mask > 0.5
        both = seen & wanted
        cosine = (one.normal[both] * other.normal[both]).sum(axis=1)
        angles.append(np.degrees(np.arccos(np.clip(cosine, -1, 1))).mean())
        overlaps.append(both.sum() / max(1, (seen | wanted).sum()))
    return float(np.mean(angles)), float(np.mean(overlaps))


def material_figures(encoders: Path, decoders: Path, held_out: Dataset) -> dict[str, float]:
    """PSNR of the six values, and of the base colour alone."""
    encoder = _network(encoders, "material_encoder", MaterialEncoder)
    decoder = _network(decoders, "material_decoder", MaterialDecoder)
    rows = []
    for index in range(MEASURED):
        voxels = held_out.voxels(index, RESOLUTION)
        made = reconstruct_material(encoder, decoder, voxels).clip(0, 1)
        truth = voxels.materials / 255
        rows.append((psnr(made, truth), psnr(made[:, :3], truth[:, :3])))
    whole, color = np.mean(rows, axis=0)
    return {"PSNR, dB": float(whole), "PSNR of base colour, dB": float(color)}


def _network(checkpoint: Path, name: str, kind: type[Kind]) -> Kind:
    network = load_network(checkpoint / CKPTS / name, device=CPU)
    assert isinstance(network, kind), network
    return network


FIGURES: dict[str, Callable[[Path, Path, Dataset], dict[str, float]]] = {
    "shape_vae": shape_figures,
    "material_vae": material_figures,
}


def main() -> None:
    data, start, out = (Path(word) for word in sys.argv[1:4])
    seconds = float(sys.argv[4]) if len(sys.argv) > 4 else 600.0
    held_out = Dataset(data, "held_out")
    found: dict[str, dict[str, object]] = {}
    for stage, figures in FIGURES.items():
        found[f"{stage}: as it was"] = dict(figures(start, start, held_out))
        for rendered, words in ((False, "more of stage 1"), (True, "stage 2")):
            folder = out / stage / words.replace(" ", "_")
            spent = train(stage, data, start, folder, rendered=rendered, seconds=seconds)
            figure = figures(start, folder / "checkpoint", held_out)
            found[f"{stage}: {words}"] = {"spent": spent, **figure}
            print(json.dumps(found, indent=1), flush=True)
    out.mkdir(parents=True, exist_ok=True)
    (out / "table.json").write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
