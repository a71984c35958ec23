"""Weights: which there are, getting them, checking them, stopping that."""

import shutil
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from engine.host.files import unwritable
from engine.pipe.messages import Setup
from engine.settings import Settings
from engine.systems.catalogue import catalogue, choose
from engine.weights.hub import Origin
from engine.weights.hub_names import KNOWN_MIRRORS
from engine.weights.store import OnProgress, Progress, Store
from engine.weights.weight import Weight
from protocol.errors import EngineError
from protocol.events import ModelProgress
from protocol.replies import ModelList, ModelRow, Refused

Work = Callable[[OnProgress], object]


def store_of(setup: Setup, mirrors: Mapping[str, str] | None = None) -> Store:
    """The weights of a home.

    Args:
        mirrors: beside those of the settings.
    """
    settings = Settings(
        home=Path(setup.home),
        models=Path(setup.models),
        endpoint=setup.endpoint,
        mirrors={**setup.mirrors, **(mirrors or {})},
        offline=setup.offline,
    )
    return Store(settings.models, origin=Origin.of(settings), offline=settings.offline)


def listed(store: Store) -> ModelList:
    """All weights, here or not."""
    folder = store.folder
    existing = next(path for path in (folder, *folder.absolute().parents) if path.is_dir())
    rows = tuple(
        ModelRow(
            name=weight.name,
            purpose=weight.purpose,
            repository=weight.repository,
            bytes=weight.bytes,
            missing=sum(file.bytes for file in store.missing(weight)),
            files=tuple(file.name for file in weight.files),
            licence=weight.licence,
            commercial=weight.commercial,
            gated=weight.gated,
            groups=tuple(sorted(weight.groups)),
            mirror=KNOWN_MIRRORS.get(weight.repository, "") if weight.gated else "",
        )
        for weight in catalogue().values()
    )
    return ModelList(folder=str(folder), free=shutil.disk_usage(existing).free, rows=rows)


def download(store: Store, names: Iterable[str]) -> Work:
    """Work that gets weights.

    Raises:
        EngineError: ``weights_unknown``, at once.
    """
    weights = choose(names)
    return lambda tell: store.download(weights, tell)


def verify(store: Store, names: Iterable[str]) -> Work:
    """Work that compares weights with their hashes; without names all that are here.

    Raises:
        EngineError: ``weights_unknown``, at once; ``weights_corrupt`` from the work.
    """
    names = tuple(names)
    weights = choose(names or ("all",))
    if not names:
        weights = [weight for weight in weights if store.state(weight) != "absent"]
    return lambda tell: _verify(store, weights, tell)


def _verify(store: Store, weights: list[Weight], tell: OnProgress) -> None:
    bad = [f for f in store.verify(weights, tell) if f.state in ("missing", "corrupt")]
    if bad:
        raise EngineError(
            "weights_corrupt",
            f"Not as published: {', '.join(f'{f.file.name} ({f.state})' for f in bad)}.",
            "Download them again.",
        )


class LongWork:
    """Downloads and checks that run, each on the thread of its request."""

    def __init__(self) -> None:
        self._stops: set[threading.Event] = set()
        self._lock = threading.Lock()

    def run(self, work: Work, tell: Callable[[ModelProgress], None]) -> None:
        """Do it, tell how far it is, and how it ended, whatever happens.

        Raises:
            Exception: what nobody foresaw, for the log; it was told, too.
        """
        last = ModelProgress(request=0, done=0, total=0)
        stop = threading.Event()

        def told(at: Progress) -> None:
            nonlocal last
            if stop.is_set():
                raise EngineError(
                    "cancelled", "It was cancelled; what has arrived is kept.", "Begin it again."
                )
            last = ModelProgress(request=0, file=at.file, done=at.total_done, total=at.total)
            tell(last)

        with self._lock:
            self._stops.add(stop)
        failure: EngineError | None = None
        try:
            work(told)
        except EngineError as error:
            failure = error
        except OSError as error:
            failure = unwritable(Path(error.filename or last.file or "the weights"), error)
        except Exception as error:
            sentence = f"The engine's helper made a mistake: {error!r}."
            failure = EngineError("internal", sentence, "Report it with the log of the engine.")
            raise
        finally:
            with self._lock:
                self._stops.discard(stop)
            said = vars(Refused.of(failure)) if failure else {}
            tell(replace(last, ended=True, **said))

    def cancel(self) -> None:
        """Stop all that runs, at its next few megabytes."""
        with self._lock:
            for stop in self._stops:
                stop.set()
