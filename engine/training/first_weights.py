"""What trainings of a second edition begin with: the networks of the first."""

import shutil

import numpy as np
import torch

from engine.networks.sc_vae import ScVaeDecoder, ScVaeEncoder
from engine.systems.trellis2.networks import build_network, load_network
from engine.training.config import TrainConfig
from engine.training.data.dataset import Dataset, collate
from engine.training.finer_cells import ShapeVae, without_coarsest_level
from engine.training.publish import CKPTS, save_network
from engine.training.recipe import Paths
from engine.training.tasks.sc_vae_start import initialise_sc_vae

NAMES = ("shape_encoder", "shape_decoder")
REGRESSION = 150
"""Training assets whose cells the new latent is fitted on."""


def keep_first_edition(paths: Paths) -> None:
    """Copy it, whole or not at all: what ships may be replaced by the result of this training."""
    if not paths.first.exists():
        unfinished = paths.first.with_suffix(".unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        shutil.copytree(paths.first_edition, unfinished)
        unfinished.rename(paths.first)


def drop_coarsest_level(paths: Paths, config: TrainConfig, device: torch.device) -> None:
    """The shape VAE that the training starts from, made once."""
    if all((paths.grafted / CKPTS / f"{name}.safetensors").exists() for name in NAMES):
        return
    networks = [load_network(paths.first / CKPTS / name, device=device).float() for name in NAMES]
    torch.manual_seed(config.seed)
    for name in NAMES:
        network = build_network(
            config.networks[name].name, config.networks[name].args, device="cpu"
        )
        assert isinstance(network, ScVaeEncoder | ScVaeDecoder)
        initialise_sc_vae(network)
        networks.append(network.to(device))
    trained, finer = ShapeVae(*networks[:2]), ShapeVae(*networks[2:])  # pyright: ignore[reportArgumentType]
    dataset = Dataset(paths.data)
    chosen = np.random.default_rng(config.seed).permutation(len(dataset))[:REGRESSION].tolist()
    batches = (
        collate([dataset.voxels(index, resolution)], device)
        for index in chosen
        for resolution in dataset.resolutions
    )
    without_coarsest_level(trained, finer, batches)
    for name, network in zip(NAMES, networks[2:], strict=True):
        save_network(paths.grafted, name, config.networks[name], network.state_dict())
