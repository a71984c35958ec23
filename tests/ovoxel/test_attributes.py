"""Sampling of voxel values, and the lookup under it, against dictionaries."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from engine.ovoxel.attributes import POINTS_PER_CHUNK, sample_attributes
from engine.ovoxel.lookup import build_lookup, find_rows
from protocol.errors import EngineError

DATA = Path(__file__).parents[1] / "data"


def oracle(coords, feats, points, mode):
    """The definition, in float64, one point at a time."""
    rows = {tuple(voxel): row for row, voxel in enumerate(coords.tolist())}
    out = np.zeros((len(points), feats.shape[1]))
    for p, point in enumerate(points):
        if mode == "nearest":
            row = rows.get(tuple(int(value) for value in point))
            if row is not None:
                out[p] = feats[row]
            continue
        base = np.floor(point - np.float32(0.5)).astype(int)
        total = 0.0
        for corner in np.ndindex(2, 2, 2):
            cell = base + corner
            row = rows.get(tuple(cell.tolist()))
            if row is not None:
                weight = np.prod(1 - np.abs(point.astype(float) - cell - 0.5))
                out[p] += weight * feats[row]
                total += weight
        out[p] /= max(total, 1e-12)
    return out


def test_recorded_case():
    with np.load(DATA / "grid_sample_3d.npz") as case:
        for mode in ("trilinear", "nearest"):
            sampled = sample_attributes(case["coords"], case["feats"], case["query"], mode)
            np.testing.assert_allclose(sampled, case[f"out_{mode}"], rtol=0, atol=1e-6)


@pytest.mark.parametrize("mode", ["trilinear", "nearest"])
@settings(max_examples=60, deadline=None)
@given(
    coords=hnp.arrays(np.int32, st.tuples(st.integers(1, 60), st.just(3)),
                      elements=st.integers(0, 5)),
    points=hnp.arrays(np.float32, st.tuples(st.integers(0, 30), st.just(3)),
                      elements=st.floats(-2, 8, width=32)),
    offset=st.sampled_from([0, 4090]),
)  # fmt: skip
def test_matches_the_definition(mode, coords, points, offset):
    coords = np.unique(coords, axis=0)[::-1] + np.int32(offset)
    points = (points + np.float32(offset)).astype(np.float32)
    feats = np.random.default_rng(len(coords)).normal(size=(len(coords), 2)).astype(np.float32)
    sampled = sample_attributes(coords, feats, points, mode)
    assert sampled.dtype == np.float32
    np.testing.assert_allclose(sampled, oracle(coords, feats, points, mode), atol=1e-5)


def test_batches_do_not_see_each_other():
    rng = np.random.default_rng(3)
    coords = np.unique(rng.integers(0, 6, (150, 4)) % [3, 6, 6, 6], axis=0).astype(np.int32)
    coords = rng.permutation(coords)
    feats = rng.normal(size=(len(coords), 5)).astype(np.float32)
    points = rng.uniform(-1, 7, (3, 200, 3)).astype(np.float32)
    together = sample_attributes(coords, feats, points)
    for batch in range(3):
        mine = coords[:, 0] == batch
        alone = sample_attributes(coords[mine, 1:], feats[mine], points[batch])
        np.testing.assert_array_equal(together[batch], alone)


@pytest.mark.parametrize("mode", ["trilinear", "nearest"])
def test_points_that_are_nowhere(mode):
    coords = np.zeros((1, 3), np.int32)
    feats = np.ones((1, 1), np.float32)
    strange = [np.nan, np.inf, -np.inf, 1e30, -1e30, 3e9, -3e9, 1e300]
    points = np.array([[value if axis == i else 0.5 for i in range(3)]
                       for value in strange for axis in range(3)])  # fmt: skip
    assert not sample_attributes(coords, feats, points, mode).any()
    assert sample_attributes(coords, feats, [[0.5, 0.5, 0.5]], mode).item() == 1  # type: ignore[arg-type]
    none = sample_attributes(coords[:0], feats[:0], points, mode)
    assert none.shape == (len(points), 1)
    assert not none.any()


def test_thread_counts_agree():
    rng = np.random.default_rng(1)
    coords = np.argwhere(rng.random((12, 12, 12)) < 0.3).astype(np.int32)
    feats = rng.random((len(coords), 3), np.float32)
    points = rng.uniform(0, 12, (2 * POINTS_PER_CHUNK + 7, 3)).astype(np.float32)
    one = sample_attributes(coords, feats, points, threads=1)
    np.testing.assert_array_equal(one, sample_attributes(coords, feats, points, threads=3))
    np.testing.assert_allclose(
        one[-50:], oracle(coords, feats, points[-50:], "trilinear"), atol=1e-5
    )


@pytest.mark.parametrize(
    ("coords", "feats", "points", "mode"),
    [
        (np.zeros((2, 3), np.int32), np.zeros((1, 1)), np.zeros((1, 3)), "nearest"),
        (np.zeros((1, 3), np.int32), np.zeros((1, 1)), np.zeros((1, 2)), "nearest"),
        (np.zeros((1, 3), np.int32), np.zeros((1, 1)), np.zeros((1, 1, 3)), "nearest"),
        (np.zeros((1, 4), np.int32), np.zeros((1, 1)), np.zeros((1, 3)), "nearest"),
        (np.zeros((1, 3), np.int32), np.zeros(1), np.zeros((1, 3)), "nearest"),
        (np.zeros((1, 3), np.int32), np.zeros((1, 1)), np.zeros((1, 3)), "cubic"),
    ],
)
def test_shapes_that_do_not_fit(coords, feats, points, mode):
    with pytest.raises(EngineError) as caught:
        sample_attributes(coords, feats, points, mode)
    assert caught.value.code == "sample_invalid"


@settings(max_examples=60, deadline=None)
@given(
    coords=hnp.arrays(np.int32, st.tuples(st.integers(0, 80), st.sampled_from([3, 4])),
                      elements=st.integers(-4, 4) | st.sampled_from([-9_000, 9_000])),
)  # fmt: skip
def test_lookup_matches_a_dictionary(coords):
    queries = np.concatenate([coords, coords + 1, coords - 1, np.zeros_like(coords[:1])])
    coords = np.unique(coords, axis=0)[::-1]
    rows = {tuple(voxel): row for row, voxel in enumerate(coords.tolist())}
    found = find_rows(build_lookup(coords), queries)
    assert found.tolist() == [rows.get(tuple(query), -1) for query in queries.tolist()]


@pytest.mark.parametrize("stride", [(1, 1, 1), (1, 1024, 7), (4096, 4096, 1), (512, 64, 8)])
def test_lookup_of_regular_patterns(stride):
    """Lattices are what a weak hash would pile up in one place; this would take minutes then."""
    coords = (np.argwhere(np.ones((50, 50, 50), bool)) * stride).astype(np.int32)
    lookup = build_lookup(coords)
    np.testing.assert_array_equal(find_rows(lookup, coords), np.arange(len(coords)))
    assert (find_rows(lookup, coords + np.array([0, 0, 60 * stride[2]], np.int32)) == -1).all()


@pytest.mark.parametrize(
    "coords",
    [
        np.zeros((2, 3), np.int32),
        np.zeros((1, 2), np.int32),
        np.zeros(3, np.int32),
        np.zeros((1, 3), np.float32),
        np.array([[0, 0, 1 << 40]]),
        np.array([[-(1 << 31)] * 3, [(1 << 31) - 1] * 3]),
    ],
)
def test_lookup_refuses(coords):
    with pytest.raises(EngineError) as caught:
        build_lookup(coords)
    assert caught.value.code == "voxels_invalid"
