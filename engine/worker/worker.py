"""What a worker is between jobs: whose networks are open, and whether its device still works."""

import logging
from collections.abc import Callable
from pathlib import Path

import torch

from engine import session
from engine.host.machine import device_name, known_device, ram, ram_in_use, vram
from engine.pipe.messages import (
    NEEDS_NETWORKS,
    HandOver,
    Memory,
    Ready,
    Run,
    Saved,
    Setup,
    Warmed,
)
from engine.pipe.messages import Event as PipeEvent
from engine.pipe.worker_end import WorkerEnd, write_part
from engine.report import Cancelled, HandedOver, Report
from engine.residency.models import Models
from engine.residency.plan import Policy
from engine.settings import Settings
from engine.systems.default_checkpoint import default_checkpoint
from engine.systems.matte_network import matte_network
from engine.systems.table import system_of_pipeline
from engine.warm_up import warm_up
from engine.weights.store import Store
from engine.worker.faults import DEVICE_FAULT, faults_told
from engine.worker.parts import packed_parts
from engine.worker.story import Story
from engine.worker.tokens import Tokens
from protocol.errors import EngineError
from protocol.events import Event, Note, Part, Progress
from protocol.jobs import Job

log = logging.getLogger(__name__)


class Worker:
    """Does one job after the other.

    Args:
        setup: what the front process said first.
        end: the pipe to it.
        tokens: how jobs are stopped.

    Attributes:
        usable: false after a fault of the device, which lasts as long as the process.
    """

    def __init__(self, setup: Setup, end: WorkerEnd, tokens: Tokens) -> None:
        self._settings = Settings(
            home=Path(setup.home),
            models=Path(setup.models),
            endpoint=setup.endpoint,
            mirrors=setup.mirrors,
            offline=setup.offline,
        )
        self._wanted_device, self._networks = setup.device, setup.networks
        self._end, self._tokens = end, tokens
        self._models: Models | None = None
        self._opened = ""
        self.usable = True

    def ready(self) -> Ready:
        """What the front process is told of the device."""
        try:
            device = known_device(self._wanted_device)
        except EngineError as error:
            # Each job that needs the device will say so, too.
            return Ready(device=self._wanted_device or "", problem=str(error))
        memory = vram(device) or ram()
        return Ready(
            device=str(device),
            device_name=device_name(device),
            memory_total=memory[1] if memory else None,
        )

    def run(self, command: Run) -> None:
        """Do a job, and tell how it ended."""
        report = Report(
            self._send,
            on_part=lambda name, value: self._write(command, name, value),
            job=command.job,
            cancel=self._tokens.begin(command.job),
        )

        def tell(sentence: str) -> None:
            # Not by the report: it says nothing of the asset, whose recipe keeps notes.
            self._send(Note(job=command.job, sentence=sentence))

        story = Story(
            command,
            report,
            self._end.send,
            lambda: self._open(command.checkpoint, command.spec, tell),
            lambda: self._offer(command, report),
        )
        try:
            with report.ending(), faults_told():
                story.tell()
        except Cancelled:
            log.info("job %s was cancelled", command.job)
        except HandedOver:
            log.info("job %s is finished by another worker", command.job)
        except EngineError as error:
            log.info("job %s failed: %s", command.job, error.code)
            self.usable = error.code != DEVICE_FAULT
        except Exception:
            log.exception("job %s failed", command.job)

    def _offer(self, command: Run, report: Report) -> None:
        """Ask whether somebody else finishes a job.

        Raises:
            HandedOver: yes.
            Cancelled: nobody is there any more who could say.
        """
        self._end.send(Saved(job=command.job, seconds=dict(report.seconds)))
        answer = self._end.next()
        if answer is None:
            raise Cancelled
        if isinstance(answer, HandOver) and answer.accepted:
            raise HandedOver

    def warm(self, checkpoint: str | None) -> None:
        """Load and compile what a usual job needs, until there is something better to do."""
        if not self._networks:
            warm_up("generate", "read")
            self._end.send(Warmed())
            return
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            with faults_told():
                warm_up("generate", "read")
                models = self._open(checkpoint)
                uses = system_of_pipeline(models.generation.name).usual_needs(models)
                models.plan(uses)
                if models.policy is Policy.RESIDENT:
                    with models.a_job():
                        for use in uses:
                            if self._end.waiting():
                                return
                            with models.on_device(use.name):
                                pass
            self._end.send(Warmed(checkpoint=self._opened))
            self._tell_memory()
        except EngineError as error:
            # Whoever sends a job will be told.
            log.info("not warmed: %s", error)
            self.usable = error.code != DEVICE_FAULT
        finally:
            torch.set_num_threads(threads)

    def _open(
        self,
        checkpoint: str | None,
        job: Job | None = None,
        tell: Callable[[str], None] = lambda sentence: None,
    ) -> Models:
        """The networks of a checkpoint; those of another one leave the device first.

        Args:
            job: what is going to be run, for the choice of a checkpoint.
            tell: gets a sentence for the user when the small model stands in.

        Raises:
            EngineError: ``needs_networks`` in a finisher; what is wrong with the checkpoint.
        """
        if not self._networks:
            raise EngineError(
                NEEDS_NETWORKS,
                "What was saved of this job was damaged.",
                "Run it again: it begins after its samples.",
            )
        place, store = checkpoint, Store(self._settings.models, offline=self._settings.offline)
        if place is None:
            # What is the default changes when weights are downloaded.
            place, sentence = default_checkpoint(store, job)
            if sentence is not None:
                tell(sentence)
        if self._models is None or place != self._opened:
            if self._models is not None:
                self._models.release()
                self._models = None
            self._models = session.open_models(
                self._settings, checkpoint=checkpoint, device=self._wanted_device, job=job
            )
            self._opened = place
        # A network for backgrounds may have been downloaded since.
        matte = matte_network(store)
        if matte.place != self._models.matte.place:
            self._models.matte = matte
        return self._models

    def _write(self, command: Run, name: str, value: object) -> None:
        for part, packed in packed_parts(name, value):
            self._end.send(write_part(command, part, packed))

    def _send(self, event: Event) -> None:
        # A part is told with its file, by ``_write``.
        if isinstance(event, Part):
            return
        if isinstance(event, Progress) and event.step in (0, event.steps):
            self._tell_memory()
        if isinstance(event, PipeEvent):
            self._end.send(event)

    def _tell_memory(self) -> None:
        if not self._networks:
            return  # it uses nothing of the device
        device = self._models.device if self._models else None
        if device is not None and (memory := vram(device)) is not None:
            free, total = memory
            self._end.send(Memory(used=total - free))
        elif (used := ram_in_use()) is not None:
            self._end.send(Memory(used=used))
