"""The sRGB curve agrees with known values and with its own inverse."""

import numpy as np

from engine.host.color import linear_from_srgb, srgb_from_linear


def test_known_values() -> None:
    linear = np.array([0.0, 0.0031308, 0.2140411, 1.0, -1.0, 2.0])
    np.testing.assert_allclose(srgb_from_linear(linear), [0, 0.0404499, 0.5, 1, 0, 1], atol=1e-6)


def test_every_8_bit_value_survives_16_bits_of_linear_light() -> None:
    values = np.arange(256)
    linear = np.rint(linear_from_srgb(values / 255) * 65535) / 65535
    np.testing.assert_array_equal(np.rint(srgb_from_linear(linear) * 255), values)
