"""First weights of an SC-VAE for a short training."""

import math

import torch
from torch import nn

from engine.models.sc_vae import ScVaeDecoder, ScVaeEncoder
from engine.models.sc_vae_blocks import SubmanifoldConv

FIRST_LOGVAR = -6.0


@torch.no_grad()
def initialise_sc_vae(network: ScVaeEncoder | ScVaeDecoder) -> None:
    """Open what is closed at first, and make the posterior narrow; in place.

    The layers that end a residual branch start at zero, as published. In a narrow network that
    leaves the shortcuts alone, which carry next to nothing from the latent to the voxels: each
    level hands an eighth of the channels to each child, and after four of them all channels of a
    voxel are copies of one. The decoder then learns to do without the latent, and noise as strong
    as the latent itself makes that final. Measured on one batch of materials, the loss after 60
    steps: 0.16 with zeros, 0.05 without.
    """
    for module in network.modules():
        if isinstance(module, SubmanifoldConv | nn.Linear) and not module.weight.any():
            module.weight.normal_(std=1 / math.sqrt(module.weight[0].numel()))
    if isinstance(network, ScVaeEncoder):
        channels = network.config.latent_channels
        network.to_latent.weight[channels:] = 0
        network.to_latent.bias[channels:] = FIRST_LOGVAR
