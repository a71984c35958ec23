"""The training target of a flow, and the weights that it begins with.

Rectified flow with a little noise left at t = 0 (TRELLIS.2, appendix; Lipman et al. 2023, example
II): the mirror image of ``engine.sampling``, which walks along the same velocity.
"""

import math

import torch
from torch import Tensor

from engine.networks.flow import FlowTransformer

SIGMA_MIN = 1e-5


def noised(x_0: Tensor, noise: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
    """The state at time t, and the velocity there.

    Args:
        x_0: what is to be generated, any shape, float32.
        noise: standard normal, shape of ``x_0``.
        t: in [0, 1], broadcasting with ``x_0``; 0 is the sample, 1 the noise.

    Returns:
        x_t = (1 - t) x_0 + (s + (1 - s) t) noise with s = ``SIGMA_MIN``, and its derivative by t,
        (1 - s) noise - x_0, which does not depend on t.
    """
    x_t = (1 - t) * x_0 + (SIGMA_MIN + (1 - SIGMA_MIN) * t) * noise
    return x_t, (1 - SIGMA_MIN) * noise - x_0


@torch.no_grad()
def initialise_flow(flow: FlowTransformer, generator: torch.Generator) -> None:
    """Weights to begin a training with, in place, every one of them.

    Small normal weights (Nguyen and Salazar 2019: sqrt(2 / (5 C))), smaller still where a block
    adds to the residual stream, by the root of the number of additions; an input layer that keeps
    the variance; the time's share of the modulation and the output at zero (Peebles and Xie 2023,
    section 3.2), so that the first velocity is zero.
    """
    config = flow.config
    usual = math.sqrt(2 / (5 * config.model_channels))
    for name, parameter in flow.named_parameters():
        if name.endswith(".bias"):
            parameter.zero_()
        elif name.endswith((".gamma", "norm2.weight")):
            parameter.fill_(1)
        elif name.endswith(".modulation"):
            parameter.normal_(std=config.model_channels**-0.5, generator=generator)
        elif "adaLN_modulation" in name or name.startswith("out_layer"):
            parameter.zero_()
        elif name.startswith("input_layer"):
            parameter.normal_(std=config.in_channels**-0.5, generator=generator)
        elif name.endswith((".to_out.weight", "mlp.mlp.2.weight")):
            parameter.normal_(std=usual / math.sqrt(3 * config.num_blocks), generator=generator)
        else:
            parameter.normal_(std=usual, generator=generator)
