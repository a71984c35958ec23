"""A few hundred mutated files of each kind; benchmarks/fuzz_readers.py tries any number."""

from pathlib import Path

import pytest

from tests.readers.fuzz import mutated, tried
from tests.readers.valid import SOURCES, valid

COUNT, SEED = 150, 48


@pytest.mark.parametrize("kind", SOURCES)
def test_what_the_mutations_begin_with_is_valid(kind: str, tmp_path: Path) -> None:
    for files in valid(kind):
        outcome = tried(files, tmp_path)
        assert (outcome.result, outcome.fault) == ("mesh", None)


@pytest.mark.parametrize("kind", SOURCES)
def test_mutated_files_are_read_or_refused(kind: str, tmp_path: Path) -> None:
    outcomes = [tried(mutated(kind, SEED, number), tmp_path) for number in range(COUNT)]
    faults = {number: each.fault for number, each in enumerate(outcomes) if each.fault}
    assert not faults
    # Both happen, or the mutations are too wild or too tame to show anything.
    assert 5 < sum(each.result == "mesh" for each in outcomes) < COUNT
