"""Saved states of a training: written whole, the newest found again, another's refused."""

import pickle
import re
from pathlib import Path
from typing import Any

import torch

from engine.host.files import atomic_path
from engine.training.config import TrainConfig, differences
from protocol.errors import EngineError

KEPT = 2
_NAME = re.compile(r"step-(\d+)\.pt")


def save_state(folder: Path, state: dict[str, Any]) -> Path:
    """Write a state, which says its "step", and remove all but the newest two.

    Raises:
        EngineError: ``unwritable``, with earlier states as they were.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"step-{state['step']:07d}.pt"
    with atomic_path(path) as temporary:
        torch.save(state, temporary)
    for old in saved_states(folder)[:-KEPT]:
        old.unlink()
    return path


def saved_states(folder: Path) -> list[Path]:
    """States in a folder, the newest last."""
    return sorted(path for path in folder.glob("step-*.pt") if _NAME.fullmatch(path.name))


def load_state(path: Path, config: TrainConfig, device: torch.device) -> dict[str, Any]:
    """Read the state that a training resumes from.

    Raises:
        EngineError: ``train_state`` when it cannot be read; ``train_state_other`` when it is of
            another configuration, with what differs.
    """
    try:
        state = torch.load(path, map_location=device, weights_only=True)
        before = state["config"]
    except (OSError, RuntimeError, pickle.UnpicklingError, EOFError, KeyError, TypeError) as error:
        raise EngineError(
            "train_state",
            f"{path} cannot be read: {' '.join(str(error).split())[:200]}",
            "Remove that file; the training resumes from the state before it.",
        ) from error
    found = differences(before, config.as_json())
    if found:
        raise EngineError(
            "train_state_other",
            f"{path} is of another configuration: {'; '.join(found[:5])}.",
            "Use the configuration that it was begun with, or another folder.",
        )
    return state
