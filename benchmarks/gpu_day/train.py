"""The small model by its recipe: what is done is kept, what is missing goes on in the next call."""

import json
import time
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import torch

from benchmarks.gpu_day.packing import pack
from benchmarks.gpu_day.parts import Day, Part, Row
from engine.training.recipe import EMBEDDED, Paths, Recipe
from engine.weights.sentences import model_folder
from protocol.errors import EngineError

NAME = "embedded"
CONFIGS = Path(__file__).resolve().parents[2] / "configs" / NAME
STOPPING = 20.0
"""Seconds in which a training has to end its step and save its state."""
MEASURED, SHOWN = 32, 24
SHIPS = {
    "reconstruction": 0.956, "material_psnr": 21.0, "structure_iou": 0.719,
    "cells_iou": 0.719, "f_score": 0.864, "fine_f_score": 0.669, "color_error": 0.140,
}  # fmt: skip
"""Of the weights that ship (docs/embedded.md), for comparison; on 128 toys."""


def _paths(day: Day) -> Paths:
    home = day.work / NAME
    return Paths(_cut(home) if day.rehearse else CONFIGS, home / "data", home / "out")


def _recipe(day: Day) -> Recipe:
    if day.rehearse:
        settings = replace(EMBEDDED.settings, views=1, resolutions=(64,))
        return replace(
            EMBEDDED, toys="toybox:5-6", settings=settings, qualities={},
            more_views=0, words=False, bars={},
        )  # fmt: skip
    try:
        model_folder()
    except EngineError:
        return replace(EMBEDDED, words=False)
    return EMBEDDED


def _cut(home: Path) -> Path:
    """Configurations of two steps of the least; of toys 5 and 6 the second is held out."""
    folder = home / "configs"
    folder.mkdir(parents=True, exist_ok=True)
    for path in CONFIGS.glob("*.json"):
        config = json.loads(path.read_text(encoding="utf-8"))
        config.update(steps=2, warmup_steps=1)
        options = config["options"]
        least = {"batch_size": 1, "most_voxels": 3000, "view": 0, "resolutions": [64]}
        options |= {name: value for name, value in least.items() if name in options}
        if "levels" in options:
            options["levels"] = [{"resolution": 64, "batch_size": 1, "weight": 1.0}]
        for network in config["networks"].values():
            network["args"].pop("trunk", None)  # its weights come with a package
            if "num_heads" in network["args"]:
                network["args"]["num_blocks"] = 1
        (folder / path.name).write_text(json.dumps(config), encoding="utf-8")
    return folder


def training(day: Day) -> Iterator[Row]:
    """Data, stages, checkpoint; stops in time."""
    from engine.training.embedded import train_embedded

    paths, recipe = _paths(day), _recipe(day)
    for archive in sorted(day.state.glob("*.zip")) if not paths.out.exists() else []:
        with zipfile.ZipFile(archive) as states:
            states.extractall(paths.out)
        yield Row("resumed from", archive.name)
    if not recipe.words:
        yield Row("words", "left out: no package here reads sentences")
    clock = _Clock()
    begin = time.time()
    shipped = train_embedded(
        paths, recipe, device=torch.device(day.device), watch=clock.watch,
        stop=lambda: time.time() > day.ends - STOPPING,
    )  # fmt: skip
    for stage, (first, last, total, seconds) in clock.stages.items():
        done = last - first
        text = f"{first} to {last} of {total} in {seconds:.0f} s"
        text += f", {seconds / done:.3f} s each" if done else ""
        yield Row(stage, text, more={"done": last, "of": total, "seconds": seconds})
    state = "finished" if shipped else "stopped in time: the same command goes on"
    yield Row("recipe", f"{state}, {time.time() - begin:.0f} s", right=None)


class _Clock:
    """Hears how far each stage is.

    Attributes:
        stages: name -> first and last number heard, of how many, seconds between them.
    """

    def __init__(self) -> None:
        self.stages: dict[str, tuple[int, int, int, float]] = {}
        self._began: dict[str, float] = {}
        self._told = 0.0

    def watch(self, stage: str, done: int, total: int) -> None:
        now = time.time()
        # A resumed stage says its first number after the step that led to it.
        began = self._began.setdefault(stage, now)
        first = self.stages.get(stage, (done, 0, 0, 0.0))[0]
        self.stages[stage] = (first, done, total, now - began)
        if now > self._told + 10:
            self._told = now
            print(f"   {stage}: {done} of {total}", flush=True)


def carried_back(day: Day) -> Iterator[Row]:
    """Archives small enough to travel: what ships, else all that the next machine needs."""
    paths = _paths(day)
    if not paths.out.exists():
        yield Row("archives", "nothing is there yet")
        return
    if paths.shipped.is_dir():
        files = [path for path in paths.shipped.rglob("*") if path.is_file()]
        # Only the checkpoint has it, and measuring needs it.
        files += paths.checkpoint.glob("ckpts/material_encoder.*")
        files += paths.out.glob("costs.json")
    else:
        files = [
            path
            for path in paths.out.rglob("*")
            if path.is_file() and not {"states", "tensorboard", "first_weights"} & {*path.parts}
        ]
    archives, left = pack(files, paths.out, day.out, NAME)
    for archive in archives:
        yield Row(archive.name, f"{archive.stat().st_size / 2**20:.1f} MiB")
    for path in left:
        yield Row(str(path.relative_to(paths.out)), "no room for it", "carried back", False)


def evaluation(day: Day) -> Iterator[Row]:
    """What ships, measured on held-out toys, on the processor as everything before was."""
    from engine.training.evaluate import Scores, evaluate_checkpoint, mean_scores, save_scores

    paths = _paths(day)
    if not paths.shipped.is_dir():
        yield Row("held-out toys", "not trained to the end yet")
        return
    told = _Clock()
    found = evaluate_checkpoint(
        paths.shipped, paths.checkpoint, paths.data,
        count=1 if day.rehearse else MEASURED, watch=told.watch,
    )  # fmt: skip
    save_scores(paths.out / "evaluation.json", found)
    scores = [each for _, each in found.values()]
    names = list(Scores.__dataclass_fields__)
    for name, mean in zip(names, mean_scores(scores), strict=True):
        text = f"{mean:.3f} (the weights that ship: {SHIPS[name]:.3f})"
        yield Row(f"{name}, {len(scores)} toys", text, more={"mean": mean})


def contact_sheet(day: Day) -> Iterator[Row]:
    """Pictures, results and truths side by side."""
    from benchmarks.embedded_sheet import held_out_tiles, sheet_of
    from engine.residency.models import Models
    from engine.systems.opening import load_checkpoint

    paths = _paths(day)
    if not paths.shipped.is_dir():
        yield Row("sheet", "not trained to the end yet")
        return
    models = Models(load_checkpoint(paths.shipped, offline=True))
    count = 1 if day.rehearse else SHOWN
    file = day.out / "sheet.webp"
    sheet_of(held_out_tiles(models, paths.data, None, count)).save(file, quality=80)
    yield Row(file.name, f"{count} toys")


PARTS = (
    Part(training, limit=3600, least=60, leaves=30),
    Part(carried_back, limit=60, least=5),
    Part(evaluation, limit=240, least=90),
    Part(contact_sheet, limit=150, least=60),
)
