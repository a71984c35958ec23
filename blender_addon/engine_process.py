"""The engine's process: found, set up, started, watched, ended. Polled; nothing here waits."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from platform import machine as processor
from typing import TYPE_CHECKING

from .core import launch, uv
from .core.disk import unwritable
from .core.engine_choice import EngineChoice, pairing_address
from .core.engine_facts import EngineFacts
from .core.installed import Installed, engine_in, own_engine
from .core.local_engine import LocalEngine
from .core.machine import Costs, costs, longest_home, this_machine
from .core.online import Online, why_not_online
from .core.order import Order
from .core.places import Places
from .core.plan import extras_of, newer, wheel_identity, wheel_version
from .core.process_view import Known, engine_view, set_up_view
from .core.set_up_watch import SetUpWatch
from .protocol.errors import EngineError
from .protocol.home import data_folder

if TYPE_CHECKING:
    from .protocol.connection import Connection
    from .protocol.pairing import Pairing

LOOK_EVERY = 1.0
"""Seconds between looks at what is installed."""


def home() -> Path:
    """The folder in which the engine keeps everything."""
    return data_folder(os.environ, sys.platform, Path.home())


class EngineProcess:
    """The engine of this user, shared by all Blenders; or another machine's.

    Args:
        home: of the engine, see ``home``.
        user_folder: of the extension, kept over updates.
        extension: folder of the extension; its engine is ``engine/maquette-*.whl``.
        version: of the extension.
        client: name of this Blender for people.
        online: whether the internet may be used.
        environment: that processes start with.
        python: Blender's; None: looked for.
        wheel: of the engine; None: that of the extension.
        clock: seconds, never backwards.

    Attributes:
        facts: what is known; the same object until something changes.
    """

    def __init__(
        self,
        home: Path,
        user_folder: Path,
        *,
        extension: Path,
        version: str,
        client: str = "Blender",
        online: Callable[[], Online] = lambda: "allowed",
        environment: Mapping[str, str] | None = None,
        python: Path | None = None,
        wheel: Path | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._places = Places(home)
        self._extension, self._version, self._client = extension, version, client
        self._online, self._clock = online, clock
        self._given = dict(os.environ if environment is None else environment)
        self._given["MAQUETTE_HOME"] = str(home)
        self._python = python
        self._wheel = wheel or next(iter(sorted(extension.glob("engine/maquette-*.whl"))), None)
        self._wheel_identity = ""
        self._extras: frozenset[str] = extras_of(self._wheel) if self._wheel else frozenset()
        self._choice = EngineChoice(user_folder)
        self._machine = this_machine(sys.platform, processor())
        self._watch = SetUpWatch(self._places, clock)
        self._finished = 0
        self._local = LocalEngine(self._places, uv.without_python(self._given), clock)
        self._pairing: Pairing | None = None
        self._installed: Installed | None = None
        self._absent: EngineError | None = None
        self._trouble: EngineError | None = None
        self._look_at = 0.0
        self.facts = EngineFacts()
        self.poll()

    def poll(self) -> None:
        """See what has happened. Call it about ten times a second; it takes milliseconds."""
        self._watch.poll()
        if self._watch.finished != self._finished:
            self._finished = self._watch.finished
            self._changed()
        now = self._clock()
        if now >= self._look_at:
            self._look_at = now + LOOK_EVERY
            self._look()
        self._local.poll()
        self._poll_pairing()
        facts = EngineFacts(engine=engine_view(self._known()), setup=self._set_up_view())
        if facts != self.facts:
            self.facts = facts

    def find(self) -> "Connection":
        """Where the engine is, and what lets this user in: for ``EngineClient``.

        Raises:
            EngineError: there is none, with the reason.
        """
        from .protocol.connection import read_connection

        if self._choice.chosen.remote:
            if why_not := why_not_online(self._online()):
                raise EngineError("not_online", why_not, "")
            return read_connection(self._choice.remote_file)
        if self._local.running is None:
            view = engine_view(self._known())
            raise EngineError("engine_not_running", view.sentence, view.hint)
        return read_connection(self._places.connection)

    def start(self, *, on_demand: bool = False) -> None:
        """Start the engine, unless one runs.

        Args:
            on_demand: nobody has pressed a button for it: what crashes again and again is left
                alone.

        Raises:
            EngineError: ``engine_absent``, ``set_up_runs``, ``engine_crashes``, ``unwritable``.
        """
        if self._choice.chosen.remote:
            return
        if self._watch.running:
            raise EngineError(
                "set_up_runs", "The engine is being set up.", "Wait until that is done."
            )
        self._look()
        if self._installed is not None:
            self._local.start(self._installed, on_demand=on_demand)
        elif self._local.running is None:
            raise self._absent or EngineError(
                "engine_absent", "There is no engine on this machine yet.", "Set up the engine."
            )
        self.poll()

    def restart(self) -> None:
        """End the engine, however it is, and start it again; its jobs can be resumed.

        Raises:
            EngineError: as ``start``.
        """
        if self._local.running is None or self._installed is None:
            self.start()
            return
        self._local.stop(self._installed, now=True, then_start=True)
        self.poll()

    def stop(self, *, now: bool = False) -> None:
        """End the engine of this machine, for all Blenders.

        Args:
            now: do not wait for its job, which can be resumed.
        """
        self._local.stop(self._installed, now=now)
        self.poll()

    def set_up(self, *, agreed: bool = False, fresh: bool = False, extra: str = "") -> None:
        """Set up the engine, or its newer version.

        Args:
            agreed: to what the last one has asked.
            fresh: take over nothing of what is there: repair it.
            extra: of the engine, besides those that it has or cannot do without; from then on
                it belongs to it.

        Raises:
            EngineError: why it cannot begin.
        """
        if self._watch.running:
            return
        if why_not := self._why_not_set_up():
            raise EngineError("set_up_impossible", why_not, "")
        wheel, source = self._wheel, uv.wheel_for(self._machine)
        assert wheel is not None and source is not None  # else there was a why_not
        there = own_engine(self._places)
        self._extras |= there.extras if there else frozenset[str]()
        self._extras |= {extra} if extra else set[str]()
        order = Order(
            home=str(self._places.home),
            wheel=str(wheel),
            extras=tuple(sorted(self._extras)),
            uv_url=source.url,
            uv_size=source.size,
            uv_sha256=source.sha256,
            index=uv.own_index(self._given),
            backend=uv.torch_backend(self._machine, self._given),
            nvidia=self._machine.nvidia,
            agreed=self._costs().download,
            accepted=agreed and self._watch.asked is not None,
            fresh=fresh,
            longest_home=longest_home() or 0,
        )
        self._choice.use_own()
        self._watch.begin(self._start_set_up(order), order.token)
        self.poll()

    def cancel_set_up(self) -> None:
        """End the set-up; what was downloaded is kept."""
        if self._watch.running:
            if pid := self._watch.pid:
                launch.end_group(pid, self._given)
            self._watch.cancelled()
            self.poll()

    def dismiss_set_up(self) -> None:
        """Show no longer how the last one ended."""
        self._watch.forget()
        self.poll()

    def discard_set_up(self) -> None:
        """Delete what an unfinished set-up has downloaded."""
        if not self._watch.running and self._wheel is not None:
            nothing = Order(
                home=str(self._places.home), wheel="", uv_url="", uv_size=0, uv_sha256=""
            )
            self._watch.let_run(self._start_set_up(nothing, "discard"))

    def use_own(self) -> None:
        """Use the engine that was set up here."""
        self._choice.use_own()
        self._changed()
        self.poll()

    def use_folder(self, folder: Path) -> None:
        """Use an engine that is installed in a folder.

        Raises:
            EngineError: ``no_engine_there``.
        """
        engine_in(folder)
        self._choice.use_folder(folder)
        self._changed()
        self.poll()

    def use_remote(self, address: str, code: str) -> None:
        """Use the engine of another machine; ``facts`` tell how it went.

        Args:
            address: of that machine where the code's does not lead there; may be empty.
            code: that ``maquette pair`` shows there.

        Raises:
            EngineError: ``pairing_code_invalid``, ``not_online``.
        """
        from .protocol.connection import PairingCode
        from .protocol.pairing import Pairing

        if why_not := why_not_online(self._online()):
            raise EngineError("not_online", why_not, "")
        parsed = PairingCode.parse(pairing_address(address, code))
        if self._pairing is not None:
            self._pairing.close()
        self._trouble = None
        self._pairing = Pairing(parsed, self._client, clock=self._clock)
        self.poll()

    def dismiss_pairing(self) -> None:
        """Show no longer that another machine did not let us in."""
        self._trouble = None
        self.poll()

    def forget_remote(self) -> None:
        """Use this machine's engine again, and forget what let us into the other one."""
        self._choice.forget_remote()
        self._changed()
        self.poll()

    def close(self) -> None:
        """Blender ends: the engine stays until nobody needs it, a set-up until it is done."""
        if self._pairing is not None:
            self._pairing.close()
        self._watch.close()
        self._local.close()

    def _changed(self) -> None:
        self._trouble = None
        self._local.forgive()
        self._look()

    def _start_set_up(self, order: Order, *arguments: str) -> "subprocess.Popen[bytes]":
        python = self._python or launch.blenders_python(
            sys.executable, sys.prefix, sys.version_info[:2], Path.exists
        )
        if python is None:
            raise EngineError(
                "python_missing",
                "Blender's own Python was not found.",
                "Use an engine that is installed already (folder), or install Blender from "
                "blender.org.",
            )
        places = self._places
        try:
            places.work.mkdir(parents=True, exist_ok=True)
            places.set_up_log.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise unwritable(Path(error.filename or places.work), error) from error
        return launch.start(
            launch.set_up_command(python, self._extension, *arguments),
            log=places.process_log,
            environment=uv.environment_for(self._given, places),
            folder=places.home,
            given=order.to_json(),
        )

    def _look(self) -> None:
        """What is installed."""
        folder, self._absent = self._choice.chosen.folder, None
        try:
            self._installed = engine_in(Path(folder)) if folder else own_engine(self._places)
        except EngineError as error:
            self._installed, self._absent = None, error

    def _poll_pairing(self) -> None:
        if self._pairing is None:
            return
        try:
            connection = self._pairing.poll()
            if connection is None:
                return
            self._choice.use_remote(connection)
        except EngineError as error:
            self._trouble = error
        self._pairing.close()
        self._pairing = None

    def _known(self) -> Known:
        return Known(
            version=self._version,
            installed=self._installed,
            absent=self._absent,
            running=self._local.running,
            starting=self._local.starting,
            stopping=self._local.stopping,
            setting_up=self._watch.running,
            pairing=self._pairing is not None,
            folder=self._choice.chosen.folder,
            remote=self._choice.chosen.remote,
            why_not_remote=why_not_online(self._online()) if self._choice.chosen.remote else "",
            trouble=self._trouble or self._local.trouble,
            crashes=self._local.crashes,
            update=self._update(),
        )

    def _update(self) -> str:
        """The version that this extension brings, where the engine should become that."""
        there, wheel = self._installed, self._wheel
        if there is None or wheel is None or self._choice.chosen.folder or not there.wheel:
            return ""
        if not self._wheel_identity:
            try:
                self._wheel_identity = wheel_identity(wheel)
            except EngineError:
                return ""
        version = wheel_version(wheel)
        other = there.wheel != self._wheel_identity
        return version if other and not newer(there.version, version) else ""

    def _costs(self) -> Costs:
        return costs(self._machine, self._extras)

    def _why_not_set_up(self) -> str:
        if self._wheel is None:
            return "This extension came without an engine: use one that is installed (folder)."
        if uv.wheel_for(self._machine) is None:
            return (
                "PyTorch, which the engine needs, does not exist for this kind of machine any "
                "more: use the engine of another machine."
            )
        return why_not_online(self._online())

    def _set_up_view(self):
        return set_up_view(
            self._watch, self._costs(), self._why_not_set_up(), self._places.downloads.exists()
        )
