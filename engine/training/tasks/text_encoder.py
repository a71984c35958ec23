"""Training of the text encoder: from a caption of a toy, the tokens of its plain picture."""

from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.networks.text_encoder import TextEncoder
from engine.training.data.dataset import Dataset
from engine.training.data.latents import LatentStore
from engine.training.data.words import CAPTIONS, padded


class WordsBatch(NamedTuple):
    """
    Args:
        names: of the assets, each with the number of its caption.
        states: (B, T, C) float32 of the captions.
        there: (B, T) bool, which of them count.
        tokens: (B, N, C) float32 that are to be found.
    """

    names: list[str]
    states: Tensor
    there: Tensor
    tokens: Tensor


class TextTask:
    """The picture encoder's tokens of one view, from a caption.

    What a caption leaves open is averaged; flows see the result in their own training.

    Args:
        networks: "text_encoder" alone.
        dataset: whose assets have captions and tokens.
        store: of both.
        device: of everything.
        view: number of the picture whose tokens are to be found.
        batch_size: captions a batch.
    """

    def __init__(
        self,
        networks: nn.ModuleDict,
        dataset: Dataset,
        store: LatentStore,
        device: torch.device,
        *,
        view: int,
        batch_size: int = 64,
    ) -> None:
        if not isinstance(networks["text_encoder"], TextEncoder):
            raise TypeError("text_encoder is not a TextEncoder")
        self.networks, self.device, self.batch_size = networks, device, batch_size
        self.names = dataset.names
        self._captions = [store.read(f"captions_{number}") for number in range(CAPTIONS)]
        self._tokens = store.read(f"tokens_{view}")
        self._caption_rows = self._captions[0].indices(self.names)
        self._token_rows = self._tokens.indices(self.names)

    def batch(self, random: np.random.Generator) -> WordsBatch:
        chosen = random.integers(len(self.names), size=self.batch_size).tolist()
        numbers = random.integers(CAPTIONS, size=self.batch_size).tolist()
        pairs = list(zip(chosen, numbers, strict=True))
        states, there = padded(
            [self._captions[k].of(int(self._caption_rows[i]))[1] for i, k in pairs]
        )
        tokens = np.stack([self._tokens.of(int(self._token_rows[i]))[1] for i in chosen])
        return WordsBatch(
            [f"{self.names[i]} caption {k}" for i, k in pairs],
            states.to(self.device),
            there.to(self.device),
            torch.from_numpy(tokens.astype(np.float32)).to(self.device),
        )

    def loss(
        self, batch: WordsBatch, generator: torch.Generator
    ) -> tuple[Tensor, dict[str, float]]:
        """Mean squared error of normalised tokens: 2 where nothing is known, 0 where all is."""
        del generator
        found = self.networks["text_encoder"](batch.states, batch.there)
        loss = F.mse_loss(found, batch.tokens)
        return loss, {"mse": float(loss.detach())}

    def describe(self, batch: WordsBatch) -> str:
        return ", ".join(batch.names)

    def pictures(self, random: np.random.Generator) -> dict[str, np.ndarray]:
        """None: tokens show nothing to people."""
        del random
        return {}
