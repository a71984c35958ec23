"""Which checkpoint serves a request that names none."""

from engine import embedded
from engine.hub.names import TRELLIS2
from engine.models.catalogue import PRESETS, choose
from engine.models.store import Store

SMALL_MODEL = (
    "Using the small model that ships with Maquette: it knows toys of a few dozen kinds. For real "
    "pictures get the published weights by 'maquette models download'; see 'maquette doctor' for "
    "what this machine can run."
)


def default_checkpoint(store: Store) -> tuple[str, str | None]:
    """The published weights where a whole preset of them is in the store, else the embedded model.

    A source tree whose embedded model has not been trained yet has the published weights only.

    Returns:
        What ``load_checkpoint`` takes, and a sentence for the user or None.
    """
    for preset in PRESETS:
        if all(store.state(weight) == "present" for weight in choose([preset])):
            return store.checkpoint(TRELLIS2), None
    if not (embedded.FOLDER / "pipeline.json").is_file():
        return store.checkpoint(TRELLIS2), None
    return str(embedded.FOLDER), SMALL_MODEL
