"""Waiting for jobs where no timer fires: `blender -b`."""

import time
from collections.abc import Callable, Sequence

from ..protocol.errors import EngineError
from .deliveries import Delivery, Placed
from .language import said
from .session import Session
from .snapshot import JobView

TICK = 0.02
"""Seconds between two looks: short against any job, and nearly no work."""
ENDED = ("done", "failed", "cancelled", "interrupted")


def wait(
    session: Session,
    jobs: Sequence[str],
    deliver: Callable[[Delivery], Placed],
    *,
    each: Callable[[], None] = lambda: None,
    told: Callable[[JobView], None] = lambda view: None,
    patience_s: float = 120.0,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Until all these jobs are in the scene. There is no limit for a job: slow machines are slow.

    Args:
        deliver: places a delivery; "later" is tried again.
        each: called before each tick, such as ``EngineProcess.poll``.
        told: called with a job whenever it is seen to have changed.
        patience_s: seconds to bear without an engine.

    Raises:
        EngineError: of the first job that ended badly, or of the engine that is not there.
    """
    seen: dict[str, JobView] = {}
    without_since: float | None = None
    while True:
        each()
        for delivery in session.tick(0.05):
            session.placed(delivery, deliver(delivery))
        snapshot = session.snapshot
        views = {view.id: view for view in snapshot.jobs if view.id in jobs}
        for id, view in views.items():
            if seen.get(id) != view:
                seen[id] = view
                told(view)
        bad = [v for v in views.values() if v.state in ("failed", "cancelled", "interrupted")]
        if bad:
            for view in bad:
                if view.state == "failed":  # told here: the next Blender need not show it
                    session.dismiss(view.id)
            raise _bad(bad[0])
        # A job that was done long ago is not in the list any more.
        if all(id not in views or views[id].state == "done" for id in jobs):
            return
        engine = snapshot.engine
        if engine.state == "refused":
            raise EngineError("engine_refused", engine.sentence, engine.hint)
        if engine.state == "ready":
            without_since = None
        elif without_since is None:
            without_since = clock()
        elif clock() - without_since > patience_s:
            raise EngineError(
                "engine_absent",
                engine.sentence
                or said("No engine answered within {seconds:g} seconds.", seconds=patience_s),
                engine.hint or "Set up the engine in Blender's window, or start `maquette serve`.",
            )
        sleep(TICK if not session.busy else 0.001)


def _bad(view: JobView) -> EngineError:
    name = view.title or said("The job")
    if view.state == "cancelled":
        return EngineError(
            "job_cancelled", said("{name} was cancelled.", name=name), "Generate it again."
        )
    return EngineError(f"job_{view.state}", f"{name}: {view.problem}", view.hint)
