"""Levels in slabs equal levels as a whole, and so do rows that are done some at a time."""

from typing import Any

import pytest
import torch
from torch import nn

from engine.networks import sc_vae_blocks
from engine.networks.sc_vae import ScVaeDecoder, ScVaeEncoder, pyramid_of
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


@torch.inference_mode()
def test_a_halo_that_is_too_narrow_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    decoder, latent = decoder_of([16, 8], [1, 3]), latent_of(14, 6, 6)
    expected = decoder(latent)
    monkeypatch.setattr("engine.networks.slabs.halo", lambda blocks: 0)
    got = decoder(latent, slabs=lambda level, link: 4)
    assert not torch.allclose(got.raw.feats, expected.raw.feats, atol=1e-3)


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
    encoder = random(
        build_network(
            "FlexiDualGridVaeEncoder",
            {
                "model_channels": [8, 16], "latent_channels": 4, "num_blocks": [1, 1],
                "block_type": [TORSO] * 2, "down_block_type": [DOWN],
            },
        ),
        3, 0.3,
    )  # fmt: skip
    assert isinstance(encoder, ScVaeEncoder)
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
