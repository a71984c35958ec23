"""Levels in slabs equal levels as a whole, and so do rows that are done some at a time."""

from typing import Any

import pytest
import torch
from torch import nn

from engine.networks import sc_vae_blocks
from engine.networks.sc_vae import Encoded, ScVaeDecoder, ScVaeEncoder, pyramid_of
from engine.networks.slabs import halo
from engine.sparse import SparseTensor, Topology
from engine.systems.trellis2.networks import build_network
from tests.tolerances import assert_same_maths

TORSO, UP, DOWN = "SparseConvNeXtBlock3d", "SparseResBlockC2S3d", "SparseResBlockS2C3d"


def random(network: nn.Module, seed: int, scale: float) -> Any:
    network = network.to_empty(device="cpu")
    generator = torch.Generator().manual_seed(seed)
    for parameter in network.parameters():
        parameter.data.normal_(0, scale, generator=generator)
    return network


def decoder_of(widths: list[int], blocks: list[int], scale: float = 0.3) -> ScVaeDecoder:
    args = {
        "out_channels": 7,
        "model_channels": widths,
        "latent_channels": 4,
        "num_blocks": blocks,
        "block_type": [TORSO] * len(widths),
        "up_block_type": [UP] * (len(widths) - 1),
    }
    return random(build_network("FlexiDualGridVaeDecoder", args), blocks[-1], scale)


def encoder_of(widths: list[int], blocks: list[int], scale: float = 0.3) -> ScVaeEncoder:
    args = {
        "model_channels": widths,
        "latent_channels": 4,
        "num_blocks": blocks,
        "block_type": [TORSO] * len(widths),
        "down_block_type": [DOWN] * (len(widths) - 1),
    }
    return random(build_network("FlexiDualGridVaeEncoder", args), blocks[0], scale)


def latent_of(*size: int) -> SparseTensor:
    generator = torch.Generator().manual_seed(5)
    cells = torch.nonzero(torch.rand(2, *size, generator=generator) < 0.4).int()
    return SparseTensor(Topology(cells), torch.randn(len(cells), 4, generator=generator))


@pytest.mark.parametrize("finest_blocks", [0, 1, 3])
@pytest.mark.parametrize("slabs", [1, 2, 5, 100])
@pytest.mark.parametrize("size", [(14, 6, 6), (5, 6, 17)])
@torch.inference_mode()
def test_slabs_equal_the_whole(size: tuple[int, ...], finest_blocks: int, slabs: int) -> None:
    decoder, latent = decoder_of([16, 8], [1, finest_blocks]), latent_of(*size)
    mask = torch.rand(len(latent), 8, generator=torch.Generator().manual_seed(1)) - 0.4
    pyramid = pyramid_of(latent.topology, [mask])
    expected = decoder(latent, pyramid).raw

    got = decoder(latent, pyramid, slabs=lambda level, link: slabs).raw
    assert got.topology is expected.topology
    assert_same_maths(got.feats, expected.feats, torch.float32)


@pytest.mark.parametrize("slabs", [(3, 1, 1), (1, 4, 1), (2, 3, 5), (1, 1, 100)])
@torch.inference_mode()
def test_every_level_finds_the_same_cells_in_slabs(slabs: tuple[int, ...]) -> None:
    """Cells that a decoder predicts itself, in slabs of any level: exactly, in float32."""
    decoder, latent = decoder_of([32, 16, 8, 8], [1, 2, 1, 0], 0.2), latent_of(9, 5, 5)
    expected = decoder(latent)
    asked: list[tuple[int, int]] = []

    def choice(level: int, link: Any) -> int:
        asked.append((level, len(link.children)))
        return slabs[level]

    got = decoder(latent, slabs=choice)
    assert asked == [(n, len(link.children)) for n, link in enumerate(expected.pyramid)]
    assert asked[-1][1] > 4 * len(latent)
    for a, b in zip(got.pyramid, expected.pyramid, strict=True):
        assert torch.equal(a.children.coords, b.children.coords)
    for a, b in zip(got.logits, expected.logits, strict=True):
        assert 0.1 < (b.feats > 0).float().mean() < 0.9
        assert_same_maths(a.feats, b.feats, torch.float32)
    assert_same_maths(got.raw.feats, expected.raw.feats, torch.float32)
    cells = decoder.upsample(latent, 3, slabs=choice)
    assert torch.equal(cells.coords, expected.pyramid[-1].children.coords)


def voxels_of(*items: torch.Tensor) -> SparseTensor:
    """Random features on the cells of each batch item."""
    cells = torch.cat(
        [torch.nn.functional.pad(item, (1, 0), value=n) for n, item in enumerate(items)]
    )
    generator = torch.Generator().manual_seed(7)
    return SparseTensor(Topology(cells.int()), torch.randn(len(cells), 6, generator=generator))


