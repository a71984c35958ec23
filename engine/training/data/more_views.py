"""More pictures of the toys of a data folder, added to it when it is there already.

They lie beside the first ones and are numbered after them: one plain view, then odd ones.
"""

import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from engine.host.files import write_bytes_atomic
from engine.training.data.index import ASSETS, open_index
from engine.training.data.odd_views import odd_picture, plain_picture
from engine.training.data.sources import TOYBOX
from engine.training.toybox import make_toy

MARK = "more_views.json"
"""Says how many, when every toy has them."""
_STREAM = 9
"""Sets the random numbers apart from those of the first views and of the toy."""


def more_views(folder: Path) -> int:
    """How many pictures of each asset there are beside those of the index."""
    mark = folder / MARK
    return int(json.loads(mark.read_bytes())["views"]) if mark.exists() else 0


def add_views(
    folder: Path, count: int, *, on_progress: Callable[[int, int], None] = lambda done, total: None
) -> None:
    """Make what is missing of ``count`` more pictures of every toy, the plain one first.

    They do not depend on where an earlier call was stopped.

    Args:
        folder: a data folder of toys.
        on_progress: told how many toys of how many are done; may raise to stop.

    Raises:
        EngineError: ``dataset_*``; ``unwritable``, ``disk_full``.
    """
    if more_views(folder) == count:
        return
    with open_index(folder) as index:
        settings = index.settings()
        toys = [entry for entry in index.entries().values() if entry.ok]
    first, size = int(settings["views"]), int(settings["picture"])
    for done, toy in enumerate(toys):
        files = [folder / ASSETS / toy.name / f"view_{first + k}.png" for k in range(count)]
        if not files[-1].exists():
            seed = int(toy.source.removeprefix(TOYBOX))
            mesh = make_toy(seed).mesh
            random = np.random.default_rng([seed, _STREAM])
            pictures = [plain_picture(mesh, size)]
            pictures += [odd_picture(mesh, random, size) for _ in range(count - 1)]
            for file, pixels in zip(files, pictures, strict=True):
                write_bytes_atomic(file, _png(pixels))
        on_progress(done + 1, len(toys))
    write_bytes_atomic(folder / MARK, json.dumps({"views": count}).encode())


def _png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "png", compress_level=1)
    return file.getvalue()
