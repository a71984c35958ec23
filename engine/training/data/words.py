"""Captions of a data folder's toys as the text encoder reads them, and what it says of them."""

from collections.abc import Callable

import numpy as np
import torch

from engine.networks.sentences import sentence_states
from engine.networks.text_encoder import TextEncoder
from engine.training.data.dataset import Dataset
from engine.training.data.latents import LatentStore
from engine.training.data.sources import TOYBOX
from engine.training.toybox import make_toy
from engine.training.toybox.captions import captions

CAPTIONS = 6
"""Phrasings of each toy."""
TEXT_TOKENS = "tokens_text"
_STREAM = 10
"""Sets the random numbers apart from those of the views and of the toy."""
_BATCH = 64

Progress = Callable[[int, int], None]


def has_captions(store: LatentStore) -> bool:
    return all(store.has(f"captions_{number}") for number in range(CAPTIONS))


def captions_of(source: str) -> list[str]:
    """Of the toy that an asset was made from, always the same."""
    seed = int(source.removeprefix(TOYBOX))
    return captions(make_toy(seed), CAPTIONS, np.random.default_rng([seed, _STREAM]))


def caption_of(source: str) -> str:
    """The one that says most."""
    return max(captions_of(source), key=len)


def encode_captions(
    dataset: Dataset, store: LatentStore, *, on_progress: Progress = lambda done, total: None
) -> None:
    """Write the states of each toy's captions as captions_<number>; coords only count them.

    Raises:
        EngineError: ``sentences_missing``; ``dataset_*``, and as ``LatentStore.write``.
    """
    said: list[list[str]] = []
    for done, source in enumerate(dataset.sources):
        said.append(captions_of(source))
        on_progress(done + 1, 2 * len(dataset))
    for number in range(CAPTIONS):
        states: list[np.ndarray] = []
        for start in range(0, len(said), _BATCH):
            values, there = sentence_states([each[number] for each in said[start : start + _BATCH]])
            states += [row[mask].numpy() for row, mask in zip(values, there, strict=True)]
        counts = [np.arange(len(rows))[:, None].repeat(3, axis=1) for rows in states]
        store.write(f"captions_{number}", list(dataset.names), counts, states)
        on_progress(len(dataset) + (number + 1) * len(dataset) // CAPTIONS, 2 * len(dataset))


@torch.inference_mode()
def encode_words(
    dataset: Dataset,
    encoder: TextEncoder,
    store: LatentStore,
    *,
    on_progress: Progress = lambda done, total: None,
) -> None:
    """Write what the text encoder makes of one caption of each toy as ``TEXT_TOKENS``.

    Flows take them as one more view, and so learn what words leave open.

    Raises:
        EngineError: ``latents_*``, and as ``LatentStore.write``.
    """
    packed = [store.read(f"captions_{number}") for number in range(CAPTIONS)]
    rows, device = packed[0].indices(dataset.names), encoder.queries.device
    tokens: list[np.ndarray] = []
    for start in range(0, len(rows), _BATCH):
        some = range(start, min(start + _BATCH, len(rows)))
        states, there = padded([packed[i % CAPTIONS].of(int(rows[i]))[1] for i in some])
        tokens += list(encoder(states.to(device), there.to(device)).cpu().numpy())
        on_progress(len(tokens), len(rows))
    count = np.arange(len(tokens[0]))[:, None].repeat(3, axis=1)
    store.write(TEXT_TOKENS, list(dataset.names), [count] * len(tokens), tokens)


def padded(rows: list[np.ndarray]) -> tuple[torch.Tensor, torch.Tensor]:
    """States of sentences (T, C) each -> (B, T, C) float32 and which count (B, T) bool."""
    states = torch.zeros(len(rows), max(map(len, rows)), rows[0].shape[1])
    there = torch.zeros(states.shape[:2], dtype=torch.bool)
    for number, row in enumerate(rows):
        states[number, : len(row)] = torch.from_numpy(row.astype(np.float32))
        there[number, : len(row)] = True
    return states, there
