"""Which network removes backgrounds: the one that was downloaded, else what rembg has itself."""

from pathlib import Path

from engine.images.rembg_matte import RembgMatte
from engine.systems.catalogue import catalogue
from engine.weights.store import Store


def matte_network(store: Store, *, allow_download: bool = True) -> RembgMatte:
    """The network for backgrounds.

    Args:
        store: where weights are; it also says whether the hub may be asked.
        allow_download: whether rembg may fetch weights itself when the matte "rembg" is asked for.
    """
    for weight in (catalogue()["matte"], catalogue()["matte_lite"]):
        if store.state(weight) == "present":
            return RembgMatte(
                Path(weight.files[0].name).stem,
                weights_folder=store.folder_of(weight.repository),
                allow_download=False,
            )
    return RembgMatte(allow_download=allow_download and not store.offline)
