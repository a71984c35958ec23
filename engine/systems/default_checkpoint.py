"""Which checkpoint serves a request that names none."""

from engine import embedded
from engine.host.command import command
from engine.systems.catalogue import choose
from engine.weights.hub_names import TRELLIS2
from engine.weights.store import Store
from protocol.errors import EngineError
from protocol.jobs import Job, TextureJob
from protocol.limits import QUALITIES

SMALL_MODEL = (
    "Using the small model that ships with Maquette: it knows toys of 54 kinds, best at standard. "
    "For pictures of anything else: docs/weights.md."
)


def default_checkpoint(store: Store, job: Job | None = None) -> tuple[str, str | None]:
    """The published weights where all that a quality needs is in the store, else the small model.

    Args:
        job: what is going to be run; for a texture the weights of that group are enough.

    Returns:
        What ``load_checkpoint`` takes, and a sentence for the user or None.

    Raises:
        EngineError: ``weights_absent`` when neither is there, as in a source tree whose embedded
            model has not been trained. Gigabytes are downloaded only when that is asked for.
    """
    textures = isinstance(job, TextureJob)
    for group in (*QUALITIES, "texture") if textures else QUALITIES:
        if all(store.state(weight) == "present" for weight in choose([group])):
            return store.checkpoint(TRELLIS2), None
    if not (embedded.FOLDER / "pipeline.json").is_file():
        group = "texture" if textures else "standard"
        size = sum(weight.bytes for weight in choose([group])) / 1e9
        raise EngineError(
            "weights_absent",
            f"The published weights are not in {store.folder}, and no small model is shipped.",
            f"Run: {command('models', 'download', group)} ({size:.1f} GB), or give "
            "--checkpoint FOLDER.",
        )
    return str(embedded.FOLDER), SMALL_MODEL
