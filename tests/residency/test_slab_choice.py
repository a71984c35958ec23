"""How many slabs are chosen, and that the plan counts as the network does."""

from typing import Any

import pytest
import torch

from benchmarks.codec_slabs import Tracked
from engine.networks import sc_vae_blocks
from engine.residency.memory import NEIGHBOUR_BYTES
from engine.residency.slabs import DecoderSize, EncoderSize, SlabChoice, VaeSize, walked
from engine.sparse import SparseTensor, Topology, conv_torch
from tests.networks.test_slabs import decoder_of, encoder_of

DECODER = DecoderSize((1024, 512, 256, 128, 64), (4, 16, 8, 4, 0), 7, 2, 256 << 20)
"""The shape decoder in half precision on CUDA."""
ENCODER = EncoderSize((64, 128, 256, 512, 1024), (0, 4, 8, 16, 4), 6, 2, 256 << 20)
CELLS = [49152 * 43**level // 10**level for level in range(5)]
"""The most tokens of a request, and what usually becomes of them."""


def test_the_fewest_slabs_that_fit() -> None:
    """What fits by a byte is taken, and with a byte less there are more slabs, which take less."""
    room = 1 << 40
    for slabs in (1, 2, 4, 8, 16, 32):
        choice = SlabChoice(DECODER, room)
        assert choice.choose(3, 900_000, 3_900_000, lambda: 768) == slabs
        assert choice.peak <= room
        again = SlabChoice(DECODER, choice.peak)
        assert again.choose(3, 900_000, 3_900_000, lambda: 768) == slabs
        room = choice.peak - 1


def test_every_level_is_cut_where_it_must_be() -> None:
    found = {}
    for gigabytes in (20, 6, 5, 4.5):
        choice = SlabChoice(DECODER, int(gigabytes * 1e9))
        assert walked(choice, CELLS, 96) <= gigabytes * 1e9
        found[gigabytes] = choice.chosen
    assert found == {
        20: [1, 1, 1, 1], 6: [1, 1, 1, 8], 5: [1, 1, 2, 16], 4.5: [1, 1, 4, 32],
    }  # fmt: skip


def test_slabs_are_no_thinner_than_their_halos() -> None:
    choice = SlabChoice(DECODER, 0)
    walked(choice, CELLS, 96)
    # Sixteen blocks see 17 cells to each side, 9 of their parents, and these one more.
    assert choice.chosen == [4, 16, 32, 32]
    choice = SlabChoice(DECODER, 0)
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
        choice = SlabChoice(DECODER, 5 * 10**9, beside)
        walked(choice, CELLS, 96)
        choices.append(choice.chosen)
    assert choices[0] != choices[1]


def test_only_the_cells_of_the_last_level_of_an_upsample_are_counted() -> None:
    whole, upsampled = (SlabChoice(DECODER, None) for _ in range(2))
    a = walked(whole, CELLS, 96)
    b = walked(upsampled, CELLS, 96, upsample=True)
    assert b < a and len(upsampled.chosen) == 3


def test_an_encoder_is_cut_where_it_must_be() -> None:
    """The finest level first, and never the coarsest, from which no way leads on."""
    found = {}
    for gigabytes in (20, 6, 5, 4, 3.5):
        choice = SlabChoice(ENCODER, int(gigabytes * 1e9))
        assert walked(choice, CELLS[::-1], 96) <= gigabytes * 1e9
        found[gigabytes] = choice.chosen
    assert found == {
        20: [1, 1, 1, 1], 6: [4, 1, 1, 1], 5: [8, 1, 1, 1], 4: [16, 4, 1, 1], 3.5: [16, 8, 1, 1],
    }  # fmt: skip


def test_an_encoder_that_fits_by_a_byte_is_whole() -> None:
    whole = walked(SlabChoice(ENCODER, None), CELLS[::-1], 96)
    for room, cut in ((whole, False), (whole - 1, True)):
        choice = SlabChoice(ENCODER, room)
        assert walked(choice, CELLS[::-1], 96) <= room
        assert (max(choice.chosen) > 1) is cut


@pytest.mark.parametrize("shape", [(40, 2, 2), (2, 40, 2), (2, 2, 40)])
def test_an_encoder_asks_with_what_it_has_found(shape: tuple[int, ...]) -> None:
    size = EncoderSize((8, 16), (0, 0), 6, 4, 1 << 10)
    cells = torch.nonzero(torch.ones(1, *(2 * n for n in shape))).int()
    asked, planned = SlabChoice(size, 0, beside=5), SlabChoice(size, 0, beside=5)
    assert asked(0, Topology(cells).coarsen()) == 8
    assert planned.choose(0, 1280, 160, lambda: 40) == 8
    assert asked.peak == planned.peak


def test_neighbours_that_were_let_go_of_are_not_counted_later() -> None:
    cut, free = SlabChoice(ENCODER, None), SlabChoice(ENCODER, None)
    free.choose(0, 4_000_000, 1_000_000, lambda: 300)
    cut.room = 0
    cut.choose(0, 4_000_000, 1_000_000, lambda: 300)
    for choice in (free, cut):
        choice.peak, choice.room = 0, None
        choice.choose(1, 1_000_000, 250_000, lambda: 150)
    assert free.peak - cut.peak == 4_000_000 * NEIGHBOUR_BYTES


@pytest.mark.parametrize("room", [1, 0.5])
@pytest.mark.parametrize("encodes", [True, False])
@torch.inference_mode()
def test_what_is_counted_is_what_tensors_take(
    encodes: bool, room: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the surface of a sphere, whole and in slabs; few rows at a time, for it is small."""
    monkeypatch.setattr(sc_vae_blocks, "CHUNK_BYTES_CPU", 1 << 20)
    monkeypatch.setattr(conv_torch, "DIRECTION_CHUNK", {"cpu": 1024})
    widths, blocks = (32, 64, 128), (0, 1, 1)
    grid = torch.nonzero(torch.ones(1, 80, 80, 80))
    cells = grid[((grid[:, 1:] - 39.5).norm(dim=1) - 38).abs() < 0.7].int()
    encoder = encoder_of(list(widths), list(blocks), 0.1)
    x = SparseTensor(Topology(cells), torch.randn(len(cells), 6))
    encoded = encoder.encode(x)
    network: Any = encoder
    size: VaeSize = EncoderSize(widths, blocks, 6, 4, 1 << 20)
    if not encodes:
        network = decoder_of(list(widths[::-1]), list(blocks[::-1]), 0.1)
        size = DecoderSize(widths[::-1], blocks[::-1], 7, 4, 1 << 20)
    counts = [len(link.children) for link in encoded.pyramid[::-1]]
    counts.append(len(encoded.mean))
    whole = walked(SlabChoice(size, None), counts if encodes else counts[::-1], 20)
    slabs = SlabChoice(size, int(room * whole))
    for link in encoded.pyramid:
        link.forget()
    with Tracked(network) as tracked:
        if encodes:
            encoder.encode(x, slabs=slabs)
        else:
            network(encoded.mean, encoded.pyramid, slabs=slabs)
    assert (max(slabs.chosen) > 1) is (room < 1)
    # Cells, and where a decoder's cells come from, were there before.
    assert 0.7 * slabs.peak < tracked.peak < slabs.peak
