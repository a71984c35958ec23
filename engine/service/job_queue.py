"""Which job comes next: interactive before batch, in order, once what it needs is there."""

from engine.assets.names import asset_of_job, is_asset_folder
from engine.service.records import JobRecord, NewJob
from engine.service.store import OPEN, Store
from protocol.errors import EngineError
from protocol.jobs import FinishJob, RenderJob
from protocol.references import Stored


class JobQueue:
    """The order of the jobs that wait in a store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def next(self, *, networks: bool | None = None) -> JobRecord | None:
        """The job that should run now; None: none can.

        Args:
            networks: only one that needs them, or that does not; None: any.
        """
        for record in self._store.waiting(may_lack_networks=networks is False):
            states = {self._store.state(source) for source in sources(record)}
            if not states & set(OPEN) and networks in (None, self._needs_networks(record)):
                return record
        return None

    def _needs_networks(self, record: JobRecord) -> bool:
        """Those that make an asset do, until it is saved."""
        if isinstance(record.spec, FinishJob | RenderJob):
            return False
        # A look at the disk only where an attempt may have left something.
        begun = record.started is not None
        return not (begun and is_asset_folder(asset_of_job(self._store.folder(record.id))))

    def check_sources(self, record: NewJob) -> None:
        """Refuse a job whose sources ended without a result.

        Raises:
            EngineError: ``source_missing``.
        """
        for source in sources(record):
            state = self._store.state(source)
            if state not in ("done", *OPEN):
                raise EngineError(
                    "source_missing",
                    f"The job {source}, whose result is needed, "
                    + (f"is {state}." if state else "does not exist."),
                    "Choose another source, or run that job again.",
                )

    def position(self, job: str) -> int:
        """How many jobs run or wait before a waiting one."""
        return self.positions().get(job, 0)

    def positions(self) -> dict[str, int]:
        """The same for every job that waits."""
        running = self._store.count("running")
        return {job: position for position, job in enumerate(self._store.line(), running)}

    def reorder(self, job: str, before: str | None) -> None:
        """Let a waiting job run before another one of its urgency; None: last.

        Raises:
            EngineError: ``job_not_waiting``, ``job_unknown``.
        """
        moved = self._waiting(job)
        order = [other for other in self._store.line() if other != job]
        if before is None:
            order.append(job)
        else:
            if self._waiting(before).batch != moved.batch:
                raise EngineError(
                    "priority_differs",
                    "Interactive jobs run before batch jobs; their order cannot be mixed.",
                    "Name a job of the same priority.",
                )
            if before != job:
                order.insert(order.index(before), job)
            else:
                return
        self._store.arrange(order)

    def _waiting(self, job: str) -> JobRecord:
        record = self._store.job(job)
        if record.state != "queued":
            raise EngineError(
                "job_not_waiting",
                f"The job {job} is {record.state}, so it has no place in the queue.",
                "Choose a job that waits.",
            )
        return record


def sources(record: NewJob) -> set[str]:
    """Ids of the other jobs whose results a job needs."""
    values = vars(record.spec).values()
    return {value.job for value in values if isinstance(value, Stored)}
