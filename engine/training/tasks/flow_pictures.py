"""What flows sample, as small pictures below the truth."""

import numpy as np
from torch import Tensor

from engine.sparse.topology import Topology

PIXELS_PER_CELL = 4


def occupancy_picture(truth: Tensor, got: Tensor) -> np.ndarray:
    """Occupied cells seen from the front and from above; a column per item.

    Args:
        truth: (B, R, R, R) bool, axes x, y, z.
        got: the same of the samples.

    Returns:
        (H, W, 3) uint8: two rows of truth, two of samples; brighter where more cells lie behind
        one another.
    """
    rows: list[np.ndarray] = []
    for cells in (truth, got):
        for depth in (2, 3):
            depths = cells.float().mean(dim=depth).sqrt().cpu().numpy()
            rows.append(_row([view.T[::-1, :, None].repeat(3, axis=2) for view in depths]))
    return _finish(rows)


def latent_picture(cells: Topology, truth: Tensor, got: Tensor) -> np.ndarray:
    """The cells nearest to the front (low y), coloured by three of their latent's channels.

    Args:
        cells: of a batch, at least one.
        truth: (N, C) normalised latents; -2 to 2 is shown.
        got: the same of the samples.

    Returns:
        (H, W, 3) uint8: a row of truth, a row of samples; a column per item.
    """
    coords = cells.coords[:, 1:].cpu().numpy()
    size = int(coords.max()) + 1
    rows: list[np.ndarray] = []
    for feats in (truth, got):
        channels = np.resize(np.arange(feats.shape[1]), 3)
        colours = 0.5 + feats.float().cpu().numpy()[:, channels] / 4
        views: list[np.ndarray] = []
        for item in cells.slices:
            order = np.argsort(-coords[item, 1], kind="stable")
            x, _, z = coords[item][order].T
            view = np.zeros((size, size, 3))
            # Of several cells in one pixel the last stays, which is the one in front.
            view[size - 1 - z, x] = colours[item][order]
            views.append(view)
        rows.append(_row(views))
    return _finish(rows)


def _row(views: list[np.ndarray]) -> np.ndarray:
    """(R, R, 3) pictures side by side, a dark grey cell between."""
    framed = [np.pad(view, ((0, 1), (0, 1), (0, 0)), constant_values=0.25) for view in views]
    return np.concatenate(framed, axis=1)


def _finish(rows: list[np.ndarray]) -> np.ndarray:
    picture = np.clip(np.concatenate(rows) * 255 + 0.5, 0, 255).astype(np.uint8)
    return picture.repeat(PIXELS_PER_CELL, axis=0).repeat(PIXELS_PER_CELL, axis=1)
