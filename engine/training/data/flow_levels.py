"""Packed latents as the levels that flow tasks draw from."""

from collections.abc import Callable, Sequence

import numpy as np

from engine.training.data.latents import PackedLatents
from engine.training.tasks.flow_tasks import Cells, Level


def structure_level(
    latents: PackedLatents,
    names: Sequence[str],
    tokens: Callable[[int, int], np.ndarray],
    *,
    views: int,
    batch_size: int,
    weight: float = 1.0,
) -> Level[np.ndarray]:
    """Dense latents of some assets; see ``Level`` for what is not said here.

    Args:
        latents: every cell of an R^3 grid for each asset, ordered by x, y, z.
        names: of the assets to train on; asset numbers count in this list.

    Raises:
        EngineError: ``latents_missing``.
    """
    rows = latents.indices(names)

    def latent(asset: int) -> np.ndarray:
        _, feats = latents.of(int(rows[asset]))
        size = round(len(feats) ** (1 / 3))
        return feats.T.reshape(-1, size, size, size)

    return Level(tuple(names), latent, tokens, views, batch_size, weight)


def cells_level(
    shape: PackedLatents,
    texture: PackedLatents | None,
    names: Sequence[str],
    tokens: Callable[[int, int], np.ndarray],
    *,
    views: int,
    batch_size: int,
    weight: float = 1.0,
) -> Level[Cells]:
    """Sparse latents of some assets; see ``Level`` for what is not said here.

    Args:
        shape: shape latents of one resolution.
        texture: texture latents on the same cells in the same order; None for a shape flow.
        names: of the assets to train on; asset numbers count in this list.

    Raises:
        EngineError: ``latents_missing``.
        ValueError: an asset's shape and texture lie on different cells; raised when it is drawn.
    """
    shape_rows = shape.indices(names)
    texture_rows = None if texture is None else texture.indices(names)

    def latent(asset: int) -> Cells:
        coords, shape_feats = shape.of(int(shape_rows[asset]))
        if texture is None or texture_rows is None:
            return Cells(coords, shape_feats)
        texture_coords, texture_feats = texture.of(int(texture_rows[asset]))
        if not np.array_equal(coords, texture_coords):
            raise ValueError(f"shape and texture latent of {names[asset]} lie on different cells")
        return Cells(coords, shape_feats, texture_feats)

    return Level(tuple(names), latent, tokens, views, batch_size, weight)
