"""Packed latents become levels with every value in its place."""

import numpy as np
import pytest

from engine.training.data.flow_levels import cells_level, structure_level
from engine.training.data.latents import PackedLatents
from protocol.errors import EngineError


def _tokens(asset: int, view: int) -> np.ndarray:
    return np.full((1, 1), 10 * asset + view, np.float16)


def _packed(counts: dict[str, int], *, size: int, seed: int = 0) -> PackedLatents:
    random = np.random.default_rng(seed)
    total = sum(counts.values())
    return PackedLatents(
        tuple(counts),
        np.cumsum([0, *counts.values()]).astype(np.int64),
        (np.arange(3 * total).reshape(total, 3) % size).astype(np.uint8),
        random.standard_normal((total, 2)).astype(np.float16),
    )


def test_dense_latents_are_volumes_with_x_first():
    cells = np.stack(np.meshgrid(*[np.arange(2)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    packed = PackedLatents(
        ("a", "b"),
        np.array([0, 8, 16]),
        np.tile(cells, (2, 1)).astype(np.uint8),
        np.arange(32, dtype=np.float16).reshape(16, 2),
    )
    level = structure_level(packed, ["b"], _tokens, views=3, batch_size=2, weight=0.5)
    assert (level.names, level.views, level.batch_size, level.weight) == (("b",), 3, 2, 0.5)
    volume = level.latent(0)
    assert volume.shape == (2, 2, 2, 2)
    for row, (x, y, z) in enumerate(cells):
        assert volume[:, x, y, z].tolist() == packed.feats[8 + row].tolist()


def test_sparse_latents_are_found_by_name_in_both_files():
    shape = _packed({"a": 3, "b": 5, "c": 2}, size=5)
    order = ("c", "a", "b")
    parts = [shape.of(shape.names.index(name)) for name in order]
    texture = PackedLatents(
        order,
        np.array([0, 2, 5, 10]),
        np.concatenate([coords for coords, _ in parts]),
        np.concatenate([-feats for _, feats in parts]),
    )
    level = cells_level(shape, texture, ["b", "a"], _tokens, views=1, batch_size=1)
    for asset, name in enumerate(("b", "a")):
        coords, feats = shape.of(shape.names.index(name))
        latent = level.latent(asset)
        assert latent.texture is not None
        assert np.array_equal(latent.coords, coords)
        assert np.array_equal(latent.shape, feats)
        assert np.array_equal(latent.texture, -feats)
    assert cells_level(shape, None, ["b"], _tokens, views=1, batch_size=1).latent(0).texture is None


def test_latents_that_do_not_go_together():
    shape, other = _packed({"a": 3}, size=5), _packed({"a": 3}, size=4)
    level = cells_level(shape, other, ["a"], _tokens, views=1, batch_size=1)
    with pytest.raises(ValueError, match="different cells"):
        level.latent(0)
    with pytest.raises(EngineError, match="have no latents"):
        structure_level(shape, ["b"], _tokens, views=1, batch_size=1)
