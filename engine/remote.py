"""A running engine, as Python programs and the command line use it: submit, wait, save.

::

    from engine import connect
    with connect() as engine:
        engine.generate("chair.png", quality="draft").wait().save("chair.glb")

Nothing here imports torch; the work is done by the engine's own processes.
"""

import io
import platform
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import psutil

from engine import __version__
from engine.assets.names import check_folder
from engine.host.command import command
from engine.host.files import check_place, made_beside, unwritable, write_bytes_atomic
from protocol import requests
from protocol.client import Answer, EngineClient, Fetched
from protocol.connection import FILE_NAME, read_connection
from protocol.errors import EngineError
from protocol.events import ENDS, Cancelled, Done, Event, Failed, Interrupted
from protocol.finishes import FinishChoice, files_of_levels
from protocol.jobs import GenerateJob, Job
from protocol.layout import views
from protocol.lookup import lookup, only
from protocol.references import Attached, File
from protocol.replies import JobList, JobRow, JobSnapshot, Refused, Reply, Status
from protocol.wire import Shaped

if TYPE_CHECKING:
    from engine.mesh import Mesh

PATIENCE = 60.0
"""Seconds for an answer: a service may be busy storing, and a machine overloaded."""
FETCH_PATIENCE = 3600.0
GONE_PATIENCE = 10.0
"""Seconds that the engine may be away while a job is waited for; it may be starting again."""
_TICK = 0.2

Reported = TypeVar("Reported", bound=Reply)


def is_running(home: Path) -> bool:
    """Whether an engine of this home seems to run: its file is there, and its process lives."""
    try:
        connection = read_connection(home / FILE_NAME)
    except EngineError:
        return False
    return connection.pid == 0 or psutil.pid_exists(connection.pid)


