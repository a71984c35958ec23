"""The one timer, and what it drives: the engine's process, the session, deliveries.

The truth lies in this module and in the engine's store: File > New empties the properties of the
window manager. Nothing is begun before a panel is drawn or a verb is called, and no wheel is loaded
before the engine is there.
"""

import logging
import platform
import tomllib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bpy  # pyright: ignore[reportMissingImports]

from ..core.language import said
from ..core.snapshot import Snapshot
from ..protocol.errors import EngineError
from . import asset, edits, matte, open_file, thumbnails

if TYPE_CHECKING:
    from ..core.banner import Holds
    from ..core.deliveries import Delivery, Placed
    from ..core.session import Session
    from ..engine_process import EngineProcess

logger = logging.getLogger(__name__)

PACKAGE = __package__.rpartition(".")[0]
EXTENSION = Path(__file__).resolve().parents[1]
BUDGET = 0.012
"""Seconds of a tick for the session; with the process and the thumbnails below 0.02."""
FETCHING, WORKING, IDLE = 0.01, 0.1, 0.5
"""Seconds between ticks: parts are coming; something is expected to happen; nothing is."""

on_change: list[Callable[[], None]] = []
"""Called when the snapshot is another one, to draw panels again."""

_engine: "EngineProcess | None" = None
_session: "Session | None" = None
_wanted = False
_shown: Snapshot = Snapshot()
_facts: Any = None
_told: set[str] = set()
_looks_again = False
"""Something was undone since the last tick."""


def snapshot() -> Snapshot:
    """What panels draw. The first call makes the next tick look for the engine."""
    global _wanted
    _wanted = True
    return _shown


def engine() -> "EngineProcess":
    """The engine's process, installed or not."""
    global _engine
    if _engine is None:
        from .. import engine_process
        from . import network

        _engine = engine_process.EngineProcess(
            engine_process.home(),
            user_folder(),
            extension=EXTENSION,
            version=version(),
            client=client_name(),
            online=network.access,
        )
    return _engine


def session() -> "Session":
    """The session, made when it is first needed; it loads no wheel before it sends something."""
    global _session
    if _session is None:
        from .. import engine_process
        from ..core.session import Session

        _session = Session(
            engine().find,
            client=client_name(),
            program=f"Blender {bpy.app.version_string}, Maquette {version()}",
            user_folder=user_folder(),
            home=engine_process.home(),
        )
        _session.file_opened(open_file.key())
        refresh()
    return _session


def user_folder() -> Path:
    """Where the extension may write: it outlives updates."""
    return Path(bpy.utils.extension_path_user(PACKAGE, create=True))


def client_name() -> str:
    """Of this Blender, for people; its jobs belong to it, also after a crash."""
    return f"Blender on {platform.node() or 'this machine'}"[:100]


def version() -> str:
    """Of the extension, as its manifest says."""
    with (EXTENSION / "blender_manifest.toml").open("rb") as file:
        return str(tomllib.load(file)["version"])


def refresh() -> None:
    """Take facts and snapshot as they are now, and tell whoever draws them."""
    global _shown, _facts
    facts = engine().facts
    if _session is not None and facts is not _facts:
        _session.engine_facts(facts.engine, facts.setup)
    if _session is not None:
        new = _session.snapshot
    elif facts is not _facts:
        new = Snapshot(engine=facts.engine, setup=facts.setup)
    else:
        new = _shown
    _facts = facts
    if new is not _shown:
        _shown = new
        tell()


def tell() -> None:
    """Have what shows the snapshot drawn again."""
    for function in list(on_change):
        function()


def poll_engine() -> None:
    """See what the engine's process does, and start it if something waits for it."""
    process = engine()
    process.poll()
    waits = any(job.state == "sending" for job in _shown.jobs)
    if waits and process.facts.engine.state == "stopped":
        # What is wrong stands in the facts.
        with suppress(EngineError):
            process.start(on_demand=True)


def deliver(delivery: "Delivery", *, undo: bool = True) -> "Placed":
    """As ``place.deliver``; what Blender itself refuses ends in the history, not in a traceback."""
    from . import place

    try:
        return place.deliver(delivery, undo=undo)
    except Exception as error:  # noqa: BLE001 - the timer and other results must survive it
        from ..core.deliveries import Placed

        _tell(error)
        words = str(error).strip().rstrip(".")
        return Placed(
            outcome="lost",
            sentence=said(
                "{title} waits in the history: it could not be built ({words}).",
                title=delivery.title,
                words=words,
            ),
        )


def register() -> None:
    """Start the timer; twice is once."""
    if not bpy.app.timers.is_registered(_tick):
        bpy.app.timers.register(_tick, first_interval=IDLE, persistent=True)
    for handlers, function in _handlers():
        if function not in handlers:
            handlers.append(function)


def unregister() -> None:
    """Stop everything; twice is once. The engine runs on for its other clients and its jobs."""
    global _engine, _session, _wanted, _shown, _facts
    if bpy.app.timers.is_registered(_tick):
        bpy.app.timers.unregister(_tick)
    for handlers, function in _handlers():
        if function in handlers:
            handlers.remove(function)
    if _session is not None:
        _session.close()
    if _engine is not None:
        _engine.close()
    _engine = _session = _facts = None
    _wanted, _shown = False, Snapshot()
    on_change.clear()
    _told.clear()
    thumbnails.clear()


def _tick() -> float:
    """Seconds until the next one; an exception would end the timer for good."""
    if not _wanted and _session is None and _engine is None:
        return IDLE
    try:
        return _work()
    except EngineError as error:
        _tell(error)
    except Exception as error:  # noqa: BLE001 - see above
        _tell(error)
    return IDLE


def _work() -> float:
    current = session()
    poll_engine()
    current.objects_seen(open_file.there, _holds_after_undo())
    for delivery in current.tick(BUDGET):
        current.placed(delivery, deliver(delivery))
    before, seen = _shown, (thumbnails.update(current), edits.look())
    refresh()
    if any(seen) and _shown is before:
        tell()
    if current.busy:
        return FETCHING
    return WORKING if current.working or _shown.setup.running else IDLE


def _holds_after_undo() -> "Holds | None":
    global _looks_again
    if not _looks_again:
        return None
    from . import retexture

    _looks_again = False
    return retexture.holds


def _tell(error: Exception) -> None:
    """Once each, for whoever reports it; a tick comes ten times a second."""
    key = f"{type(error).__name__}: {error}"
    if key not in _told:
        _told.add(key)
        logger.error(key, exc_info=not isinstance(error, EngineError))


@bpy.app.handlers.persistent
def _file_opened(*_: object) -> None:
    open_file.renew()
    matte.file_opened()
    edits.forget()
    if _session is not None:
        _session.file_opened(open_file.key())
    register()


@bpy.app.handlers.persistent
def _undone(*_: object) -> None:
    global _looks_again
    _looks_again = True
    edits.forget()


@bpy.app.handlers.persistent
def _redone(*_: object) -> None:
    edits.forget()


@bpy.app.handlers.persistent
def _changed(_scene: Any, depsgraph: Any) -> None:
    edits.changed(depsgraph)


@bpy.app.handlers.persistent
def _file_saved(*_: object) -> None:
    asset.write_catalog()


def _handlers() -> list[tuple[Any, Any]]:
    handlers = bpy.app.handlers
    return [
        (handlers.load_post, _file_opened),
        (handlers.save_post, _file_saved),
        (handlers.undo_post, _undone),
        (handlers.redo_post, _redone),
        (handlers.depsgraph_update_post, _changed),
    ]
