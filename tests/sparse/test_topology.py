"""Topology against plain dictionaries of cells."""

import math

import pytest
import torch

from engine.sparse import SparseTensor, Topology
from tests.sparse.grids import random_coords


def by_cell(coords):
    return {tuple(cell): row for row, cell in enumerate(coords.tolist())}


def test_neighbours_against_a_dictionary_of_cells():
    coords = random_coords((150, 0, 90), 7)
    rows = by_cell(coords)
    neighbours = Topology(coords).neighbours
    assert neighbours.shape == (27, 240) and neighbours.dtype == torch.int32
    for (b, x, y, z), row in rows.items():
        for v in range(27):
            cell = (b, x + v // 9 - 1, y + v // 3 % 3 - 1, z + v % 3 - 1)
            assert neighbours[v, row] == rows.get(cell, -1)


def test_neighbours_stay_inside_a_batch_item_at_the_grid_border():
    coords = torch.tensor([[0, 4, 4, 4], [1, 0, 0, 0]], dtype=torch.int32)
    assert (Topology(coords).neighbours >= 0).sum() == 2


def test_a_grid_beyond_32_bit_keys():
    far = 2000
    coords = torch.tensor(
        [[0, 0, 0, 0], [0, far, far, far], [0, far, far, far + 1]], dtype=torch.int32
    )
    neighbours = Topology(coords).neighbours
    assert neighbours[14].tolist() == [-1, 2, -1]
    assert neighbours[12].tolist() == [-1, -1, 1]
    parents = Topology(coords).coarsen().parents.coords
    assert parents.tolist() == [[0, 0, 0, 0], [0, 1000, 1000, 1000]]


def test_neighbour_pairs_are_the_map_without_its_holes():
    topology = Topology(random_coords((120,), 6))
    for v, (here, there) in enumerate(topology.neighbour_pairs):
        if v == 13:
            assert len(here) == 0
            continue
        assert torch.equal(topology.neighbours[v][here.long()], there)
        assert len(here) == (topology.neighbours[v] >= 0).sum()


def test_a_cell_twice_is_named():
    coords = torch.zeros(2, 4, dtype=torch.int32)
    with pytest.raises(ValueError, match="same cell twice"):
        _ = Topology(coords).neighbours


@pytest.mark.parametrize(
    ("coords", "message"),
    [
        (torch.zeros(2, 3, dtype=torch.int32), r"\(N, 4\) int32"),
        (torch.zeros(2, 4), r"\(N, 4\) int32"),
        (torch.tensor([[1, 0, 0, 0], [0, 0, 0, 0]], dtype=torch.int32), "ordered by batch"),
        (torch.tensor([[0, 0, -1, 0]], dtype=torch.int32), "negative"),
    ],
)
def test_bad_coords_are_refused(coords, message):
    with pytest.raises(ValueError, match=message):
        Topology(coords)


def test_batch_rows():
    topology = Topology(random_coords((3, 0, 2), 4), batch_size=4)
    assert topology.offsets == [0, 3, 3, 5, 5]
    assert topology.slices[2] == slice(3, 5)
    per_item = torch.arange(8.0).view(4, 2)
    assert topology.expand(per_item)[:, 0].tolist() == [0, 0, 0, 4, 4]
    single = Topology(random_coords((3,), 4))
    assert single.expand(torch.ones(1, 2)).shape == (3, 2)
    with pytest.raises(ValueError, match="cannot be spread"):
        topology.expand(torch.ones(2, 2))
    with pytest.raises(ValueError, match="batch item 2"):
        Topology(random_coords((3, 0, 2), 4), batch_size=2)


def test_row_order_is_kept_and_tables_are_made_once():
    coords = random_coords((40,), 5)
    topology = Topology(coords)
    assert topology.coords is coords
    assert topology.neighbours is topology.neighbours
    assert topology.coarsen().parents is topology.coarsen().parents
    assert topology.rope_phases(12) is topology.rope_phases(12)
    assert topology.rope_phases(12) is not topology.rope_phases(12, (1.0, 100.0))


def test_tables_made_in_inference_mode_serve_training():
    topology = Topology(random_coords((40,), 5))
    with torch.inference_mode():
        made = [topology.neighbours, topology.coarsen().parent_rows, topology.rope_phases(12)]
    assert not any(table.is_inference() for table in made)


def test_parents_are_ordered_and_hold_their_children():
    coords = random_coords((60, 40), 6)
    link = Topology(coords).coarsen()
    parents = link.parents.coords
    halved = {(b, x // 2, y // 2, z // 2) for b, x, y, z in coords.tolist()}
    assert parents.tolist() == [list(cell) for cell in sorted(halved)]
    for (b, x, y, z), row, slot in zip(
        coords.tolist(), link.parent_rows.tolist(), link.slots.tolist(), strict=True
    ):
        assert parents[row].tolist() == [b, x // 2, y // 2, z // 2]
        assert slot == x % 2 + 2 * (y % 2) + 4 * (z % 2)


def test_children_come_parent_by_parent():
    parents = Topology(torch.tensor([[0, 3, 1, 0], [0, 0, 0, 2]], dtype=torch.int32), 2)
    mask = torch.zeros(2, 8, dtype=torch.bool)
    mask[0, [6, 1]] = True
    mask[1, [0, 7]] = True
    link = parents.subdivide(mask)
    assert link.children.coords.tolist() == [
        [0, 7, 2, 0],
        [0, 6, 3, 1],
        [0, 0, 0, 4],
        [0, 1, 1, 5],
    ]
    assert link.children.batch_size == 2
    assert torch.equal(link.mask, mask)
    with pytest.raises(ValueError, match="subdivision mask"):
        parents.subdivide(mask[:1])


def test_subdividing_undoes_coarsening():
    link = Topology(random_coords((50, 30), 6)).coarsen()
    again = link.parents.subdivide(link.mask)
    assert by_cell(again.children.coords).keys() == by_cell(link.children.coords).keys()


def test_an_empty_grid():
    empty = Topology(torch.zeros(0, 4, dtype=torch.int32), batch_size=1)
    assert empty.offsets == [0, 0]
    assert empty.neighbours.shape == (27, 0)
    assert len(empty.coarsen().parents) == 0
    assert len(empty.subdivide(torch.zeros(0, 8, dtype=torch.bool)).children) == 0


def test_rope_phases():
    topology = Topology(torch.tensor([[0, 2, 0, 5]], dtype=torch.int32))
    phases = topology.rope_phases(14, (2.0, 100.0))
    # two frequencies per axis: 2 and 2 / sqrt(100); one pair is left over
    angles = [4, 0.4, 0, 0, 10, 1, 0]
    expected = torch.tensor([complex(math.cos(a), math.sin(a)) for a in angles])
    torch.testing.assert_close(phases[0], expected.to(torch.complex64))


def test_sparse_tensor():
    a = SparseTensor.from_coords(random_coords((4, 2), 4), torch.randn(6, 3))
    assert a.batch_size == 2 and a.topology.offsets == [0, 4, 6]
    second = a.items()[1]
    assert second.batch_size == 1
    assert torch.equal(second.feats, a.feats[4:])
    assert torch.equal(second.coords[:, 1:], a.coords[4:, 1:])
    assert a.replace(a.feats * 2).topology is a.topology
    assert a.to(dtype=torch.bfloat16).feats.dtype == torch.bfloat16
    with pytest.raises(ValueError, match=r"must be \(6, C\)"):
        a.replace(torch.zeros(5, 3))
