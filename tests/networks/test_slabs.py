"""The finest level in slabs equals the finest level as a whole."""

import pytest
import torch

from engine.networks.sc_vae import ScVaeDecoder, pyramid_of
from engine.sparse import SparseTensor, Topology
from engine.systems.trellis2.networks import build_network
from tests.tolerances import assert_same_maths


@pytest.mark.parametrize("finest_blocks", [0, 1, 3])
@pytest.mark.parametrize("slabs", [1, 2, 5, 100])
@torch.inference_mode()
def test_slabs_equal_the_whole(finest_blocks: int, slabs: int) -> None:
    generator = torch.Generator().manual_seed(finest_blocks)
    args = {
        "out_channels": 7,
        "model_channels": [16, 8],
        "latent_channels": 4,
        "num_blocks": [1, finest_blocks],
        "block_type": ["SparseConvNeXtBlock3d"] * 2,
        "up_block_type": ["SparseResBlockC2S3d"],
    }
    decoder = build_network("FlexiDualGridVaeDecoder", args).to_empty(device="cpu")
    assert isinstance(decoder, ScVaeDecoder)
    for parameter in decoder.parameters():
        parameter.normal_(0, 0.3, generator=generator)
    cells = torch.nonzero(torch.rand(2, 14, 6, 6, generator=generator) < 0.4).int()
    latent = SparseTensor(Topology(cells), torch.randn(len(cells), 4, generator=generator))
    mask = torch.rand(len(cells), 8, generator=generator) - 0.4
    pyramid = pyramid_of(latent.topology, [mask])
    expected = decoder(latent, pyramid).raw

    got = decoder(latent, pyramid, slabs=slabs).raw
    assert got.topology is expected.topology
    assert_same_maths(got.feats, expected.feats, torch.float32)
