"""Indices that do not fit their share of a key are refused instead of aliased."""

import numpy as np
import pytest

from engine.ovoxel.pyramid import parents_of, subdivision_pyramid
from protocol.errors import EngineError


def test_indices_from_2_to_the_21_are_refused():
    coords = np.array([[0, 1 << 21, 0]])
    for call in (lambda: parents_of(coords, 2), lambda: subdivision_pyramid(coords, 1)):
        with pytest.raises(EngineError) as caught:
            call()
        assert caught.value.code == "coords"


def test_the_largest_index_keeps_its_place():
    largest = (1 << 21) - 1
    parents, rows = parents_of(np.array([[largest, 0, largest]]), 1)
    assert parents.tolist() == [[largest, 0, largest]]
    assert rows.tolist() == [0]
