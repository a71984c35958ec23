"""Texture sampling against plain numpy in float64."""

import itertools
from typing import Literal, get_args

import numpy as np
import pytest

from engine.mesh import Filter, Texture, Wrap
from engine.ovoxel.textures import CHANNELS, pack_textures, sample_texture
from protocol.errors import EngineError

WRAPS: tuple[Wrap, ...] = get_args(Wrap)


def _picture(height: int, width: int, channels: int = 4, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    return random.integers(0, 256, (height, width, channels), dtype=np.uint8)


def _sample(pool, u: float, v: float, *, picture=0, mip_length=0.0, mip_offset=0.0) -> np.ndarray:
    out = np.full(CHANNELS, np.nan, np.float32)
    place = np.float32(u), np.float32(v)
    sample_texture(pool, picture, *place, np.float32(mip_length), np.float32(mip_offset), out)
    return out


def _texel(pixels: np.ndarray, x: int, y: int, wrap: str) -> np.ndarray:
    """numpy's own padding modes say what a wrap means."""
    modes: dict[str, Literal["wrap", "edge", "symmetric"]]
    modes = {"repeat": "wrap", "clamp": "edge", "mirror": "symmetric"}
    mode = modes[wrap]
    height, width = pixels.shape[:2]
    pad = 4 * max(height, width)
    rows = np.pad(np.arange(height), pad, mode=mode)
    columns = np.pad(np.arange(width), pad, mode=mode)
    return pixels[rows[y + pad], columns[x + pad]].astype(np.float64)


def _nearest(pixels: np.ndarray, u: float, v: float, wrap: str) -> np.ndarray:
    height, width = pixels.shape[:2]
    return _texel(pixels, int(np.floor(u * width)), int(np.floor((1 - v) * height)), wrap)


def _bilinear(pixels: np.ndarray, u: float, v: float, wrap: str) -> np.ndarray:
    height, width = pixels.shape[:2]
    x, y = u * width - 0.5, (1 - v) * height - 0.5
    left, top = int(np.floor(x)), int(np.floor(y))
    total = np.zeros(pixels.shape[2])
    for dx, dy in itertools.product((0, 1), repeat=2):
        weight = (x - left if dx else 1 - x + left) * (y - top if dy else 1 - y + top)
        total += weight * _texel(pixels, left + dx, top + dy, wrap)
    return total


SIZES = [(8, 8), (5, 7), (1, 1), (1, 6), (3, 1), (16, 4)]


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("wrap", WRAPS)
@pytest.mark.parametrize("filtering", get_args(Filter))
def test_base_level(size: tuple[int, int], wrap: Wrap, filtering: Filter) -> None:
    pixels = _picture(*size)
    pool = pack_textures([Texture(pixels, filter=filtering, wrap=wrap)])
    oracle = _nearest if filtering == "nearest" else _bilinear
    for u, v in np.random.default_rng(1).uniform(-2.3, 3.3, (60, 2)).astype(np.float32).tolist():
        np.testing.assert_allclose(_sample(pool, u, v), oracle(pixels, u, v, wrap), atol=2e-3)


def test_origin_is_at_the_bottom_left() -> None:
    pixels = np.zeros((2, 2, 1), np.uint8)
    pixels[1, 0] = 200  # the last row of a picture is its bottom
    for filtering in get_args(Filter):
        pool = pack_textures([Texture(pixels, filter=filtering)])
        assert _sample(pool, 0.25, 0.25)[0] == 200
        assert _sample(pool, 0.75, 0.25)[0] == _sample(pool, 0.25, 0.75)[0] == 0


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_missing_channels_are_full(channels: int) -> None:
    pixels = _picture(4, 4, channels)
    pool = pack_textures([Texture(pixels)])
    value = _sample(pool, 0.3, 0.6, mip_length=0.4)
    assert (value[channels:] == 255).all()
    assert (value[:channels] != 255).all()


def _mips(pixels: np.ndarray) -> list[np.ndarray]:
    """Truncated means of 2 x 2 texels, by loops."""
    levels = [pixels.astype(int)]
    while max(levels[-1].shape[:2]) > 1:
        level = levels[-1]
        height, width = (max(n // 2, 1) for n in level.shape[:2])
        smaller = np.zeros((height, width, level.shape[2]), int)
        for y, x in itertools.product(range(height), range(width)):
            block = level[2 * y : 2 * y + 2, 2 * x : 2 * x + 2]
            smaller[y, x] = block.sum(axis=(0, 1)) // (block.shape[0] * block.shape[1])
        levels.append(smaller)
    return levels


@pytest.mark.parametrize("size", [(16, 16), (8, 8), (1, 1), (12, 5), (2, 32)], ids=str)
def test_mip_levels(size: tuple[int, int]) -> None:
    """A level of its own, between two, below the first and beyond the last."""
    pixels = _picture(*size)
    levels = _mips(pixels)
    pool = pack_textures([Texture(pixels)])
    assert pool.picture_start[1] == len(levels)
    for level in (-3.0, 0.0, 0.4, 1.0, 1.75, 2.5, 3.0, 4.2, 20.0):
        place = min(max(level, 0.0), len(levels) - 1)
        low, share = int(place), place - int(place)
        for offset in (0.0, 0.5):
            length = 2 ** (level - offset) / size[0]
            value = _sample(pool, 0.37, 0.81, mip_length=length, mip_offset=offset)
            expected = (1 - share) * _bilinear(levels[low], 0.37, 0.81, "repeat")
            if share:
                expected += share * _bilinear(levels[low + 1], 0.37, 0.81, "repeat")
            np.testing.assert_allclose(value, expected, atol=5e-3)


def test_nearest_has_no_mips() -> None:
    pixels = _picture(8, 8)
    pool = pack_textures([Texture(pixels, filter="nearest")])
    assert pool.picture_start.tolist() == [0, 1]
    np.testing.assert_array_equal(
        _sample(pool, 0.3, 0.3, mip_length=1.0), _nearest(pixels, 0.3, 0.3, "repeat")
    )


def test_mip_lengths_that_are_no_numbers_take_the_base() -> None:
    pixels = _picture(8, 8)
    pool = pack_textures([Texture(pixels)])
    base = _sample(pool, 0.3, 0.3)
    for length in (np.nan, np.inf, 0.0, -1.0):
        np.testing.assert_array_equal(_sample(pool, 0.3, 0.3, mip_length=length), base)


@pytest.mark.parametrize("wrap", WRAPS)
@pytest.mark.parametrize("filtering", get_args(Filter))
@pytest.mark.parametrize("size", [(5, 7), (1, 1)], ids=str)
def test_wild_uvs_give_some_texel(wrap: Wrap, filtering: Filter, size: tuple[int, int]) -> None:
    pixels = _picture(*size)
    pool = pack_textures([Texture(pixels, filter=filtering, wrap=wrap)])
    for u, v in itertools.product([np.nan, np.inf, -np.inf, 1e30, -1e9, 999999.5, 0.5], repeat=2):
        value = _sample(pool, u, v, mip_length=0.3)
        assert np.isfinite(value).all()
        assert ((value >= 0) & (value <= 255)).all()


def test_several_pictures_do_not_mix() -> None:
    pictures = [_picture(4, 4, 4, 0), _picture(3, 5, 3, 1), _picture(1, 1, 1, 2)]
    together = pack_textures(
        [
            Texture(pictures[0]),
            Texture(pictures[1], filter="nearest", wrap="mirror"),
            Texture(pictures[2], wrap="clamp"),
        ]
    )
    np.testing.assert_allclose(
        _sample(together, 0.4, 0.2, picture=0),
        _bilinear(pictures[0], 0.4, 0.2, "repeat"),
        atol=1e-3,
    )
    np.testing.assert_array_equal(
        _sample(together, 1.4, -0.2, picture=1)[:3], _nearest(pictures[1], 1.4, -0.2, "mirror")
    )
    np.testing.assert_array_equal(_sample(together, 9, 9, picture=2)[:1], pictures[2][0, 0])


def test_no_pictures() -> None:
    pool = pack_textures([])
    assert pool.texels.shape == (0, CHANNELS)
    assert pool.picture_start.tolist() == [0]


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((4, 4), np.uint8),
        np.zeros((4, 4, 5), np.uint8),
        np.zeros((4, 4, 0), np.uint8),
        np.zeros((0, 4, 3), np.uint8),
        np.zeros((4, 4, 3), np.float32),
        np.zeros((4, 4, 3), np.uint16),
    ],
)
def test_what_is_no_picture(pixels: np.ndarray) -> None:
    with pytest.raises(EngineError) as error:
        pack_textures([Texture(pixels)])
    assert error.value.code == "texture"
