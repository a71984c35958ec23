"""The front process: one thread, one loop, that answers clients and watches the workers."""

import logging
import os
import platform
import secrets
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import zmq

from engine.host.command import command
from engine.pipe.messages import Setup
from engine.service.admission import Admission
from engine.service.connection_file import remove_connection, write_connection
from engine.service.endpoint import Endpoint
from engine.service.helper import Helper
from engine.service.housekeeping import discard, leftovers, over_quota, remove_folders
from engine.service.inbox import Inbox
from engine.service.job_queue import JobQueue
from engine.service.options import Options
from engine.service.requests import Desk
from engine.service.running import Running
from engine.service.staff import Staff
from engine.service.store import Store
from engine.service.submitting import Submitting
from engine.service.web import Web
from engine.service.workers import Supervisor
from protocol.connection import FILE_NAME, Connection, read_connection
from protocol.errors import EngineError
from protocol.events import EngineStatus
from protocol.replies import Status

log = logging.getLogger(__name__)

TICK = 0.1
"""Seconds between looks at the clock."""
BLOCKED = 0.002
"""Seconds until a client that takes no more is tried again."""
STATUS_SECONDS = 0.2
"""Between two events about the engine."""


class Service:
    """Everything of the front process.

    Args:
        tell: gets sentences for whoever watches it run: what keeps it from doing jobs, and what
            becomes of them when it ends.

    Attributes:
        interrupted: ids of jobs that wait for their users to resume them.

    Raises:
        EngineError: ``service_running``, ``home_unwritable``, ``address_taken`` and whatever else
            keeps it from starting; nothing is left behind.
    """

    def __init__(
        self, options: Options, *, tell: Callable[[str], None] = lambda sentence: None
    ) -> None:
        self._options, self._tell = options, tell
        self._home = options.settings.home
        self.engine, self.protocol = options.engine, options.protocol
        self.machine = platform.node()
        self.session = secrets.token_hex(8)
        self._started = self._active = time.monotonic()
        self._ended = False
        self._leaving = False
        self._status_due: float | None = None
        self._housekeeping_due = True
        self._sentence = self._told = ""
        self._process = psutil.Process()
        self._inbox = Inbox()
        self._disk = ThreadPoolExecutor(1, thread_name_prefix="disk")
        self._store = _opened(self._home)
        try:
            self._build()
        except BaseException:
            self._store.close()
            raise

    def _build(self) -> None:
        options, store = self._options, self._store
        server_secret = store.secret("server_key", lambda: zmq.curve_keypair()[1].decode())
        self._server_key = zmq.curve_public(server_secret.encode()).decode()
        client_public, client_secret = (key.decode() for key in zmq.curve_keypair())
        token = secrets.token_urlsafe(32)
        self._context = zmq.Context()
        self._admission = Admission(self._context, store, client_public, token)
        queue = JobQueue(store)
        self._running = Running(
            store, queue, lambda event, job: self._endpoint.tell(event, job), self._changed
        )
        settings = options.settings
        setup = Setup(
            home=str(settings.home.absolute()),
            models=str(settings.models.absolute()),
            endpoint=settings.endpoint,
            mirrors=settings.mirrors,
            offline=settings.offline,
            device=options.device,
        )
        self._staff = Staff(
            lambda setup, name: Supervisor(
                options.worker,
                setup,
                self._inbox,
                self._running,
                patience=options.patience,
                name=name,
            ),
            setup,
            finisher=options.finisher,
        )
        self._helper = Helper(
            options.helper,
            setup,
            self._inbox,
            self._home,
            lambda session, event: self._endpoint.tell_one(session, event),
            self._disk,
        )
        desk = Desk(
            house=self,
            store=store,
            queue=queue,
            running=self._running,
            staff=self._staff,
            admission=self._admission,
            submitting=Submitting(
                store,
                queue,
                self._running,
                self._inbox,
                self._disk,
                self._helper.check,
                self._staff.forgive,
            ),
            helper=self._helper,
            disk=self._disk,
        )
        self._endpoint = desk.endpoint = Endpoint(self._context, server_secret, desk.handle)
        # An address, not a name: looking up "localhost" fails on some machines.
        self._local = self._endpoint.bind("127.0.0.1")
        self._remote = self._endpoint.bind(options.host, options.port) if options.host else ""
        self.interrupted = self._running.recover()
        self._disk.submit(remove_folders, leftovers(store))
        self.connection = Connection(
            endpoint=self._local,
            server_key=self._server_key,
            client_public=client_public,
            client_secret=client_secret,
            token=token,
            engine=self.engine,
            protocol=self.protocol,
            pid=os.getpid(),
        )
        write_connection(self._home, self.connection)
        self._web = Web(options.web, self._inbox, self._say) if options.web else None

    def _say(self, sentence: str) -> None:
        self._sentence = sentence
        self._changed()

    def run(self) -> None:
        """Serve until it is time to leave."""
        log.info("%s serves, process %d", self.engine, os.getpid())
        poller = zmq.Poller()
        sockets = (self._admission.socket, self._endpoint.socket, self._inbox.socket)
        for socket in sockets:
            poller.register(socket, zmq.POLLIN)
        wait, tick_due = 0.0, 0.0
        if self._options.device is not None:
            self._staff.worker.start()  # only it can tell whether the machine has the device
        try:
            while not self._ended:
                ready = dict(poller.poll(int(wait * 1000)))
                if self._admission.socket in ready:
                    self._admission.answer()
                if self._endpoint.socket in ready:
                    self._endpoint.receive()
                if self._inbox.socket.fileno() in ready:
                    self._inbox.run()
                now = time.monotonic()
                if now >= tick_due:
                    tick_due = now + TICK
                    self._tick(now)
                self._running.feed(self._staff)
                moved = self._endpoint.flush()
                wait = {"done": TICK, "blocked": BLOCKED, "more": 0.0}[moved]
        finally:
            self._close()

    def leave(self, *, wait: bool) -> None:
        """End soon.

        Args:
            wait: a job that runs is finished first; else it is interrupted.
        """
        self._leaving = True
        self._running.hold = True
        self._changed()
        if not wait:
            self._ended = True

    def open_pairing(self) -> str:
        """A one-time code.

        Raises:
            EngineError: ``not_bound``.
        """
        if not self._remote:
            raise EngineError(
                "not_bound",
                "The engine listens to this machine alone.",
                "Start it with 'maquette serve --bind ADDRESS'.",
            )
        return str(self._admission.open_pairing(self._remote, self._server_key))

    def status(self) -> EngineStatus:
        worker, finisher = self._staff.worker, self._staff.finisher
        device = worker.device
        idle = worker.state in ("none", "warm")
        return EngineStatus(
            worker="busy" if finisher.job and idle else worker.state,
            sentence=worker.sentence
            or finisher.sentence
            or self._running.sentence
            or self._sentence,
            job=worker.job or finisher.job,
            waiting=self._store.count("queued"),
            device=device.device if device else "",
            device_name=device.device_name if device else "",
            memory_used=worker.memory_used,
            memory_total=device.memory_total if device else None,
            checkpoint=worker.checkpoint,
            clients=self._endpoint.clients(),
            leaving=self._leaving,
        )

    def full_status(self) -> Status:
        return Status(
            engine=self.status(),
            uptime=time.monotonic() - self._started,
            memory=self._process.memory_info().rss,
            results=self._store.bytes(),
            quota=self._options.quota,
            finishing=self._staff.finisher.job,
        )

    def _changed(self) -> None:
        if self._status_due is None:
            self._status_due = time.monotonic() + STATUS_SECONDS
        self._housekeeping_due = True

    def _tick(self, now: float) -> None:
        self._staff.tick()
        self._running.tick(now)
        self._helper.tick()
        if self._web is not None:
            self._web.tick(now)
        if self._status_due is not None and now >= self._status_due:
            self._status_due = None
            self._tell_status()
        self._endpoint.probe(self.status)
        if self._housekeeping_due and not self._staff.jobs:
            self._housekeeping_due = False
            self._keep_quota()
        busy = self._staff.jobs or self._helper.busy
        if self._endpoint.clients() or busy or (self._store.count("queued") and self._feeding()):
            self._active = now
        if self._leaving and not self._staff.jobs and not self._running.unsaved:
            self._ended = True
        elif now - self._active >= self._options.idle:
            log.info("nobody needs the service any more")
            self._ended = True

    def _feeding(self) -> bool:
        """Whether jobs that wait are going to run by themselves."""
        return not self._running.hold and self._staff.worker.state != "broken"

    def _keep_quota(self) -> None:
        try:
            gone = over_quota(self._store, self._options.quota)
            if not gone:
                return
            self._disk.submit(remove_folders, discard(self._store, [r.id for r in gone]))
        except EngineError as error:
            log.error("%s", error)
            return
        size = sum(record.bytes for record in gone) / (1 << 20)
        self._sentence = (
            f"The results of {len(gone)} old jobs, {size:.0f} MiB, were removed to stay within "
            f"the quota of {self._options.quota / (1 << 20):.0f} MiB."
        )
        log.warning("%s", self._sentence)
        self._tell_status()

    def _tell_status(self) -> None:
        status = self.status()
        self._endpoint.tell(status)
        if status.sentence != self._told:
            self._told = status.sentence
            if status.sentence:
                self._tell(status.sentence)

    def _farewell(self, jobs: Sequence[str]) -> str:
        """What becomes of the jobs when the service ends.

        Args:
            jobs: that run.
        """
        sentences = ["The engine ends."]
        for job in jobs:
            resumed = "it resumes when the engine starts again"
            if not self._store.job(job).batch:
                resumed = f"to resume it when the engine runs again: {command('retry', job[:8])}"
            sentences.append(
                f"The job {job[:8]} is interrupted; what it has done is kept, and {resumed}"
            )
        if waiting := self._store.count("queued"):
            sentences.append(f"Jobs that wait: {waiting}; they run when the engine starts again.")
        return "\n".join(sentences)

    def _close(self) -> None:
        jobs = self._staff.jobs
        self._tell(self._farewell(jobs))
        self._staff.close()
        self._helper.close()
        if self._web is not None:
            self._web.close()
        for job in jobs:
            try:
                self._running.interrupt(job)
            except EngineError as error:  # the next start notices by itself
                log.error("%s", error)
        self._disk.shutdown(wait=True)
        remove_connection(self._home, os.getpid())
        self._endpoint.close()
        self._admission.close()
        self._context.destroy(linger=200)
        self._inbox.close()
        self._store.close()
        log.info("the service has ended")


def _opened(home: Path) -> Store:
    """The store; where another service has it, the error says which."""
    try:
        return Store(home)
    except EngineError as error:
        if error.code != "service_running":
            raise
        try:
            first = read_connection(home / FILE_NAME)
        except EngineError:  # it is just starting, or just ending
            raise error from None
        message = f"A service of this home runs already: process {first.pid}, {first.endpoint}."
        raise EngineError(error.code, message, error.hint) from error
