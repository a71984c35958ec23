"""Textures as kernels read them: all pictures with their mip levels in one pool of bytes."""

from typing import NamedTuple

import numpy as np

from engine.kernels import tight
from engine.mesh import Texture
from protocol.errors import EngineError

CHANNELS = 4

_WRAPS = {"repeat": 0, "clamp": 1, "mirror": 2}
_NEAREST, _LINEAR = 0, 1


class TexturePool(NamedTuple):
    """Pictures for ``sample_texture``; a plain tuple, so that kernels can take it.

    Args:
        texels: (T, CHANNELS) uint8, all levels of all pictures one after the other.
        level_start: (L + 1,) int64, the first texel of each level.
        level_size: (L, 2) int64, width and height of each level.
        picture_start: (P + 1,) int64, the first level of each picture.
        modes: (P, 3) int64, filter of each picture and its wrap along u and v.
    """

    texels: np.ndarray
    level_start: np.ndarray
    level_size: np.ndarray
    picture_start: np.ndarray
    modes: np.ndarray


def pack_textures(textures: list[Texture]) -> TexturePool:
    """Put pictures of four channels at most, with their mip levels, into one pool.

    Mip levels are means of 2x2 texels, truncated, as the reference makes them for square powers of
    two; for an odd width or height the last column or row is left out. Channels that a picture
    lacks are 255.

    Raises:
        EngineError: texture, for a picture that is not (H, W, 1..4) uint8 with at least a texel.
    """
    levels: list[np.ndarray] = []
    picture_start = [0]
    modes = []
    for texture in textures:
        pixels = texture.pixels
        if (
            pixels.ndim != 3
            or pixels.dtype != np.uint8
            or 0 in pixels.shape
            or pixels.shape[2] > CHANNELS
        ):
            raise EngineError(
                "texture",
                f"A texture is {pixels.dtype} of shape {pixels.shape}.",
                "Give pictures of at least one pixel as (height, width, 1 to 4) bytes.",
            )
        level = np.full((*pixels.shape[:2], CHANNELS), 255, np.uint8)
        level[:, :, : pixels.shape[2]] = pixels
        levels.append(level)
        if texture.filter == "linear":
            while max(level.shape[:2]) > 1:
                level = _half(level)
                levels.append(level)
        picture_start.append(len(levels))
        filtering = _LINEAR if texture.filter == "linear" else _NEAREST
        modes.append((filtering, *(_WRAPS[wrap] for wrap in texture.wraps)))
    sizes = [level.shape[0] * level.shape[1] for level in levels]
    texels = [level.reshape(-1, CHANNELS) for level in levels]
    return TexturePool(
        texels=np.concatenate(texels) if texels else np.empty((0, CHANNELS), np.uint8),
        level_start=np.cumsum([0, *sizes]).astype(np.int64),
        level_size=np.array(
            [(level.shape[1], level.shape[0]) for level in levels], np.int64
        ).reshape(-1, 2),
        picture_start=np.array(picture_start, np.int64),
        modes=np.array(modes, np.int64).reshape(-1, 3),
    )


