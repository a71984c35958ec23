"""The session of a Blender: everything between the buttons and the engine, without bpy.

``tick`` is called often from one timer; every verb returns at once. What cannot be done is raised
as an ``EngineError`` by the verb, or stands in the snapshot later.
"""

import importlib
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..protocol import events, replies
from ..protocol.errors import EngineError
from ..protocol.requests import Cancel, Reorder
from .asking import Asking
from .banner import Banner, Holds
from .chosen import Chosen
from .deliveries import Delivery, Placed, Target
from .engine_side import EngineSide
from .fetching import Fetching
from .following import ACTIVE, Followed, Following
from .history import History
from .language import whole
from .leaving import leave
from .pictures import PictureIn
from .rejoining import Rejoining
from .settings import (
    FinishSettings,
    GenerateSettings,
    Settings,
    TextureSettings,
    UpscaleSettings,
)
from .snapshot import EngineView, SetupView, Snapshot
from .submitting import Submitting
from .trying_again import settings_of
from .unplaced import Unplaced
from .weights import Weights

if TYPE_CHECKING:
    from ..protocol.connection import Connection
    from ..protocol.wire import Shaped


class Session:
    """See above.

    Args:
        find: gives the connection, such as ``read_connection`` of a file; an ``EngineError`` of it
            says why there is none.
        client: name of this Blender for people; owns its jobs.
        program: name and version of the extension.
        user_folder: of the extension, for what must outlive Blender.
        home: of the engine on this machine; None: nobody knows.
        clock: seconds, never backwards.

    Attributes:
        chosen: what objects are made from: a picture and its matte.
        weights: the published weights: their list, and a download of what is missing.
    """

    def __init__(
        self,
        find: "Callable[[], Connection]",
        *,
        client: str,
        program: str,
        user_folder: Path,
        home: Path | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._home = home
        self._asking = Asking(find, client, program, clock)
        self._unplaced = Unplaced(user_folder / "unplaced")
        self._fetching = Fetching(self._asking, clock, self._delivered)
        self._jobs = Following(clock, self._fetching.part, self._ended)
        self._banner = Banner(clock)
        self._history = History(self._asking, self._unplaced, self._banner.say)
        self._rejoining = Rejoining(self._asking, self._jobs, self._unplaced)
        self.chosen = Chosen(self._asking, self._refresh)
        self.weights = Weights(self._asking, self._refresh)
        self._submitting = Submitting(
            self._asking, self._jobs, self.chosen, self._follow, self._forget
        )
        self._engine = EngineSide(self._asking, self._banner.say, program)
        self._welcome: replies.Welcome | None = None
        self._snapshot = Snapshot()
        self._rejoining.recall()

    # What panels and the timer see

    @property
    def snapshot(self) -> Snapshot:
        """The same object as long as nothing changed."""
        return self._snapshot

    @property
    def busy(self) -> bool:
        """Whether ticks should come quickly: parts are on their way."""
        client = self._asking.client
        return client is not None and client.state == "alive" and client.fetching

    @property
    def working(self) -> bool:
        """Whether anything is expected to happen by itself: a job, a check, a download."""
        weights = self.weights.view
        return (
            any(job.state in ACTIVE for job in self._jobs)
            or self.chosen.view.checking
            or (weights is not None and weights.running)
        )

    @property
    def thumbnails(self) -> Mapping[str, bytes]:
        """(128, 128) RGBA8 rows, top first, by job; ``show`` says which are wanted."""
        return self._history.thumbnails

    def engine_facts(
        self, engine: EngineView | None = None, setup: SetupView | None = None
    ) -> None:
        """What is known of the engine's process and of its set-up."""
        before = self._engine.facts
        self._engine.facts = engine or before
        self._engine.setup = setup or self._engine.setup
        if self._engine.facts.used != before.used:
            self._leave(before.place)
        self._refresh()

    def file_opened(self, key: str) -> None:
        """Another file is open: results for the one before are offered in the history."""
        self._fetching.file = key
        self._banner.file_opened()
        self._refresh()

    def objects_seen(self, there: Callable[[int], bool], holds: Holds | None = None) -> None:
        """What is told of jobs keeps to what is in the scenes: before each tick.

        Args:
            there: whether an object is in a scene of the open file, by ``session_uid``.
            holds: after an undo, as ``Banner``.
        """
        self._banner.objects_seen(there, holds)
        self._jobs.objects_seen(there, self._fetching.file)

    def tick(self, budget_s: float = 0.01) -> list[Delivery]:
        """Send, receive, and say what is ready for the scene: at most one delivery, since to build
        one takes long enough. It is answered by ``placed`` before the next tick."""
        try:
            if self._engine.expected:
                told = self._asking.poll(budget_s)
                self._engine.problem = None
                for each in told:
                    self._take_alone(each)
        except EngineError as error:
            self._engine.problem = error
        self._greeted()
        delivery = self._fetching.due()
        self._refresh()
        return [] if delivery is None else [delivery]

    def placed(self, delivery: Delivery, placed: Placed) -> None:
        """What became of a delivery in the scene."""
        self._fetching.placed(delivery, placed)
        self._refresh()

    # Jobs

    def generate(
        self, settings: GenerateSettings, target: Target, picture: PictureIn | None = None
    ) -> list[str]:
        """Objects from a picture.

        Args:
            picture: None: the chosen one, with its matte.

        Returns:
            The ids of the jobs, one for each variant.

        Raises:
            EngineError: what cannot be; nothing was sent then.
        """
        return self._submitting.generate(settings, target, picture)

    def texture(
        self,
        settings: TextureSettings,
        mesh_arrays: "Mapping[str, Shaped]",
        target: Target,
        picture: PictureIn | None = None,
    ) -> str:
        """New materials for a mesh.

        Args:
            mesh_arrays: as ``protocol.parts.MESH_ARRAYS``, as it stands in the world.
            picture: None: the chosen one, with its matte.

        Returns, raises: as ``generate``, of one job.
        """
        return self._submitting.texture(settings, mesh_arrays, target, picture)

    def upscale(
        self,
        settings: UpscaleSettings,
        target: Target,
        mesh_arrays: "Mapping[str, Shaped] | None" = None,
        picture: PictureIn | None = None,
        *,
        source: str = "",
    ) -> str:
        """A finer version of an object.

        Args:
            mesh_arrays: of an object that was not made here, or was edited since.
            picture: other than the one of ``source``, or without that than the chosen one.
            source: id of the job that made the object, or empty.

        Returns, raises: as ``texture``.
        """
        return self._submitting.upscale(settings, target, mesh_arrays, picture, source)

    def finish(self, settings: FinishSettings, target: Target, *, source: str) -> str:
        """A stored result made ready in another way, without generating.

        Args:
            source: id of the job that made it.

        Returns, raises: as ``texture``.
        """
        return self._submitting.finish(settings, target, source)

    def retry(self, job: str, settings: Settings | None = None) -> str:
        """Run a job that failed, was cancelled or interrupted again.

        Args:
            settings: other ones; None: the same, and an interrupted job is resumed.

        Returns, raises: as ``texture``; the id may be another one.
        """
        return self._submitting.retry(self._known(job), settings)

    def again(
        self, job: str, target: Target, *, seed: int | None = None, quality: str = ""
    ) -> list[str]:
        """A stored job once more, as a new one.

        Args:
            seed: another one, for a variant; None: the same.
            quality: another one; empty: the same.

        Returns:
            The id of the new job.
        """
        title = self._history.title(job) or target.object_name
        return [self._submitting.again(job, title, target, seed, quality)]

    def settings_of(self, job: str) -> Settings:
        """What a job is made with; as ``trying_again.settings_of``."""
        return settings_of(self._known(job))

    def cancel(self, job: str) -> None:
        """Stop a job, or take it out of the queue. One that is done is only not placed."""
        followed = self._known(job)
        if followed.state in ("fetching", "waiting"):
            self._fetching.give_up(followed)
        elif followed.state in ACTIVE:
            followed.cancelling = True
            self._asking.ask(Cancel(job=job), self._engine.answered)
        self._refresh()

    def reorder(self, job: str, before: str | None) -> None:
        """Move a waiting job before another one; None: to the end."""
        self._asking.ask(Reorder(job=job, before=before), self._engine.answered)

    def dismiss(self, job: str) -> None:
        """Show a job that has ended no longer; its result stays in the history."""
        followed = self._jobs.get(job)
        if followed is not None and followed.state in ACTIVE:
            return
        if followed is not None:
            self._forget(followed)
        self._unplaced.remove(job)
        self._history.offer()
        self._refresh()

    def dismiss_banner(self) -> None:
        """What has just ended was read; the job stays in the list."""
        self._banner.dismiss()
        self._refresh()

    # The history

    def history(
        self, more: bool = False, filter: str | None = None, picture: str | None = None
    ) -> None:
        """Get the first page of results, or the next one; as ``History.load``."""
        self._history.load(more=more, filter=filter, picture=picture)

    def folder_of(self, job: str) -> Path:
        """Where a result lies.

        Raises:
            EngineError: ``result_elsewhere``, ``result_missing``.
        """
        return self._history.folder(job, self._home if not self._engine.facts.remote else None)

    def show(self, jobs: Sequence[str]) -> None:
        """These rows of the history are seen: get their thumbnails."""
        self._history.show(jobs)

    def insert(self, job: str, target: Target) -> None:
        """Put a stored result into the scene."""
        self._follow(Followed(id=job, title=self._history.title(job), target=target))
        self._rejoining.attach(job)

    def pin(self, job: str, pinned: bool) -> None:
        """Keep a result whatever the quota says, or no longer."""
        self._history.pin(job, pinned)
        self._refresh()

    def delete(self, job: str) -> None:
        """Remove a result from the engine's store."""
        self._history.delete(job)
        self._refresh()

    # The engine

    def release_memory(self) -> None:
        """As ``EngineSide``."""
        self._engine.release_memory()

    def shutdown_engine(self, *, wait: bool = False) -> None:
        """End the engine.

        Args:
            wait: the job that runs is finished first; else it can be resumed.
        """
        self._engine.shutdown(wait=wait)

    def close(self) -> None:
        """End at once. Jobs run on, and their results are offered next time."""
        self._asking.close()

    # Inside

    def _take_alone(self, told: events.Event | replies.Reply) -> None:
        """What one of them could not ask for further does not cost the others."""
        try:
            self._take(told)
        except EngineError as error:
            self._banner.say(whole(error.message, error.hint))

    def _take(self, told: events.Event | replies.Reply) -> None:
        match told:
            case events.EngineStatus():
                self._engine.take(told)
            case events.ModelProgress():
                self.weights.take(told)
                if told.ended:
                    self._engine.describe()
                    self.chosen.network_came()
            case replies.JobSnapshot():
                self._jobs.take_snapshot(told)
            case _:
                self._jobs.take(told)

    def _greeted(self) -> None:
        """What to ask at the beginning of every connection."""
        client = self._asking.client
        welcome = client.welcome if client is not None and client.state == "alive" else None
        if welcome is None or welcome is self._welcome:
            return
        if self._welcome is not None and self._welcome.session != welcome.session:
            self.weights.lost()
        self._welcome, self._engine.status = welcome, welcome.status
        self._rejoining.greeted()
        # Parts are checked by it: loaded now, it is not loaded in the middle of a job.
        importlib.import_module("numpy")
        self._history.load()
        self._engine.describe()

    def _leave(self, place: str) -> None:
        """Another engine is used from here on."""
        self._asking.renew()
        self._welcome = None
        self._unplaced.engine = self._engine.facts.used
        self._rejoining.forget()
        for each in (self._engine, self._history, self.weights):
            each.renew()
        if left := leave(self._jobs, self._fetching, self._submitting, place):
            self._banner.say(left)
        self._rejoining.recall()
        self.chosen.renew()

    def _follow(self, job: Followed) -> None:
        self._jobs.add(job)
        self._unplaced.add(job.id)
        self._refresh()

    def _forget(self, job: Followed) -> None:
        self._fetching.drop(job)
        # One that is resumed has the same id already.
        if self._jobs.get(job.id) is job:
            self._jobs.remove(job.id)
        self._unplaced.remove(job.id)

    def _ended(self, job: Followed) -> None:
        if job.state == "fetching":
            job.engine = self._welcome.engine if self._welcome else ""
            self._unplaced.add(job.id)  # also where it was noted as interrupted
            self._fetching.ended(job)
            self._engine.describe()  # what such a job takes is known better now
            return
        if job.state != "interrupted":
            self._fetching.drop(job)
        self._unplaced.note(job)

    def _delivered(self, job: Followed, placed: bool) -> None:
        if placed:
            self._unplaced.remove(job.id)
        self._history.load()

    def _known(self, job: str) -> Followed:
        found = self._jobs.get(job)
        if found is None:
            raise EngineError(
                "job_unknown", "This job is not in the list any more.", "Look into the history."
            )
        return found

    def _refresh(self) -> None:
        if self._engine.died:
            self._jobs.engine_died()
        engine = self._engine.view()
        banner = self._banner.look(self._jobs)
        snapshot = Snapshot(
            engine=engine,
            setup=self._engine.setup,
            checkpoint=self._engine.checkpoint(),
            jobs=self._jobs.views(silent=engine.state == "gone"),
            history=self._history.rows,
            history_more=self._history.more,
            picture=self.chosen.view,
            weights=self.weights.view,
            banner=banner,
            message=self._banner.message,
            news=self._banner.news,
        )
        if snapshot != self._snapshot:
            self._snapshot = snapshot
