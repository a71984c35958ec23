"""Structure latents of spread 1, which the structure flow takes as they are.

The published pipeline normalises the latents of shapes and textures and not those of structures:
their auto-encoder has to give a spread near 1 by itself. It can be had afterwards, exactly.
"""

import torch
from torch import Tensor, nn

from engine.networks.structure_vae import StructureDecoder, StructureEncoder


@torch.no_grad()
def give_unit_spread(
    encoder: StructureEncoder, decoder: StructureDecoder, means: Tensor
) -> Tensor:  # fmt: skip
    """Scale every channel of the latent to deviation 1, in place; what is decoded stays the same.

    Args:
        encoder, decoder: trained together.
        means: (B, C, X, Y, Z) latents of many assets.

    Returns:
        (C,) the deviations that were taken out.
    """
    deviation = means.transpose(0, 1).flatten(1).std(dim=1).clamp(min=1e-4)
    last = encoder.out_layer[-1]
    assert isinstance(last, nn.Conv3d) and last.bias is not None
    channels = len(deviation)
    last.weight[:channels] /= deviation[:, None, None, None, None]
    last.bias[:channels] /= deviation
    last.bias[channels:] -= 2 * deviation.log()
    decoder.input_layer.weight *= deviation[None, :, None, None, None]
    return deviation
