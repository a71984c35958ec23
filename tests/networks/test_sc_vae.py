"""The SC-VAE networks without recordings: published sizes, dtypes, guides, refusals."""

import pytest
import torch

from engine.networks.material_vae import (
    MaterialDecoder,
    MaterialDecoderConfig,
    MaterialEncoder,
    MaterialEncoderConfig,
)
from engine.networks.sc_vae import pyramid_of
from engine.networks.shape_vae import (
    ShapeDecoder,
    ShapeDecoderConfig,
    ShapeEncoder,
    ShapeEncoderConfig,
)
from engine.sparse import SparseTensor, Topology
from tests.sparse.grids import random_coords
from tests.tolerances import assert_same_maths

PUBLISHED_UP = {
    "model_channels": [1024, 512, 256, 128, 64],
    "latent_channels": 32,
    "num_blocks": [4, 16, 8, 4, 0],
    "block_type": ["SparseConvNeXtBlock3d"] * 5,
    "block_args": [{}] * 5,
    "up_block_type": ["SparseResBlockC2S3d"] * 4,
}
PUBLISHED_DOWN = {
    "model_channels": [64, 128, 256, 512, 1024],
    "latent_channels": 32,
    "num_blocks": [0, 4, 8, 16, 4],
    "block_type": ["SparseConvNeXtBlock3d"] * 5,
    "block_args": [{}] * 5,
    "down_block_type": ["SparseResBlockS2C3d"] * 4,
}
SMALL_UP = {
    "model_channels": [32, 16, 16],
    "latent_channels": 4,
    "num_blocks": [1, 1, 0],
    "block_type": ["SparseConvNeXtBlock3d"] * 3,
    "up_block_type": ["SparseResBlockC2S3d"] * 2,
}
SMALL_DOWN = {
    "model_channels": [16, 16, 32],
    "latent_channels": 4,
    "num_blocks": [0, 1, 1],
    "block_type": ["SparseConvNeXtBlock3d"] * 3,
    "down_block_type": ["SparseResBlockS2C3d"] * 2,
}


def randomised(network):
    """Fresh residual branches are zero, which would hide mistakes."""
    generator = torch.Generator().manual_seed(0)
    for parameter in network.parameters():
        fan_in = parameter[0].numel() if parameter.ndim > 1 else 25
        parameter.data = torch.randn(parameter.shape, generator=generator) / fan_in**0.5
    return network.eval()


def a_latent(counts=(20, 10), dtype=torch.float32):
    topology = Topology(random_coords(counts, 4))
    generator = torch.Generator().manual_seed(1)
    return SparseTensor(topology, torch.randn(len(topology), 4, generator=generator).to(dtype))


@pytest.mark.parametrize(
    ("build", "tensors", "parameters"),
    [
        (lambda: ShapeDecoder(ShapeDecoderConfig(**PUBLISHED_UP)), 292, 474_231_463),
        (
            lambda: MaterialDecoder(
                MaterialDecoderConfig(**PUBLISHED_UP, out_channels=6, pred_subdiv=False)
            ),
            284,
            474_216_006,
        ),
        (lambda: ShapeEncoder(ShapeEncoderConfig(**PUBLISHED_DOWN)), 284, 354_385_392),
        (lambda: MaterialEncoder(MaterialEncoderConfig(**PUBLISHED_DOWN)), 284, 354_385_392),
    ],
)
def test_published_sizes(build, tensors, parameters):
    with torch.device("meta"):
        state = build().state_dict()
    assert len(state) == tensors
    assert sum(tensor.numel() for tensor in state.values()) == parameters


@torch.inference_mode()
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_torso(dtype):
    latent = a_latent()
    decoder = randomised(ShapeDecoder(ShapeDecoderConfig(**SMALL_UP)))
    exact = decoder(latent)
    decoder.set_torso_dtype(dtype)
    state = decoder.state_dict()
    assert state["blocks.0.0.conv.weight"].dtype == dtype
    assert state["blocks.0.1.to_subdiv.weight"].dtype == dtype
    for name in ("from_latent.weight", "output_layer.bias", "blocks.0.0.norm.weight"):
        assert state[name].dtype == torch.float32
    # guided, because a logit near 0 may fall on the other side in another dtype
    rough = decoder(latent, exact.pyramid)
    assert rough.raw.feats.dtype == torch.float32
    assert_same_maths(rough.raw.feats, exact.raw.feats, dtype)


