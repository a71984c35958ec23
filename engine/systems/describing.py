"""What a checkpoint of any system can do, without torch."""

from dataclasses import replace
from pathlib import Path

from engine import embedded
from engine.checkpoints.pipeline import read_pipeline
from engine.systems.catalogue import choose
from engine.systems.default_checkpoint import default_checkpoint
from engine.systems.table import system_for, system_of_pipeline
from engine.weights.hub import source
from engine.weights.hub_names import TRELLIS2
from engine.weights.store import Store
from protocol.checkpoints import CheckpointDescription, QualityRow
from protocol.jobs import Job, MakingJob

SMALL = "Small model"


def describe_checkpoint(checkpoint: str | None, store: Store) -> CheckpointDescription:
    """What a checkpoint can do.

    Args:
        checkpoint: a folder or a repository of the hub; None: what a job that names none would use.
        store: where weights are.

    Returns:
        Without the seconds that jobs took, which nobody here knows.

    Raises:
        EngineError: ``weights_absent``, ``checkpoint_unknown``, ``file_missing``,
            ``pipeline_invalid``, ``system_unknown``, ``hub_*``.
    """
    place, sentence = _place_of(checkpoint, store)
    home = source(place, offline=store.offline, origin=store.origin)
    system = system_of_pipeline(read_pipeline(home.file("pipeline.json")).name)
    found = system.describe(home, store)
    small = Path(place) == embedded.FOLDER
    published = Path(place) == store.folder_of(TRELLIS2) or place == TRELLIS2
    return replace(
        found,
        name=SMALL if small else Path(place).name,
        small=small,
        note=sentence or "",
        qualities=tuple(_published(row, store) for row in found.qualities)
        if published
        else found.qualities,
    )


def check_job(job: Job, checkpoint: str | None, store: Store) -> None:
    """Refuse a job that the checkpoint cannot do, before anything is loaded.

    Args:
        checkpoint: as in ``describe_checkpoint``.

    Raises:
        EngineError: as ``describe_checkpoint`` and ``system_for``, and what the system's ``check``
            raises.
    """
    if isinstance(job, MakingJob):
        place, _ = _place_of(checkpoint, store, job)
        home = source(place, offline=store.offline, origin=store.origin)
        system = system_for(job, read_pipeline(home.file("pipeline.json")).name)
        system.check(job, home, store)


def _place_of(
    checkpoint: str | None, store: Store, job: Job | None = None
) -> tuple[str, str | None]:
    if checkpoint is None:
        return default_checkpoint(store, job)
    return store.checkpoint(checkpoint), None


def _published(row: QualityRow, store: Store) -> QualityRow:
    """A quality of the published weights, which are downloaded by quality."""
    missing = sum(file.bytes for weight in choose([row.name]) for file in store.missing(weight))
    return replace(row, missing=missing, memory=LEAST_MEMORY.get(row.name))


LEAST_MEMORY = {"draft": 4 << 30, "standard": 6 << 30, "high": 10 << 30}
"""Bytes of a GPU by quality, as docs/weights.md says: planned by counting, not measured."""
