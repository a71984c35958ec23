"""`maquette train`: a configuration, or the whole small model that ships."""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from engine.commands.console import INTERRUPTED, err, errors_shown, out
from protocol.errors import EngineError

if TYPE_CHECKING:
    import torch

EMBEDDED = "embedded"
CONFIGS = Path(__file__).parents[2] / "configs"

Data = Annotated[
    Path, typer.Option("--data", help="A data folder of `maquette data build`; embedded makes it.")
]
Out = Annotated[
    Path, typer.Option("--out", help="Gets states and logs; a training that is there resumes.")
]


def train(
    context: typer.Context,
    config: Annotated[
        str,
        typer.Argument(metavar="CONFIG", help="A file like those in configs/, or: embedded."),
    ],
    data: Data,
    output: Out,
    device: Annotated[str | None, typer.Option(help="Such as cpu or cuda:1.")] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="On a CPU; else all cores.")] = None,
    evaluate: Annotated[
        bool,
        typer.Option("--evaluate", help="embedded: only measure the checkpoint in --out."),
    ] = False,
    view: Annotated[
        int, typer.Option(min=0, help="--evaluate: which of the pictures of a toy is shown.")
    ] = 0,
    words: Annotated[
        bool, typer.Option("--words", help="--evaluate: captions instead of pictures.")
    ] = False,
) -> None:
    """Train networks. Stopped by Ctrl-C, it resumes at the same step the next time."""
    with errors_shown(context.obj):
        place = _begin(device, threads)
        if evaluate and config != EMBEDDED:
            raise EngineError(
                "train_evaluate",
                "Only the small model is measured here.",
                "Leave out --evaluate, or give embedded for CONFIG.",
            )
        with _stoppable() as stop:
            start = time.perf_counter()
            if config == EMBEDDED:
                shown = (view, words) if evaluate else None
                finished = _small_model(data, output, place, stop, shown)
            else:
                finished = _one(Path(config), data, output, place, stop)
        if not finished:
            err.print("Stopped; the same command resumes from here.")
            raise typer.Exit(INTERRUPTED)
        out.print(f"{output}: done in {time.perf_counter() - start:,.0f} s", markup=False)


def _one(
    path: Path, data: Path, output: Path, device: "torch.device", stop: Callable[[], bool]
) -> bool:
    from engine.training.config import read_config
    from engine.training.tasks.table import train_networks

    config = read_config(path)
    with _bars() as watch:
        return train_networks(
            config, data, output, output / "checkpoint", device=device, stop=stop,
            on_step=lambda step, log: watch(
                f"{config.task}, loss {log['loss']:.4g}", step, config.steps
            ),
        )  # fmt: skip


def _small_model(
    data: Path,
    output: Path,
    device: "torch.device",
    stop: Callable[[], bool],
    shown: tuple[int, bool] | None,
) -> bool:
    """Train it, or measure it with a picture of each toy or with words, in evaluation*.json."""
    from engine.training import recipe
    from engine.training.embedded import train_embedded

    paths = recipe.Paths(CONFIGS / EMBEDDED, data, output)
    if shown is not None:
        from engine.training.evaluate import evaluate_checkpoint, save_scores, table_of

        with _bars() as watch:
            view, words = shown
            found = evaluate_checkpoint(
                paths.shipped, paths.checkpoint, data, view=view, words=words, watch=watch
            )
        of = "_words" if words else f"_view_{view}" if view else ""
        save_scores(output / f"evaluation{of}.json", found)
        out.print(table_of(found), markup=False)
        return True
    with _bars() as watch:
        shipped = train_embedded(paths, recipe.EMBEDDED, device=device, watch=watch, stop=stop)
    if shipped is None:
        return False
    out.print(f"What ships is in {shipped}; it belongs into engine/embedded.", markup=False)
    return True


def _begin(device: str | None, threads: int | None) -> "torch.device":
    """The device, with the ranks of torchrun set up where it started this process."""
    import torch
    import torch.distributed as dist

    from engine.host.machine import known_device, sees_cuda
    from engine.host.parallel import limit_threads

    if threads is not None:
        limit_threads(threads)
        torch.set_num_threads(threads)
    # Not the best device but these two: on others nothing was ever trained.
    place = known_device(device or ("cuda" if sees_cuda() else "cpu"))
    if dist.is_torchelastic_launched():
        dist.init_process_group("nccl" if place.type == "cuda" else "gloo")
    return place


@contextmanager
def _stoppable() -> Iterator[Callable[[], bool]]:
    """The first Ctrl-C ends the training after its step, the second one at once."""
    asked = False

    def ask(*_: object) -> None:
        nonlocal asked
        if asked:
            raise KeyboardInterrupt
        asked = True
        err.print("Stopping after this step ...")

    before = signal.signal(signal.SIGINT, ask)
    try:
        yield lambda: asked
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _bars() -> Iterator[Callable[[str, int, int], None]]:
    columns = (
        TextColumn("{task.description:24}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=err, disable=not err.is_terminal) as progress:
        tasks: dict[str, TaskID] = {}

        def watch(stage: str, done: int, total: int) -> None:
            name = stage.split(",")[0]
            if name not in tasks:
                tasks[name] = progress.add_task(stage)
            progress.update(tasks[name], description=stage, completed=done, total=total)

        yield watch