def some_of(*size: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(sum(size))
    return torch.nonzero(torch.rand(*size, generator=generator) < 0.4)


AWKWARD = {
    "one cell": voxels_of(torch.tensor([[9, 0, 3]])),
    "nothing between two ends": voxels_of(
        torch.cat([some_of(6, 7, 5), some_of(5, 5, 7) + torch.tensor([3, 2, 90])])
    ),
    "a thin plate": voxels_of(some_of(61, 1, 23)),
    "two items far apart": voxels_of(
        some_of(7, 20, 5), some_of(3, 9, 9) + torch.tensor([1, 40, 0])
    ),
    "in no order": voxels_of(some_of(33, 8, 8).flip(0)),
}


@pytest.mark.parametrize("slabs", [2, 4, 8])
@pytest.mark.parametrize("cells", AWKWARD)
@torch.inference_mode()
def test_an_encoder_in_slabs_gives_what_the_whole_does(cells: str, slabs: int) -> None:
    encoder, x = encoder_of([16, 32, 32, 32], [0, 1, 3, 1], 0.2), AWKWARD[cells]
    expected = encoder.encode(x)
    asked: list[tuple[int, int]] = []

    def choice(level: int, link: Any) -> int:
        asked.append((level, len(link.children)))
        return slabs

    got = encoder.encode(x, slabs=choice)
    assert asked == [(n, len(link.children)) for n, link in enumerate(expected.pyramid[::-1])]
    same_encoded(got, expected)
    assert got.mean.feats.std() > 0.01  # else nothing would have been compared
    assert [link.children._kept for link in got.pyramid] == [{}] * 3
    one_only = encoder.encode(x, slabs=lambda level, link: slabs if level == 1 else 1)
    same_encoded(one_only, expected)


def same_encoded(got: Encoded, expected: Encoded) -> None:
    for a, b in zip(got.pyramid, expected.pyramid, strict=True):
        assert torch.equal(a.parents.coords, b.parents.coords)
        assert torch.equal(a.places, b.places)
    assert got.mean.topology is got.pyramid[0].parents
    assert_same_maths(got.mean.feats, expected.mean.feats, torch.float32)
    assert_same_maths(got.logvar.feats, expected.logvar.feats, torch.float32)


@torch.inference_mode()
def test_an_encoder_of_nothing_is_not_cut() -> None:
    nothing = SparseTensor(Topology(torch.zeros(0, 4).int(), 2), torch.zeros(0, 6))
    got = encoder_of([8, 16], [1, 1]).encode(nothing, slabs=lambda level, link: 4)
    assert got.mean.feats.shape == (0, 4) and got.mean.batch_size == 2


@pytest.mark.parametrize("blocks", [0, 1, 2, 3])
@torch.inference_mode()
def test_a_halo_is_as_wide_as_it_must_be(blocks: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """By one parent less at each side the values are others, both ways."""
    x = voxels_of(some_of(40, 6, 6))
    encoder, decoder = encoder_of([8, 16], [blocks, 1]), decoder_of([16, 8], [1, blocks])
    whole = encoder.encode(x)
    latent = SparseTensor(whole.mean.topology, whole.mean.feats)
    decoded = decoder(latent, whole.pyramid).raw.feats

    def apart() -> tuple[float, float]:
        mean = encoder.encode(x, slabs=lambda level, link: 4).mean.feats
        raw = decoder(latent, whole.pyramid, slabs=lambda level, link: 4).raw.feats
        return float((mean - whole.mean.feats).abs().max()), float((raw - decoded).abs().max())

    assert max(apart()) < 1e-4
    monkeypatch.setattr("engine.networks.slabs.halo", lambda blocks: halo(blocks) - 1)
    assert min(apart()) > 1e-3


@torch.inference_mode()
def test_slabs_let_go_of_neighbours_above() -> None:
    decoder, latent = decoder_of([32, 16, 8], [1, 1, 1]), latent_of(9, 5, 5)
    pyramid = decoder(latent, slabs=lambda level, link: 1 + level).pyramid
    assert [link.parents._kept for link in pyramid] == [{}, {}]
    assert pyramid[-1].children._kept == {}
    again = decoder(latent, pyramid)
    assert len(again.raw) == len(pyramid[-1].children)


def test_some_rows_at_a_time_give_what_all_give(monkeypatch: pytest.MonkeyPatch) -> None:
    """With gradients all rows are done at once; without, in chunks, here of a few rows."""
    decoder, latent = decoder_of([16, 8], [2, 1]), latent_of(6, 6, 6)
    encoder = encoder_of([8, 16], [1, 1])
    inside = SparseTensor(latent.topology, torch.randn(len(latent), 6))
    for network in (decoder, encoder):
        network.requires_grad_(True)
    wanted = decoder(latent)
    mean = encoder.encode(inside).mean.feats
    assert wanted.raw.feats.requires_grad and mean.requires_grad
    monkeypatch.setattr(sc_vae_blocks, "CHUNK_BYTES_CPU", 3000)
    monkeypatch.setattr(sc_vae_blocks, "FEWEST_ROWS_CPU", 1)
    before = latent.feats.clone()
    with torch.no_grad():
        got = decoder(latent, wanted.pyramid)
        assert_same_maths(got.raw.feats, wanted.raw.feats, torch.float32)
        assert_same_maths(encoder.encode(inside).mean.feats, mean, torch.float32)
    assert torch.equal(latent.feats, before)
