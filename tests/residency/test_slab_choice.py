"""How many slabs are chosen, and that the plan counts as the decoder does."""

import torch

from engine.residency.slabs import DecoderSize, SlabChoice, walked
from engine.sparse import Topology

PUBLISHED = DecoderSize((1024, 512, 256, 128, 64), (4, 16, 8, 4, 0), 7, 2, 256 << 20)
"""The shape decoder in half precision on CUDA."""
CELLS = [49152 * 43**level // 10**level for level in range(5)]
"""The most tokens of a request, and what usually becomes of them."""


def test_the_fewest_slabs_that_fit() -> None:
    """What fits by a byte is taken, and with a byte less there are more slabs, which take less."""
    room = 1 << 40
    for slabs in (1, 2, 4, 8, 16, 32):
        choice = SlabChoice(PUBLISHED, room)
        assert choice.choose(3, 900_000, 3_900_000, lambda: 768) == slabs
        assert choice.peak <= room
        again = SlabChoice(PUBLISHED, choice.peak)
        assert again.choose(3, 900_000, 3_900_000, lambda: 768) == slabs
        room = choice.peak - 1


def test_every_level_is_cut_where_it_must_be() -> None:
    found = {}
    for gigabytes in (20, 6, 5, 4.5):
        choice = SlabChoice(PUBLISHED, int(gigabytes * 1e9))
        assert walked(choice, CELLS, 96) <= gigabytes * 1e9
        found[gigabytes] = choice.chosen
    assert found == {
        20: [1, 1, 1, 1], 6: [1, 1, 1, 8], 5: [1, 1, 2, 16], 4.5: [1, 1, 4, 32],
    }  # fmt: skip


def test_slabs_are_no_thinner_than_their_halos() -> None:
    choice = SlabChoice(PUBLISHED, 0)
    walked(choice, CELLS, 96)
    # Sixteen blocks see 17 cells to each side, 9 of their parents, and these one more.
    assert choice.chosen == [4, 16, 32, 32]
    choice = SlabChoice(PUBLISHED, 0)
    walked(choice, [400, 1700, 7000, 30000, 120000], 13)
    assert choice.chosen == [1, 2, 4, 16]


def test_a_decoder_asks_with_what_it_has_found() -> None:
    """By counts and lengths of real cells, whichever axis is the long one."""
    size = DecoderSize((16, 8), (0, 0), 7, 4, 1 << 10)
    for shape in ((40, 2, 2), (2, 40, 2), (2, 2, 40)):
        cells = torch.nonzero(torch.ones(1, *shape)).int()
        link = Topology(cells).subdivide(torch.ones(len(cells), 8) > 0)
        asked, planned = SlabChoice(size, 0, beside=5), SlabChoice(size, 0, beside=5)
        assert asked(0, link) == planned.choose(0, 160, 1280, lambda: 40) == 8
        assert asked.peak == planned.peak
        whole = SlabChoice(size, None)
        assert whole(0, link) == 1 and whole.peak > asked.peak


def test_levels_without_cells() -> None:
    link = Topology(torch.zeros(1, 4).int()).subdivide(torch.zeros(1, 8) > 0)
    assert SlabChoice(DecoderSize((16, 8), (0, 0), 7, 4, 1 << 10), 0)(0, link) == 1


def test_things_beside_take_room() -> None:
    choices = []
    for beside in (0, 2 * 10**9):
        choice = SlabChoice(PUBLISHED, 5 * 10**9, beside)
        walked(choice, CELLS, 96)
        choices.append(choice.chosen)
    assert choices[0] != choices[1]


def test_only_the_cells_of_the_last_level_of_an_upsample_are_counted() -> None:
    whole, upsampled = (SlabChoice(PUBLISHED, None) for _ in range(2))
    a = walked(whole, CELLS, 96)
    b = walked(upsampled, CELLS, 96, upsample=True)
    assert b < a and len(upsampled.chosen) == 3
