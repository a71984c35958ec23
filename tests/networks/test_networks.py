"""From published names and arguments to our networks."""

import logging

import pytest
import torch

from engine.checkpoints.build import WITHOUT_EFFECT
from engine.networks.latent_flow import LatentFlow
from engine.networks.structure_vae import StructureEncoder
from engine.systems.trellis2.networks import build_network
from tests.checkpoints.test_checkpoint import refused
from tests.checkpoints.tiny import DECODER_ARGS, FLOW_ARGS


def test_unknown_arguments_are_ignored_with_a_line_in_the_log(caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.INFO):
        network = build_network("ElasticSLatFlowModel", {**FLOW_ARGS, "flavour": "sweet"})
    assert isinstance(network, LatentFlow)
    assert [record.message for record in caplog.records] == [
        "ElasticSLatFlowModel: the argument 'flavour' is not used here and is ignored."
    ]


def test_arguments_without_effect_are_no_news(caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.INFO):
        build_network("SLatFlowModel", {**FLOW_ARGS, **dict.fromkeys(WITHOUT_EFFECT, "x")})
    assert not caplog.records


def test_building_takes_no_memory_and_gives_the_policys_dtypes():
    network = build_network("SLatFlowModel", FLOW_ARGS, torso_dtype=torch.bfloat16)
    assert all(parameter.is_meta for parameter in network.parameters())
    assert network.get_parameter("blocks.0.mlp.mlp.0.weight").dtype == torch.bfloat16
    for name in ("blocks.0.norm2.weight", "blocks.0.modulation", "adaLN_modulation.1.weight",
                 "blocks.0.self_attn.q_rms_norm.gamma", "input_layer.weight", "out_layer.weight",
                 "t_embedder.mlp.0.weight"):  # fmt: skip
        assert network.get_parameter(name).dtype == torch.float32, name


def test_modulation_inside_the_blocks_belongs_to_the_torso():
    args = {**FLOW_ARGS, "share_mod": False}
    network = build_network("SLatFlowModel", args, torso_dtype=torch.bfloat16)
    assert network.get_parameter("blocks.0.adaLN_modulation.1.weight").dtype == torch.bfloat16


def test_the_structure_networks_torso_is_their_inner_convolutions():
    network = build_network("SparseStructureDecoder", DECODER_ARGS, torso_dtype=torch.float16)
    halves = {n for n, p in network.named_parameters() if p.dtype == torch.float16}
    assert halves == {
        name
        for name, _ in network.named_parameters()
        if name.startswith(("blocks.", "middle_block.")) and ".conv" in name
    }


def test_the_encoders_head_may_be_a_group_norm():
    args = {"in_channels": 1, "latent_channels": 2, "num_res_blocks": 1, "channels": [32, 64]}
    network = build_network("SparseStructureEncoder", {**args, "norm_type": "group"})
    assert isinstance(network, StructureEncoder)
    network = network.to_empty(device="cpu")
    for parameter in network.parameters():
        torch.nn.init.constant_(parameter, 0.01)
    mean, logvar = network(torch.ones(1, 1, 4, 4, 4))
    assert mean.shape == logvar.shape == (1, 2, 2, 2, 2)


def test_missing_arguments_are_named():
    args = {key: value for key, value in FLOW_ARGS.items() if key != "model_channels"}
    with refused("network_arguments", "SLatFlowModel", "model_channels"):
        build_network("SLatFlowModel", args)


@pytest.mark.parametrize(
    "wrong",
    [
        {"model_channels": "wide"},
        {"model_channels": -24},
        {"model_channels": 25},
        {"num_heads": 8, "pe_mode": "rope"},
        {"num_blocks": None},
        {"pe_mode": "learned"},
        {"rope_freq": 3},
    ],
    ids=str,
)
def test_arguments_that_make_no_sense(wrong: dict):
    with refused("network_arguments", "SparseStructureFlowModel", "cannot be built"):
        build_network("SparseStructureFlowModel", {**FLOW_ARGS, **wrong})


SHAPE_DECODER = {
    "resolution": 256,
    "model_channels": [16, 8],
    "latent_channels": 4,
    "num_blocks": [1, 1],
    "block_type": ["SparseConvNeXtBlock3d"] * 2,
    "block_args": [{}, {}],
    "up_block_type": ["SparseResBlockC2S3d"],
}
SHAPE_ENCODER = {
    **{key: value for key, value in SHAPE_DECODER.items() if key != "up_block_type"},
    "down_block_type": ["SparseResBlockS2C3d"],
}
MATERIAL_DECODER = {**SHAPE_DECODER, "out_channels": 6, "pred_subdiv": False}


@pytest.mark.parametrize(
    ("name", "args", "wrong"),
    [
        ("SLatFlowModel", FLOW_ARGS, {"resolution": 0}),
        ("SLatFlowModel", FLOW_ARGS, {"num_blocks": -1}),
        ("SLatFlowModel", FLOW_ARGS, {"num_blocks": 10**30}),
        ("SLatFlowModel", FLOW_ARGS, {"num_blocks": True}),
        ("SLatFlowModel", FLOW_ARGS, {"mlp_ratio": float("nan")}),
        ("SLatFlowModel", FLOW_ARGS, {"rope_freq": "ab"}),
        ("SLatFlowModel", FLOW_ARGS, {"rope_freq": [1.0]}),
        ("SLatFlowModel", FLOW_ARGS, {"share_mod": "no"}),
        ("SparseStructureDecoder", DECODER_ARGS, {"channels": "84"}),
        ("FlexiDualGridVaeDecoder", SHAPE_DECODER, {"block_args": [1, 2]}),
        ("FlexiDualGridVaeDecoder", SHAPE_DECODER, {"block_args": [{"mlp_ratio": "x"}, {}]}),
        ("FlexiDualGridVaeDecoder", SHAPE_DECODER, {"pred_subdiv": "false"}),
        ("FlexiDualGridVaeDecoder", SHAPE_DECODER, {"voxel_margin": "x"}),
        ("FlexiDualGridVaeDecoder", SHAPE_DECODER, {"out_channels": 6}),
        ("FlexiDualGridVaeEncoder", SHAPE_ENCODER, {"in_channels": 5}),
        ("SparseUnetVaeEncoder", SHAPE_ENCODER, {"in_channels": 5}),
        ("SparseUnetVaeDecoder", MATERIAL_DECODER, {"out_channels": 5}),
    ],
    ids=str,
)
def test_every_argument_is_looked_at(name: str, args: dict, wrong: dict):
    build_network(name, args)
    word = next(iter(wrong)) if name == "SLatFlowModel" else "cannot be built"
    with refused("network_arguments", name, word):
        build_network(name, {**args, **wrong})


def test_levels_may_be_without_blocks():
    build_network("FlexiDualGridVaeDecoder", {**SHAPE_DECODER, "num_blocks": [1, 0]})


def test_a_norm_that_is_not_known():
    with refused("network_arguments", "norm_type"):
        build_network("SparseStructureDecoder", {**DECODER_ARGS, "norm_type": "batch"})
