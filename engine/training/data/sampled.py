"""Latents as the flows give them: pictures of training assets through the pipeline."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from engine.images.picture import load_picture
from engine.report import Report
from engine.residency.models import Models
from engine.sampling.noise import Noise
from engine.sparse import SparseTensor, Topology
from engine.systems.opening import load_checkpoint
from engine.systems.trellis2.routes import route_of
from engine.systems.trellis2.stages import sample_shape, sample_structure, sample_texture
from engine.systems.trellis2.work import Work, samplers_of
from engine.training.data.dataset import Dataset
from engine.training.data.latents import LatentStore
from protocol.errors import EngineError

SHAPE, TEXTURE = "sampled_shape", "sampled_texture"


@torch.inference_mode()
def sample_latents(
    checkpoint: Path,
    dataset: Dataset,
    indices: Sequence[int],
    store: LatentStore,
    *,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Write one sample of each asset as sampled_shape_ and sampled_texture_<resolution>.

    What the checkpoint's pipeline makes of one of the asset's pictures, by its own samplers, at
    each of the data set's resolutions. Assets whose structure comes out empty are left out.

    Args:
        checkpoint: with pipeline.json.
        indices: of assets in the data set, best such that the flows have not learned from.
        on_progress: told how many assets of how many are done; may raise to stop.

    Raises:
        EngineError: ``samples_empty``, and what loading, sampling and writing raise.
    """
    models = Models(load_checkpoint(checkpoint, offline=True))
    names: dict[int, list[str]] = {resolution: [] for resolution in dataset.resolutions}
    shapes: dict[int, list[SparseTensor]] = {resolution: [] for resolution in dataset.resolutions}
    textures: dict[int, list[SparseTensor]] = {resolution: [] for resolution in dataset.resolutions}
    for done, index in enumerate(indices):
        on_progress(done, len(indices))
        picture = dataset.picture(index, index % dataset.views)
        try:
            samples = _samples(models, picture, dataset.resolutions, seed=index)
        except EngineError as error:
            if error.code != "structure_empty":
                raise
            continue
        for resolution, (shape, texture) in samples.items():
            names[resolution].append(dataset.names[index])
            shapes[resolution].append(shape)
            textures[resolution].append(texture)
    if not names[max(dataset.resolutions)]:
        raise EngineError(
            "samples_empty",
            f"The flows of {checkpoint} saw no object in any of {len(indices)} pictures.",
            "Train them for longer; the decoders can only learn from latents of some asset.",
        )
    for resolution in dataset.resolutions:
        coords = [each.coords[:, 1:].numpy() for each in shapes[resolution]]
        for kind, samples in ((SHAPE, shapes), (TEXTURE, textures)):
            feats = [each.feats.float().numpy() for each in samples[resolution]]
            store.write(f"{kind}_{resolution}", names[resolution], coords, feats)


def _samples(
    models: Models, picture: np.ndarray, resolutions: Sequence[int], seed: int
) -> dict[int, tuple[SparseTensor, SparseTensor]]:
    """Shape and texture latent of each resolution that the pipeline makes of a (H, W, 4) picture.

    One structure serves all: its sampling takes most of the time.
    """
    samplers = samplers_of(models.generation, ("structure", "shape", "texture"), {})
    seen = load_picture(Image.fromarray(picture), "cutout")
    work = Work(models, Report(), models.generation, seen, Noise(seed), samplers)
    route = route_of(models, str(max(resolutions)))
    structure = sample_structure(work, route)
    made: dict[int, tuple[SparseTensor, SparseTensor]] = {}
    for resolution in resolutions:
        level = route_of(models, str(resolution)).first
        coords = structure.coords.clone()
        coords[:, 1:] //= route.first.latent_grid // level.latent_grid
        shape = sample_shape(work, "shape", level, Topology(coords.unique(dim=0)))
        made[resolution] = shape, sample_texture(work, level, shape)
    return made


def read_sampled(
    store: LatentStore, kind: str, resolutions: Sequence[int]
) -> Mapping[int, Mapping[str, tuple[np.ndarray, np.ndarray]]]:
    """Resolution -> name of the asset -> coords (N, 3) uint8 and feats (N, C) float16.

    Raises:
        EngineError: ``latents_missing`` or ``latents_damaged``.
    """
    packed = {resolution: store.read(f"{kind}_{resolution}") for resolution in resolutions}
    return {
        resolution: {name: each.of(number) for number, name in enumerate(each.names)}
        for resolution, each in packed.items()
    }
