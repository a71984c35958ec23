"""What a checkpoint of any system can do, without torch."""

from dataclasses import replace
from pathlib import Path

from engine import embedded
from engine.checkpoints.pipeline import read_pipeline
from engine.systems.catalogue import choose
from engine.systems.default_checkpoint import default_checkpoint
from engine.systems.table import system_of_pipeline
from engine.weights.hub import source
from engine.weights.hub_names import TRELLIS2
from engine.weights.store import Store
from protocol.checkpoints import CheckpointDescription, QualityRow

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
    sentence = None
    if checkpoint is None:
        place, sentence = default_checkpoint(store)
    else:
        place = store.checkpoint(checkpoint)
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


def _published(row: QualityRow, store: Store) -> QualityRow:
    """A quality of the published weights, which are downloaded by quality."""
    missing = sum(file.bytes for weight in choose([row.name]) for file in store.missing(weight))
    return replace(row, missing=missing, memory=LEAST_MEMORY.get(row.name))


LEAST_MEMORY = {"draft": 4 << 30, "standard": 6 << 30, "high": 10 << 30}
"""Bytes of a GPU by quality, as docs/weights.md says: planned by counting, not measured."""
