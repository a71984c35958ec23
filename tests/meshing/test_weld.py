"""Welding keeps every triangle where it was."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from engine.meshing.weld import weld_positions


@given(st.integers(1, 60), st.integers(1, 3), st.integers(0, 2**32 - 1))
def test_weld_matches_a_dictionary(count: int, span: int, seed: int) -> None:
    vertices = np.random.default_rng(seed).integers(0, span, (count, 3)).astype(np.float32)
    kept, new_index = weld_positions(vertices)
    seen: dict[tuple[float, ...], int] = {}
    expected = [seen.setdefault(tuple(v.tolist()), len(seen)) for v in vertices]
    np.testing.assert_array_equal(new_index, expected)
    np.testing.assert_array_equal(vertices[kept], np.array(list(seen)))


def test_negative_zero_is_zero_and_nan_is_itself() -> None:
    vertices = np.array([[0.0, 0, 0], [-0.0, 0, 0], [np.nan, 0, 0], [np.nan, 0, 0]])
    kept, new_index = weld_positions(vertices)
    assert kept.tolist() == [0, 2, 3]
    assert new_index.tolist() == [0, 0, 1, 2]
