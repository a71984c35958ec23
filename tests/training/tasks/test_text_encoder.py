"""From captions to tokens: what toys are called, and what is learned from it."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from engine.networks.text_encoder import TextEncoder, TextEncoderConfig
from engine.training.data import words
from engine.training.data.dataset import Dataset
from engine.training.data.latents import LatentStore
from engine.training.data.tokens import read_tokens, tokens_of
from engine.training.data.words import encode_captions, encode_words, has_captions
from engine.training.tasks.text_encoder import TextTask
from engine.training.toybox import make_toy
from engine.training.toybox.captions import captions, name_of
from tests.training.folders import build_toys

CPU = torch.device("cpu")


def vectors_of_words(texts: Sequence[str]) -> tuple[Tensor, Tensor]:
    """Stands for the sentence encoder: a vector for each word, the same wherever it stands."""
    rows = []
    for text in texts:
        seeds = [sum(map(ord, word)) for word in text.split()]
        rows.append(np.stack([np.random.default_rng(seed).standard_normal(8) for seed in seeds]))
    return words.padded(rows)


@pytest.mark.parametrize(
    "color, name",
    [
        ((0.85, 0.1, 0.1), "red"), ((0.15, 0.3, 0.15), "dark green"), ((0.9, 0.9, 0.9), "white"),
        ((0.1, 0.1, 0.1), "black"), ((0.5, 0.33, 0.2), "brown"), ((0.1, 0.45, 0.85), "blue"),
    ],
)  # fmt: skip
def test_colours_have_names(color: tuple[float, float, float], name: str) -> None:
    assert name_of(np.array(color)) == name


def test_captions_say_kind_and_colours() -> None:
    said = set()
    for seed in range(30):
        toy = make_toy(seed, "mushroom")
        each = captions(toy, 4, np.random.default_rng(seed))
        assert all("mushroom" in caption for caption in each)
        said |= set(each)
    assert any(" red mushroom with white " in f" {caption}" for caption in said)
    assert len(said) > 40


def test_captions_are_learned_and_seen_by_flows_as_one_more_view(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(words, "sentence_states", vectors_of_words)
    build_toys(tmp_path, "0-7")
    dataset, store = Dataset(tmp_path), LatentStore(tmp_path, "test")
    encode_captions(dataset, store)
    assert has_captions(store)
    random = np.random.default_rng(0)
    truth = random.standard_normal((len(dataset), 5, 24)).astype(np.float32)
    truth -= truth.mean(axis=-1, keepdims=True)
    truth /= truth.std(axis=-1, keepdims=True)
    count = np.arange(5)[:, None].repeat(3, axis=1)
    names = list(dataset.names)
    for view in range(2):
        store.write(f"tokens_{view}", names, [count] * len(names), list(truth))
    torch.manual_seed(0)
    encoder = TextEncoder(TextEncoderConfig(8, 24, 5, num_blocks=1, num_heads=2))
    networks = torch.nn.ModuleDict({"text_encoder": encoder})
    task = TextTask(networks, dataset, store, CPU, view=1, batch_size=32)
    optimiser = torch.optim.AdamW(encoder.parameters(), lr=3e-3)
    losses = []
    for _ in range(60):
        loss, _ = task.loss(task.batch(random), torch.Generator())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.4 * losses[0]
    assert len(read_tokens(store, 2)) == 2
    encode_words(dataset, encoder.eval(), store)
    packed = read_tokens(store, 2)
    assert len(packed) == 3
    tokens = tokens_of(packed, names)
    own = [((tokens(i, 2) - truth[i]) ** 2).mean() for i in range(len(names))]
    other = [((tokens(i, 2) - truth[i - 1]) ** 2).mean() for i in range(len(names))]
    assert np.mean(own) < 0.5 * np.mean(other)