def _half(level: np.ndarray) -> np.ndarray:
    half = np.empty((max(level.shape[0] // 2, 1), max(level.shape[1] // 2, 1), CHANNELS), np.uint8)
    _fill_half(level, half)
    return half


@tight
def _fill_half(level, half):
    # Of a single row or column both texels of a pair are the same one: the mean stays.
    down, across = min(level.shape[0], 2) - 1, min(level.shape[1], 2) - 1
    for y in range(half.shape[0]):
        for x in range(half.shape[1]):
            for c in range(CHANNELS):
                upper = np.int32(level[2 * y, 2 * x, c]) + level[2 * y, 2 * x + across, c]
                lower = np.int32(level[2 * y + down, 2 * x, c])
                half[y, x, c] = (upper + lower + level[2 * y + down, 2 * x + across, c]) >> 2


@tight
def sample_texture(pool, picture, u, v, mip_length, mip_offset, out):
    """Sample a picture at a UV, origin at the bottom left, between mip levels when it is linear.

    Args:
        pool: of ``pack_textures``.
        picture: which one.
        u, v: float32.
        mip_length: float32, how much of the UV square a sample covers, as a length.
        mip_offset: float32, added to the mip level.
        out: (CHANNELS,) float32, receives values in [0, 255].
    """
    first, last = pool.picture_start[picture], pool.picture_start[picture + 1] - 1
    filtering = pool.modes[picture, 0]
    wrap_u, wrap_v = pool.modes[picture, 1], pool.modes[picture, 2]
    if not (abs(u) < np.float32(1e6) and abs(v) < np.float32(1e6)):
        u, v = np.float32(0), np.float32(0)  # no texel can be named that far out
    if filtering == _NEAREST:
        width, height = pool.level_size[first, 0], pool.level_size[first, 1]
        x = _wrapped(int(np.floor(u * np.float32(width))), width, wrap_u)
        y = _wrapped(int(np.floor((np.float32(1) - v) * np.float32(height))), height, wrap_v)
        texel = pool.level_start[first] + y * width + x
        for c in range(CHANNELS):
            out[c] = np.float32(pool.texels[texel, c])
        return
    for c in range(CHANNELS):
        out[c] = np.float32(0)
    level = np.log2(mip_length * np.float32(pool.level_size[first, 1])) + mip_offset
    lower, share = first, np.float32(0)
    if level >= np.float32(last - first) and level < np.float32(np.inf):
        lower = last
    elif level > np.float32(0) and level < np.float32(np.inf):
        lower = first + int(level)
        share = level - np.float32(int(level))
    # Given one by one, since taking a tuple of arrays apart at each call costs more than the rest.
    texels, starts, sizes = pool.texels, pool.level_start, pool.level_size
    _add_bilinear(
        *(texels, starts[lower], sizes[lower, 0], sizes[lower, 1], wrap_u, wrap_v),
        *(u, v, np.float32(1) - share, out),
    )
    if share > np.float32(0):
        lower += 1
        _add_bilinear(
            *(texels, starts[lower], sizes[lower, 0], sizes[lower, 1], wrap_u, wrap_v),
            *(u, v, share, out),
        )


@tight
def _add_bilinear(texels, start, width, height, wrap_u, wrap_v, u, v, weight, out):
    """Add ``weight`` times the value between the four texels around (u, v) of a level."""
    x = u * np.float32(width) - np.float32(0.5)
    y = (np.float32(1) - v) * np.float32(height) - np.float32(0.5)
    left, top = int(np.floor(x)), int(np.floor(y))
    right_share, bottom_share = x - np.float32(left), y - np.float32(top)
    x0, x1 = _wrapped(left, width, wrap_u), _wrapped(left + 1, width, wrap_u)
    y0, y1 = _wrapped(top, height, wrap_v), _wrapped(top + 1, height, wrap_v)
    one = np.float32(1)
    w00 = weight * (one - right_share) * (one - bottom_share)
    w01 = weight * right_share * (one - bottom_share)
    w10 = weight * (one - right_share) * bottom_share
    w11 = weight * right_share * bottom_share
    t00, t01 = start + y0 * width + x0, start + y0 * width + x1
    t10, t11 = start + y1 * width + x0, start + y1 * width + x1
    for c in range(CHANNELS):
        out[c] += (
            w00 * np.float32(texels[t00, c])
            + w01 * np.float32(texels[t01, c])
            + w10 * np.float32(texels[t10, c])
            + w11 * np.float32(texels[t11, c])
        )


@tight
def _wrapped(index, size, wrap):
    """Texel index inside 0..size-1 after repeating (0), clamping (1) or mirroring (2)."""
    if 0 <= index < size:
        return index
    if wrap == 1:
        return min(max(index, 0), size - 1)
    if wrap == 2:
        folded = index % (2 * size)
        return folded if folded < size else 2 * size - 1 - folded
    return index % size
