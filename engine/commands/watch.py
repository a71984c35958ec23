"""`maquette watch`: an asset of every picture that appears in a folder."""

import glob
import time
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import typer

from engine.commands.arguments import finish_choice, matte_method
from engine.commands.console import USER_ERROR, counted, err, errors_shown, out
from engine.commands.options import (
    Checkpoint,
    Closed,
    Faces,
    Fast,
    Finish,
    Height,
    ImageFormat,
    Levels,
    Lods,
    Matte,
    Origin,
    Quads,
    Quality,
    Scale,
    Seed,
    Solid,
    Wall,
)
from engine.commands.remotely import engine_of, save_result, submitted_job
from engine.host.files import unwritable
from engine.remote import Engine, RemoteJob
from protocol.client import Answer
from protocol.errors import EngineError
from protocol.events import Cancelled, Done, Failed
from protocol.finishes import FinishChoice, level_files
from protocol.jobs import GenerateJob
from protocol.references import File
from protocol.replies import JobSnapshot

PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".avif", ".tif", ".tiff", ".bmp")
_LOOK = 1.0
"""Seconds between two looks; a picture is taken when two of them saw the same size and time."""


def watch(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where pictures appear.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="A folder for NAME.glb files.")],
    finishing: Finish = "standard",
    faces: Faces = None,
    quads: Quads = None,
    closed: Closed = None,
    solid: Solid = False,
    wall: Wall = None,
    levels: Levels = None,
    lods: Lods = None,
    height: Height = None,
    scale: Scale = None,
    origin: Origin = None,
    image_format: ImageFormat = None,
    quality: Quality = None,
    seed: Seed = 42,
    matte: Matte = "auto",
    fast: Fast = False,
    checkpoint: Checkpoint = None,
    once: Annotated[
        bool, typer.Option("--once", help="End when the pictures that are there are done.")
    ] = False,
) -> None:
    """Make an asset of every picture in a folder that has none yet, and of those that come."""
    with errors_shown(context.obj):
        if not folder.is_dir():
            raise EngineError(
                "folder_missing", f"{folder} is not a folder.", "Give the folder of the pictures."
            )
        choice = finish_choice(
            finishing, None, faces=faces, quads=quads, closed=closed, solid=solid, wall=wall,
            levels=levels, image_format=image_format, lods=lods, height=height, scale=scale,
            origin=origin,
        )  # fmt: skip
        settings: dict[str, Any] = {
            "quality": quality, "seed": seed, "matte": matte_method(matte), "fast": fast
        }  # fmt: skip
        GenerateJob(picture=File(str(folder)), **settings)  # what is wrong with them is said now
        with engine_of(context) as engine:
            try:
                output.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise unwritable(output, error) from error
            watcher = Watcher(engine, folder, output, choice, checkpoint, settings)
            while not (watcher.look() and once):
                watcher.follow(_LOOK)
        if watcher.failures:
            pictures = counted(watcher.failures, "picture")
            err.print(f"{pictures} gave no asset; why is said above.")
            raise typer.Exit(USER_ERROR)


class Watcher:
    """A folder of pictures and a folder of results.

    Args:
        choice: how assets are finished; None: not at all.
        settings: of ``GenerateJob``, but for the picture.

    Attributes:
        failures: pictures that gave no asset.
    """

    def __init__(
        self,
        engine: Engine,
        folder: Path,
        output: Path,
        choice: FinishChoice | None,
        checkpoint: str | None,
        settings: dict[str, object],
    ) -> None:
        self._engine, self._folder, self._output = engine, folder, output
        self._choice, self._checkpoint, self._settings = choice, checkpoint, settings
        self._seen: dict[Path, tuple[int, int]] = {}
        self._taken: dict[Path, tuple[int, int]] = {}
        self._jobs: dict[str, tuple[RemoteJob, Path]] = {}
        self.failures = 0

    def look(self) -> bool:
        """Submit what is new and no longer being written; whether nothing is left to do."""
        settled = True
        for picture in sorted(self._folder.iterdir()):
            if picture.suffix.lower() not in PICTURES or picture.name.startswith("."):
                continue
            with suppress(OSError):  # it is gone again
                status = picture.stat()
                now = status.st_size, status.st_mtime_ns
                if self._taken.get(picture) == now or self._is_newer(picture, status.st_mtime):
                    continue
                settled = False
                if self._seen.get(picture) == now and status.st_size:
                    self._taken[picture] = now
                    self._submit(picture)
                self._seen[picture] = now
        return settled and not self._jobs

    def follow(self, seconds: float) -> None:
        """Write what is done meanwhile."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            for told in self._engine.client.poll(0.05, wait_s=left):
                match told:
                    case Done(job=id) | Failed(job=id) | Cancelled(job=id) if id in self._jobs:
                        self._end(id, told)
                    case Answer(reply=JobSnapshot(row=row)) if row.id in self._jobs:
                        if row.state == "done":
                            self._end(row.id, Done(job=row.id, seconds={}))
                        elif row.state in ("failed", "cancelled"):
                            self._end(row.id, row.failure or Cancelled(job=row.id))
                    case _:
                        pass

    def _is_newer(self, picture: Path, changed: float) -> bool:
        """Whether there is a result that was made after the picture changed."""
        target = self._target(picture)
        files = level_files(self._choice, target) or (target,)
        return all(file.is_file() and file.stat().st_mtime >= changed for file in files)

    def _target(self, picture: Path) -> Path:
        """NAME.glb, or NAME.png.glb where several pictures are called so."""
        alike = [
            other
            for other in self._folder.glob(f"{glob.escape(picture.stem)}.*")
            if other.suffix.lower() in PICTURES
        ]
        return self._output / f"{picture.stem if len(alike) < 2 else picture.name}.glb"

    def _submit(self, picture: Path) -> None:
        job = GenerateJob(picture=File(str(picture)), **self._settings)  # pyright: ignore[reportArgumentType]
        try:
            submitted = submitted_job(
                self._engine,
                job,
                self._choice,
                checkpoint=self._checkpoint,
                batch=True,
                title=picture.stem,
            )
        except EngineError as error:
            self._failed(picture, str(error))
            return
        self._jobs[submitted.id] = submitted, picture
        out.print(f"{picture}: job {submitted.id[:8]}", markup=False)

    def _end(self, id: str, told: Done | Failed | Cancelled) -> None:
        job, picture = self._jobs.pop(id)
        if isinstance(told, Failed):
            self._failed(picture, f"{told.message} {told.hint}")
        elif isinstance(told, Cancelled):
            self._failed(picture, "cancelled.")
        else:
            try:
                _, lines = save_result(job, self._target(picture))
                for line in lines:
                    out.print(line, markup=False)
            except EngineError as error:
                self._failed(picture, str(error))

    def _failed(self, picture: Path, why: str) -> None:
        self.failures += 1
        err.print(f"{picture}: {why}", markup=False)
