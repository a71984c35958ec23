"""The jobs of a home whose service does not run."""

from contextlib import closing
from dataclasses import replace
from pathlib import Path

from engine.service.database import STORE
from engine.service.records import row_of
from engine.service.store import Store
from protocol.replies import JobRow


def stored_jobs(home: Path, limit: int) -> list[JobRow]:
    """What the last service left behind, the newest first; nothing where there was none.

    Raises:
        EngineError: ``service_running``: one is just starting; what ``Store`` raises.
    """
    if not (home / STORE).is_file():
        return []
    with closing(Store(home)) as store:
        rows = [row_of(record, store.parts(record.id)) for record in store.jobs(limit=limit)]
    # What ran when the service ended will be found interrupted by the next one.
    return [replace(row, state="interrupted") if row.state == "running" else row for row in rows]
