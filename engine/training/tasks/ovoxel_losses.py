"""Losses of the three auto-encoders on voxels themselves (TRELLIS.2, SC-VAE, stage 1).

Each loss is a mean over voxels (or cells) and channels, so that it does not depend on how large a
batch is. Nothing here has a target for the split weights of quads: those learn from rendered
losses alone, in stage 2.
"""

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from engine.networks.material_vae import DecodedMaterial
from engine.networks.sc_vae import Pyramid
from engine.networks.shape_vae import DecodedShape
from engine.sparse import SparseTensor

EDGES = slice(3, 6)
"""Columns of the edge logits in a shape decoder's raw output."""

SHAPE_WEIGHTS = {"vertices": 0.01, "edges": 0.1, "pruning": 0.1, "kl": 1e-6}
MATERIAL_WEIGHTS = {"materials": 1.0, "kl": 1e-6}
STRUCTURE_WEIGHTS = {"occupancy": 1.0, "dice": 1.0, "kl": 1e-3}
"""Of the paper for shape and material; TRELLIS trains its structure VAE by dice and KL."""


def shape_losses(
    decoded: DecodedShape, dual_vertices: Tensor, intersected: Tensor
) -> dict[str, Tensor]:
    """Losses of a shape that was decoded along the pyramid of the truth.

    Args:
        decoded: rows as those of the truth.
        dual_vertices: (N, 3) float32 in [0, 1] inside the voxel.
        intersected: (N, 3) bool.

    Returns:
        vertices: mean squared error in units of a voxel; edges: binary cross-entropy of the edge
        flags; pruning: see ``pruning_loss``.
    """
    logits = decoded.raw.feats[:, EDGES].float()
    return {
        "vertices": F.mse_loss(decoded.dual_vertices.float(), dual_vertices),
        "edges": F.binary_cross_entropy_with_logits(logits, intersected.float()),
        "pruning": pruning_loss(decoded.logits, decoded.pyramid),
    }


def material_losses(decoded: DecodedMaterial, materials: Tensor) -> dict[str, Tensor]:
    """Losses of a material decoded along the pyramid of the truth.

    Args:
        decoded: rows as those of the truth.
        materials: (N, 6) float32 in [0, 1].

    Returns:
        materials: mean absolute error in the units of the networks, whose range is [-1, 1].
    """
    return {"materials": F.l1_loss(decoded.raw.feats.float(), materials * 2 - 1)}


def pruning_loss(logits: Sequence[SparseTensor], pyramid: Pyramid) -> Tensor:
    """Binary cross-entropy of "this child exists", mean of each level, summed over the levels."""
    return torch.stack(
        [
            F.binary_cross_entropy_with_logits(level.feats.float(), link.mask.float())
            for level, link in zip(logits, pyramid, strict=True)
        ]
    ).sum()


def kl_loss(mean: Tensor, logvar: Tensor) -> Tensor:
    """Divergence of N(mean, exp(logvar)) from N(0, 1), mean over all numbers of the latent."""
    mean, logvar = mean.float(), logvar.float()
    return 0.5 * (mean.square() + logvar.exp() - logvar - 1).mean()


def dice_loss(logits: Tensor, occupied: Tensor) -> Tensor:
    """1 - dice of probabilities and truth, mean over items; shape (N, ...), truth 0 or 1."""
    p, truth = torch.sigmoid(logits.float()).flatten(1), occupied.float().flatten(1)
    overlap = (p * truth).sum(1)
    return (1 - (2 * overlap + 1) / (p.sum(1) + truth.sum(1) + 1)).mean()


def sample_posterior(mean: Tensor, logvar: Tensor, generator: torch.Generator) -> Tensor:
    """A latent drawn around its mean; the noise comes from the generator's device."""
    return mean.float() + torch.exp(0.5 * logvar.float()) * noise_like(mean, generator)


def noise_like(values: Tensor, generator: torch.Generator) -> Tensor:
    """Standard normal numbers, float32 and shaped as ``values``, from the generator's device."""
    noise = torch.randn(values.shape, generator=generator, device=generator.device)
    return noise.to(values.device)


def weighted_sum(
    parts: Mapping[str, Tensor], weights: Mapping[str, float]
) -> tuple[Tensor, dict[str, float]]:
    """The loss, and its parts before weighting for the log.

    Raises:
        ValueError: a part without a weight or a weight without a part.
    """
    if parts.keys() != weights.keys():
        raise ValueError(f"losses {sorted(parts)} do not fit the weights {sorted(weights)}")
    total = torch.stack([weights[name] * part for name, part in parts.items()]).sum()
    return total, {name: float(part.detach()) for name, part in parts.items()}
