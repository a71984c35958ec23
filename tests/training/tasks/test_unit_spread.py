"""Scaling the structure latents changes nothing but their spread."""

import torch

from engine.networks.structure_vae import (
    StructureDecoder,
    StructureDecoderConfig,
    StructureEncoder,
    StructureEncoderConfig,
)
from engine.training.tasks.unit_spread import give_unit_spread


def test_latents_get_deviation_1_and_decode_to_the_same() -> None:
    torch.manual_seed(0)
    encoder = StructureEncoder(StructureEncoderConfig(1, 3, 1, [8, 8, 8]))
    decoder = StructureDecoder(StructureDecoderConfig(1, 3, 1, [8, 8, 8]))
    occupied = (torch.rand(6, 1, 16, 16, 16) > 0.7).float()
    mean, logvar = encoder(occupied)
    decoded = decoder(mean)
    deviation = give_unit_spread(encoder, decoder, mean)
    scaled, scaled_logvar = encoder(occupied)
    assert torch.allclose(scaled.transpose(0, 1).flatten(1).std(dim=1), torch.ones(3), atol=1e-4)
    assert torch.allclose(decoder(scaled), decoded, atol=1e-4)
    shift = 2 * deviation.log()[:, None, None, None]
    assert torch.allclose(scaled_logvar, logvar - shift, atol=1e-4)
