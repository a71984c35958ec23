"""Pictures of a data folder as the encoder sees them, and as the flows do."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from engine.images.preprocess import crop_to_foreground
from engine.networks.dinov3 import normalised_pixels
from engine.networks.small_encoder import SmallEncoder
from engine.training.data.dataset import Dataset
from engine.training.data.latents import LatentStore, PackedLatents
from engine.training.data.words import TEXT_TOKENS
from protocol.errors import EngineError

BATCH = 64


def square_of(dataset: Dataset, index: int, view: int, size: int) -> np.ndarray:
    """(size, size, 3) uint8: a picture as the pipelines hand it to the encoder.

    All black where no pixel is opaque, as of glass alone.

    Raises:
        EngineError: ``dataset_damaged``.
    """
    picture = Image.fromarray(dataset.picture(index, view))
    try:
        square = crop_to_foreground(picture)
    except EngineError:
        square = Image.new("RGB", (size, size))
    return np.asarray(square.resize((size, size), Image.Resampling.LANCZOS))


def pixels_of(squares: Sequence[np.ndarray]) -> Tensor:
    """(B, 3, size, size) float32 normalised."""
    return torch.cat([normalised_pixels(Image.fromarray(s), s.shape[0]) for s in squares])


@torch.inference_mode()
def encode_pictures(
    datasets: Sequence[Dataset],
    encoder: SmallEncoder,
    store: LatentStore,
    view: int,
    *,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Write the image_tokens of one picture of every asset as tokens_<view>.

    Coords only count the tokens.

    Raises:
        EngineError: what ``Dataset.picture`` and ``LatentStore.write`` raise.
    """
    size, device = encoder.config.image_size, encoder.positions.device
    assets = [(dataset, index) for dataset in datasets for index in range(len(dataset))]
    names = [dataset.names[index] for dataset, index in assets]
    tokens: list[np.ndarray] = []
    for start in range(0, len(assets), BATCH):
        some = assets[start : start + BATCH]
        pixels = pixels_of([square_of(dataset, i, view, size) for dataset, i in some])
        tokens += list(encoder(pixels.to(device)).cpu().numpy())
        on_progress(len(tokens), len(assets))
    count = np.arange(len(tokens[0]))[:, None].repeat(3, axis=1)
    store.write(f"tokens_{view}", names, [count] * len(tokens), tokens)


def read_tokens(store: LatentStore, views: int) -> list[PackedLatents]:
    """What flows are conditioned on: tokens of each view, and of words where there are some.

    Raises:
        EngineError: ``latents_missing`` or ``latents_damaged``.
    """
    words = [TEXT_TOKENS] if store.has(TEXT_TOKENS) else []
    packed = [store.read(kind) for kind in (*(f"tokens_{view}" for view in range(views)), *words)]
    if any(each.names != packed[0].names for each in packed):
        raise EngineError(
            "latents_missing",
            f"The tokens in {store.folder} are not all of the same assets.",
            "Encode the data folder again: it has grown since.",
        )
    return packed


def tokens_of(
    packed: Sequence[PackedLatents], names: Sequence[str]
) -> Callable[[int, int], np.ndarray]:
    """Number in ``names`` and number in ``packed`` -> (T, C) float16 tokens.

    Raises:
        EngineError: ``latents_missing``.
    """
    rows = packed[0].indices(names)
    return lambda index, view: packed[view].of(int(rows[index]))[1]
