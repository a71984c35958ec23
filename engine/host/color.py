"""The sRGB transfer curve (IEC 61966-2-1), in one place."""

import numpy as np


def srgb_from_linear(linear: np.ndarray) -> np.ndarray:
    """Encode linear light in [0, 1] (any shape, float) as sRGB; values outside are clipped."""
    value = np.clip(np.asarray(linear, dtype=np.float64), 0.0, 1.0)
    encoded = np.where(value <= 0.0031308, 12.92 * value, 1.055 * value ** (1 / 2.4) - 0.055)
    return encoded.astype(np.float32)


def linear_from_srgb(srgb: np.ndarray) -> np.ndarray:
    """Decode sRGB in [0, 1] (any shape, float) to linear light; values outside are clipped."""
    value = np.clip(np.asarray(srgb, dtype=np.float64), 0.0, 1.0)
    linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    return linear.astype(np.float32)
