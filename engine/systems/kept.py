"""Samples of flows that outlive an attempt at a job, so that the next one need not draw them again.

A sample is found by a hash of everything that decided it, so one of another picture, seed, setting
or checkpoint is never taken, and jobs that begin alike share what they have in common.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from engine.host.files import atomic_path


class Kept:
    """Samples in folders.

    Args:
        folder: where new ones are written; None: nothing is kept.
        others: folders that are looked into besides.
    """

    def __init__(self, folder: Path | None = None, others: Sequence[Path] = ()) -> None:
        self._folder = folder
        self._others = tuple(others)

    @property
    def active(self) -> bool:
        """Whether a key is worth its computing."""
        return self._folder is not None

    def find(self, key: str) -> Tensor | None:
        """The sample in host memory, float32 exactly as it was; None where there is none."""
        for folder in (self._folder, *self._others):
            if folder is None:
                continue
            try:
                # A copy: as a view of the file it would lie unaligned, and a CPU's matrix products
                # would then differ in their last bits.
                return load_file(folder / f"{key}.safetensors")["sample"].clone()
            except (OSError, SafetensorError, KeyError):
                continue
        return None

    def put(self, key: str, sample: Tensor) -> None:
        """Keep a sample, whole or not at all.

        Raises:
            EngineError: ``disk_full``, ``unwritable``.
        """
        if self._folder is None:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        with atomic_path(self._folder / f"{key}.safetensors") as temporary:
            save_file({"sample": sample.detach().cpu().contiguous()}, temporary)


def sample_key(*parts: str | Tensor) -> str:
    """A hash of texts and tensors: values, shapes and dtypes, in this order."""
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, str):
            digest.update(f"text {len(part)} {part}".encode())
            continue
        digest.update(f"tensor {tuple(part.shape)} {part.dtype} ".encode())
        flat = part.detach().cpu().contiguous().reshape(-1)
        digest.update(flat.view(torch.uint8).numpy().data)
    return digest.hexdigest()
