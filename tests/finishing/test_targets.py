"""How many faces each level of detail gets."""

from dataclasses import replace

import pytest

from engine.finishing.targets import targets_of
from protocol.finishes import FINISHES


@pytest.mark.parametrize(
    ("asked", "there", "levels"),
    [
        (20_000, 90_000, [20_000, 10_000, 5_000, 2_500]),
        (20_000, 1_000, [1_000, 500, 250, 125]),
        (100, 90_000, [100, 50, 25, 24]),
        (20_000, 12, [12, 12, 12, 12]),
        (10, 90_000, [10, 10, 10, 10]),
    ],
)
def test_levels_are_halves_until_nothing_would_be_left(
    asked: int, there: int, levels: list[int]
) -> None:
    assert targets_of(replace(FINISHES["game"], faces=asked), there) == levels