class Engine:
    """A running engine.

    Args:
        home: folder of everything that Maquette keeps, with engine.json.
        name: of this client for people, who see it in lists of jobs.

    Raises:
        EngineError: ``engine_not_running``, and why it does not let this client in.
    """

    def __init__(self, home: Path, *, name: str = "") -> None:
        file = home / FILE_NAME
        if not is_running(home):
            raise EngineError(
                "engine_not_running",
                f"The engine is not running (its folder is {home}).",
                f"Start it: {command('serve')}",
            )
        self.client = EngineClient(
            lambda: read_connection(file),
            name=name or f"Python on {platform.node()}",
            program=f"maquette {__version__}",
        )
        try:
            self.status()
        except BaseException:
            self.client.close()
            raise

    def __enter__(self) -> "Engine":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Leave; jobs continue."""
        self.client.close()

    def generate(
        self,
        picture: str | Path | bytes,
        *,
        finish: str | None = "standard",
        texture_size: int | None = None,
        faces: int | None = None,
        **settings: Any,
    ) -> "RemoteJob":
        """Make an asset from a picture.

        Args:
            picture: a file of this machine, or the bytes of one.
            finish: full, standard or game; None: only the raw surface with colours.
            texture_size, faces: other than the finish's.
            settings: quality, seed and so on, as in ``protocol.jobs.GenerateJob``.

        Raises:
            EngineError: what is wrong with the picture or the settings.
        """
        data = picture if isinstance(picture, bytes) else read_bytes(Path(picture))
        job = GenerateJob(picture=Attached("picture"), **settings)
        chosen = None
        if finish is not None:
            chosen = FinishChoice(finish=finish, texture_size=texture_size, faces=faces)
        title = "" if isinstance(picture, bytes) else Path(picture).stem
        return self.submit(job, {"picture": Shaped.of_file(data)}, chosen, title=title)

    def submit(
        self,
        job: Job,
        attached: Mapping[str, Shaped] | None = None,
        finish: FinishChoice | None = None,
        *,
        checkpoint: str | None = None,
        batch: bool = False,
        title: str = "",
    ) -> "RemoteJob":
        """Put a job into the queue, on disk.

        Args:
            attached: what its ``Attached`` references name.
            finish: how the asset is made ready; None: it is left as it is.
            batch: lets interactive jobs go before.

        Raises:
            EngineError: why the engine does not take it.
        """
        id = requests.new_job_id()
        message = requests.Submit(
            id=id,
            job=job,
            finish=finish,
            checkpoint=checkpoint,
            priority="batch" if batch else "interactive",
            title=title,
        )
        self.client.ask(message, attached, timeout_s=PATIENCE)
        return RemoteJob(self, id)

    def job(self, id: str) -> "RemoteJob":
        """A job by its id, or by the beginning of one that is enough to tell it from others.

        Raises:
            EngineError: ``job_unknown``, ``job_ambiguous``.
        """
        return RemoteJob(self, only(self.ask(lookup(id), JobList), id))

    def jobs(self, limit: int | None = None) -> list[JobRow]:
        """Jobs, the newest first; None: all.

        Raises:
            EngineError: ``no_answer`` and the like.
        """
        rows: list[JobRow] = []
        while limit is None or len(rows) < limit:
            more = min(requests.MOST_ROWS, (limit or requests.MOST_ROWS) - len(rows) or 1)
            after = rows[-1].id if rows else None
            page = self.ask(requests.ListJobs(limit=more, after=after), JobList)
            rows += page.rows
            if not page.more:
                break
        return rows

    def status(self) -> Status:
        """How the engine is."""
        return self.ask(requests.GetStatus(), Status)

    def ask(self, message: requests.Request, kind: type[Reported]) -> Reported:
        """The answer to a request.

        Raises:
            EngineError: what the engine refused with; ``no_answer``, and why there is none.
        """
        return cast(Reported, self.client.ask(message, timeout_s=PATIENCE))


class RemoteJob:
    """A job of a running engine.

    Attributes:
        id: of the job.
    """

    def __init__(self, engine: Engine, id: str) -> None:
        self._engine, self.id = engine, id

    def wait(self, on_event: Callable[[Event], None] = lambda event: None) -> "RemoteJob":
        """Wait for the end of the job.

        Args:
            on_event: gets everything that is told of it.

        Raises:
            EngineError: why it failed; ``job_cancelled``; ``job_interrupted`` when it waits for
                ``resume``; why the engine cannot be reached.
        """
        for event in self.events():
            on_event(event)
            match event:
                case Failed(code=code, message=message, hint=hint):
                    raise EngineError(code, message, hint)
                case Cancelled():
                    raise EngineError(
                        "job_cancelled",
                        f"The job {self.id} was cancelled.",
                        f"To begin it again: {command('retry', self.id)}",
                    )
                case _:
                    pass
        return self

    def events(self) -> Iterator[Event]:
        """Everything that is told of the job from now on, until it ends.

        Raises:
            EngineError: ``job_unknown``; ``job_interrupted``; why the engine cannot be reached.
        """
        client = self._engine.client
        asked = client.request(requests.Attach(job=self.id))
        silent = 0.0
        while True:
            for told in client.poll(0.05, wait_s=_TICK):
                if isinstance(told, Answer):
                    if told.id == asked and isinstance(told.reply, Refused):
                        raise told.reply.error()
                    if isinstance(told.reply, JobSnapshot) and told.reply.row.id == self.id:
                        yield from self._caught_up(told.reply)
                        if told.reply.row.state in requests.ENDED:
                            return
                elif not isinstance(told, Fetched) and getattr(told, "job", "") == self.id:
                    yield told
                    if isinstance(told, ENDS):
                        return
            silent = 0.0 if client.state == "alive" else silent + _TICK
            if silent > GONE_PATIENCE and client.problem is not None:
                raise self._gone(client.problem)

    def _gone(self, problem: EngineError) -> EngineError:
        """Why the job is no longer waited for. The job itself is on the engine's disk."""
        if problem.code not in ("engine_silent", "engine_not_running"):
            return problem
        followed = command("attach", self.id[:8])
        return EngineError(
            "engine_gone",
            f"The engine has ended or hangs; it was waited for {GONE_PATIENCE:.0f} s. "
            f"What the job {self.id[:8]} had done is on its disk.",
            f"Start it again ({command('serve')}), then look after the job: {followed}",
        )

    def _caught_up(self, snapshot: JobSnapshot) -> Iterator[Event]:
        """What was told before; the end too, if there was one.

        Raises:
            EngineError: ``job_interrupted``.
        """
        row = snapshot.row
        yield from snapshot.notes
        if row.state == "done":
            yield Done(job=row.id, seconds=dict(snapshot.seconds))
        elif row.state == "cancelled":
            yield Cancelled(job=row.id)
        elif row.state == "failed":
            yield row.failure or Failed(job=row.id, code="internal", message="It failed.", hint="")
        elif row.state == "interrupted":
            yield Interrupted(job=row.id, stage=row.stage)
            raise EngineError(
                "job_interrupted",
                f"The engine ended while it worked on the job {row.id}; what was done is kept.",
                f"To resume it: {command('retry', row.id)}",
            )

    def cancel(self) -> None:
        """Stop it; ``wait`` tells when it has."""
        self._engine.client.ask(requests.Cancel(job=self.id), timeout_s=PATIENCE)

    def resume(self) -> "RemoteJob":
        """Let an interrupted job continue after its last finished stage."""
        message = requests.Retry(job=self.id, id=self.id)
        self._engine.client.ask(message, timeout_s=PATIENCE)
        return self

    def retry(self, changed: Job | None = None, finish: FinishChoice | None = None) -> "RemoteJob":
        """A new job like this one, which has ended.

        Args:
            changed: with other settings; None: the same.
            finish: other than before; None: as before.
        """
        id = requests.new_job_id()
        message = requests.Retry(job=self.id, id=id, changed=changed, finish=finish)
        self._engine.client.ask(message, timeout_s=PATIENCE)
        return RemoteJob(self._engine, id)

    def snapshot(self) -> JobSnapshot:
        """All about it up to now."""
        return self._engine.ask(requests.Attach(job=self.id), JobSnapshot)

    def part(self, name: str) -> Fetched:
        """A part of the result, whole and checked.

        Raises:
            EngineError: ``part_unknown``, and what is wrong with it.
        """
        client = self._engine.client
        return cast(Fetched, client.wait_for(client.fetch(self.id, name), FETCH_PATIENCE))

    def file(self, name: str) -> "memoryview[int]":
        """The bytes of a part that is a file: "model" or "asset"."""
        fetched = self.part(name)
        return views(fetched.head.layout, fetched.data)["data"]

    def mesh(self, name: str = "finished") -> "Mesh":
        """The geometry of a part that is a mesh: "finished", or the raw "mesh"."""
        import numpy as np

        from engine.mesh import Mesh

        fetched = self.part(name)
        arrays = views(fetched.head.layout, fetched.data)
        position = np.frombuffer(arrays["position"], "<f4").reshape(-1, 3)
        return Mesh(position, np.frombuffer(arrays["corner_vert"], "<i4").reshape(-1, 3))

    def save(self, target: str | Path) -> tuple[Path, ...]:
        """Write the model: the .glb file as the engine made it, or .obj, .ply, .stl or .3mf of it.

        Returns:
            The file; or those of levels of detail beside it, the finest first, where the job made
            a file of each and ``target`` is a .glb file.

        Raises:
            EngineError: ``unwritable``, ``mesh_format``, and as ``part``.
        """
        target = Path(target)
        check_place(target)
        data = self.file("model")
        if target.suffix.lower() == ".glb":
            parts = self.snapshot().row.parts
            names = ["model", *sorted(name for name in parts if name.startswith("model_lod"))]
            if len(names) == 1:
                write_bytes_atomic(target, data)
                return (target,)
            files = files_of_levels(target, len(names))
            for name, file in zip(names, files, strict=True):
                check_place(file)
                write_bytes_atomic(file, data if name == "model" else self.file(name))
            return files
        from engine.export.mesh_file import save_mesh
        from engine.readers.load import load_mesh

        with tempfile.TemporaryDirectory() as room:
            model = Path(room, "model.glb")
            model.write_bytes(data)
            choice = self.snapshot().choice
            has_size = choice is not None and choice.settled().has_size
            save_mesh(load_mesh(model), target, keep_size=has_size)
        return (target,)

    def save_asset(self, folder: Path) -> Path:
        """Write the asset's folder, from which it can be finished or upscaled again.

        Raises:
            EngineError: ``folder_taken``, ``unwritable``, ``part_invalid``, and as ``part``.
        """
        check_folder(folder)
        data = self.file("asset")
        try:
            with (
                zipfile.ZipFile(io.BytesIO(data)) as archive,
                made_beside(folder) as made,
            ):
                for name in archive.namelist():
                    if Path(name).name != name:
                        raise EngineError(
                            "part_invalid", f"The asset holds {name!r}.", "Make it again."
                        )
                    with archive.open(name) as source, (made / name).open("wb") as copy:
                        shutil.copyfileobj(source, copy)
        except OSError as error:
            raise unwritable(folder, error) from error
        return folder


def read_bytes(path: Path) -> bytes:
    """A file that is going to be sent.

    Raises:
        EngineError: ``file_unreadable``.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise EngineError(
            "file_unreadable",
            f"Cannot read {path}: {error.strerror or error}.",
            "Check the name, and whether you may read it.",
        ) from error


def sendable(job: Any) -> tuple[Any, dict[str, Shaped]]:
    """A job whose pictures travel with it, and whose other files are named in full.

    Args:
        job: one of ``protocol.jobs``, with references of the kind File.

    Raises:
        EngineError: ``file_unreadable``.
    """
    attached: dict[str, Shaped] = {}
    changes: dict[str, Any] = {}
    for name in ("picture", "mesh", "source"):
        reference = getattr(job, name, None)
        if not isinstance(reference, File):
            continue
        if name == "picture":
            attached[name] = Shaped.of_file(read_bytes(Path(reference.path)))
            changes[name] = Attached(name)
        else:
            changes[name] = File(str(Path(reference.path).absolute()))
    return replace(job, **changes), attached