@torch.inference_mode()
def test_predictions_guide_to_the_same_cells():
    latent = a_latent()
    decoder = randomised(ShapeDecoder(ShapeDecoderConfig(**SMALL_UP)))
    decoded = decoder(latent)
    assert 0 < len(decoded.raw) < 64 * len(latent)
    again = decoder(latent, pyramid_of(latent.topology, [x.feats for x in decoded.logits]))
    assert torch.equal(again.raw.coords, decoded.raw.coords)
    assert torch.equal(again.raw.feats, decoded.raw.feats)
    assert torch.equal(decoder.upsample(latent, 2).coords, decoded.raw.coords)
    assert ((decoded.dual_vertices > -0.5) & (decoded.dual_vertices < 1.5)).all()
    assert (decoded.split_weight > 0).all()


@torch.inference_mode()
def test_a_batch_item_without_survivors():
    decoder = randomised(ShapeDecoder(ShapeDecoderConfig(**SMALL_UP)))
    latent = a_latent()
    masks = torch.ones(30, 8)
    masks[:20] = -1
    first = latent.topology.subdivide(masks > 0)
    guide = (first, first.children.subdivide(torch.ones(80, 8) > 0))
    decoded = decoder(latent, guide)
    assert decoded.raw.topology.offsets == [0, 0, 640]
    nothing = decoder(latent, pyramid_of(latent.topology, [-torch.ones(30, 8), torch.ones(0, 8)]))
    assert nothing.raw.feats.shape == (0, 7)
    assert nothing.raw.batch_size == 2


def test_training_reaches_every_weight():
    topology = Topology(random_coords((60,), 8))
    encoder = randomised(ShapeEncoder(ShapeEncoderConfig(**SMALL_DOWN)))
    decoder = randomised(ShapeDecoder(ShapeDecoderConfig(**SMALL_UP)))
    generator = torch.Generator().manual_seed(2)
    vertices = torch.rand(60, 3, generator=generator)
    encoded = encoder(topology, vertices, vertices > 0.5)
    latent = encoded.mean.replace(encoded.mean.feats + (0.5 * encoded.logvar.feats).exp())
    decoded = decoder(latent, encoded.pyramid)
    assert torch.equal(decoded.raw.coords, topology.coords)
    loss = decoded.raw.feats.square().mean()
    (loss + sum(logits.feats.square().mean() for logits in decoded.logits)).backward()
    for network in (encoder, decoder):
        for name, parameter in network.named_parameters():
            assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


def test_guides_that_do_not_fit():
    material = MaterialDecoder(MaterialDecoderConfig(**SMALL_UP, out_channels=6, pred_subdiv=False))
    latent = a_latent()
    with pytest.raises(ValueError, match="needs a guide"):
        material(latent)
    with pytest.raises(ValueError, match="needs a guide"):
        material.upsample(latent, 1)
    all_of = torch.ones(30, 8)
    with pytest.raises(ValueError, match="1 levels, the decoder subdivides 2"):
        material(latent, pyramid_of(latent.topology, [all_of]))
    other = Topology(random_coords((20, 10), 4, seed=9))
    with pytest.raises(ValueError, match="another latent"):
        material(latent, pyramid_of(other, [all_of, torch.ones(240, 8)]))
    with pytest.raises(ValueError, match="1 to 2, not 3"):
        ShapeDecoder(ShapeDecoderConfig(**SMALL_UP)).upsample(latent, 3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"num_blocks": [1, 1]}, "same length"),
        ({"block_type": ["SparseResBlock3d"] * 3}, "'SparseResBlock3d' is not known"),
        ({"up_block_type": ["SparseResBlockUpsample3d"] * 2}, "Upsample3d' is not known"),
        ({"model_channels": [32, 10, 16]}, "cannot lead from"),
        ({"out_channels": 6}, "7 channels"),
    ],
)
def test_descriptions_that_make_no_network(change, message):
    with pytest.raises(ValueError, match=message):
        ShapeDecoder(ShapeDecoderConfig(**(SMALL_UP | change)))
