"""What a training tells while it goes: log.jsonl, and TensorBoard where it is installed."""

import json
import logging
import math
from pathlib import Path
from typing import Any

import numpy as np

log = logging.getLogger(__name__)


class Logbook:
    """Written beside the states of a training.

    Args:
        folder: of the training.
        step: that it resumes from; lines of later steps, which are computed again, are dropped.
    """

    def __init__(self, folder: Path, step: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "log.jsonl"
        before = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        kept = [line for line in before if _step_of(line) <= step]
        path.write_text("".join(f"{line}\n" for line in kept), encoding="utf-8")
        self._file = path.open("a", encoding="utf-8")
        self._board = _tensorboard(folder, step)

    def numbers(self, step: int, values: dict[str, float]) -> None:
        """The log of a step."""
        line = {"step": step, **{k: v if math.isfinite(v) else str(v) for k, v in values.items()}}
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()
        if self._board is not None:
            for name, value in values.items():
                self._board.add_scalar(name, value, step)

    def pictures(self, step: int, pictures: dict[str, np.ndarray]) -> None:
        """(H, W, 3) uint8 by title."""
        if self._board is not None:
            for title, picture in pictures.items():
                self._board.add_image(title, picture, step, dataformats="HWC")

    def close(self) -> None:
        self._file.close()
        if self._board is not None:
            self._board.close()


def _tensorboard(folder: Path, step: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        log.info("tensorboard is not installed: only log.jsonl is written")
        return None
    return SummaryWriter(str(folder / "tensorboard"), purge_step=step + 1)


def _step_of(line: str) -> float:
    try:
        return json.loads(line)["step"]
    except (ValueError, KeyError, TypeError):
        return math.inf
