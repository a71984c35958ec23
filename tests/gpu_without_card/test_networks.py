"""Every network computes on a CUDA device without a tensor of the host slipping in.

Flows, structure VAE and DINOv3 in their published widths and dtypes, with fewer blocks; the others
as they are trained or smaller. What depends on values cannot run on fake tensors and is done
beforehand: which cells exist, their neighbours, and which children survive (``fake_topology``).
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode, unset_fake_temporarily

from engine.bench.networks import FLOW_STEMS, STRUCTURE_DECODER, Reduction
from engine.host.machine import working_dtypes
from engine.networks.dinov3 import DinoV3
from engine.networks.scaled_linear import (
    STORED,
    Scheme,
    Stored,
    block_linears,
    finish_rotations,
    place_scaled,
)
from engine.sparse import SparseTensor, Topology, conv_torch
from engine.systems.trellis2.networks import build_network
from tests.gpu_without_card.card import (
    CUDA,
    fake_of,
    fake_pyramid,
    fake_topology,
    on_card,
    pretended_card,
)

CELLS = 9600
"""Of a shape at 1024."""
KERNELS = {"varlen": ((9, 0), True), "sdpa": ((7, 5), False), "plain": ((6, 1), False)}
"""Attention -> the card and torch that it is chosen for."""
LEVELS: dict[str, Any] = {
    "model_channels": [32, 32, 16],
    "latent_channels": 4,
    "num_blocks": [1, 1, 1],
    "block_type": ["SparseConvNeXtBlock3d"] * 3,
}
DECODER = LEVELS | {"up_block_type": ["SparseResBlockC2S3d"] * 2}
ENCODER = LEVELS | {
    "model_channels": [16, 32, 32],
    "down_block_type": ["SparseResBlockS2C3d"] * 2,
}


@pytest.fixture(params=KERNELS)
def card(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    capability, flash = KERNELS[request.param]
    with pretended_card(monkeypatch, capability, flash=flash) as mode:
        yield mode


@pytest.fixture
def newest(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeTensorMode]:
    with pretended_card(monkeypatch, flash=True) as mode:
        yield mode


def empty(*shape: int) -> Tensor:
    return torch.empty(shape, device=CUDA)


def is_on_card(x: Tensor, *shape: int, dtype: torch.dtype = torch.float32) -> None:
    assert (x.shape, x.device, x.dtype) == (shape, CUDA, dtype)


def published(name: str, dtype: torch.dtype) -> Any:
    return on_card(lambda: build_network(*Reduction(blocks=6).args(name), torso_dtype=dtype))


@pytest.mark.parametrize("name", FLOW_STEMS)
@torch.inference_mode()
def test_flows(name: str, card: FakeTensorMode) -> None:
    flow = published(name, working_dtypes(CUDA)[0])
    config = flow.config
    picture = flow.prepare(empty(1, 1029, config.cond_channels), zero_shortcut=False)
    nothing = flow.prepare_zeros(1)
    t = torch.full((1,), 700.0, device=CUDA)
    if name == "sparse_structure_flow_model":
        x: Any = empty(1, config.in_channels, *[config.resolution] * 3)
        shape = (1, config.out_channels, *x.shape[2:])
    else:
        x = SparseTensor(fake_topology(grid_of(CELLS)), empty(CELLS, config.in_channels))
        shape = (CELLS, config.out_channels)
    for v in (flow(x, t, picture), flow(x, t, nothing), *flow.both(x, t, picture, nothing)):
        is_on_card(v.feats if isinstance(v, SparseTensor) else v, *shape)


@pytest.mark.parametrize(("scheme", "group"), [*((scheme, 0) for scheme in STORED), ("int8", 256)])
@torch.inference_mode()
def test_flow_with_weights_of_one_byte(scheme: Scheme, group: int, newest: FakeTensorMode) -> None:
    flow = published("sparse_structure_flow_model", torch.bfloat16)
    config = flow.config
    layers = block_linears(flow)
    assert len(layers) == 7 * len(flow.blocks)
    place_scaled(flow, dict.fromkeys(layers, Stored(scheme, group)))
    finish_rotations(flow, CUDA)
    shape = (1, config.in_channels, *[config.resolution] * 3)
    condition = flow.prepare(empty(1, 1029, config.cond_channels), zero_shortcut=False)
    v = flow(empty(*shape), torch.full((1,), 700.0, device=CUDA), condition)
    is_on_card(v, 1, config.out_channels, *shape[2:])


def grid_of(count: int) -> Topology:
    """A topology of real cells, as ``fake_topology`` needs it."""
    numbers = np.arange(count, dtype=np.int32)
    rows = [0 * numbers, numbers // 576, numbers // 24 % 24, numbers % 24]
    return real_topology(np.stack(rows, axis=1))


def real_topology(coords: Any) -> Topology:
    with unset_fake_temporarily():
        return Topology(torch.from_numpy(np.array(coords, np.int32)))


@torch.inference_mode()
def test_a_batch_of_different_lengths_with_positions_added(card: FakeTensorMode) -> None:
    args = dict(Reduction(width=128, blocks=2).args("tex_slat_flow_model_512")[1])
    flow: Any = on_card(lambda: build_network("SLatFlowModel", args | {"pe_mode": "ape"}))
    cells = real_topology([[0, 0, 0, 0], [1, 0, 0, 1], [1, 0, 1, 0]])
    channels = flow.config.in_channels // 2
    x, shape = (SparseTensor(fake_topology(cells), empty(3, channels)) for _ in "ab")
    tokens = [empty(7, flow.config.cond_channels), empty(9, flow.config.cond_channels)]
    condition = flow.prepare(tokens, zero_shortcut=False)
    v = flow(x, empty(2), condition, shape)
    is_on_card(v.feats, 3, flow.config.out_channels)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
@torch.inference_mode()
def test_structure_vae(dtype: torch.dtype, newest: FakeTensorMode) -> None:
    decoder = published(STRUCTURE_DECODER, dtype)
    channels = decoder.config.latent_channels
    is_on_card(decoder(empty(1, channels, 16, 16, 16)), 1, 1, 64, 64, 64)
    args = {"in_channels": 1, "latent_channels": 8, "num_res_blocks": 2, "channels": [32, 64]}
    encoder = on_card(lambda: build_network("SparseStructureEncoder", args, torso_dtype=dtype))
    for part in encoder(empty(2, 1, 16, 16, 16)):
        is_on_card(part, 2, 8, 8, 8, 8)


@torch.inference_mode()
def test_dinov3(newest: FakeTensorMode) -> None:
    from transformers import DINOv3ViTConfig, DINOv3ViTModel

    config = DINOv3ViTConfig(
        hidden_size=1024, num_hidden_layers=2, num_attention_heads=16, num_register_tokens=4
    )

    def make() -> DinoV3:
        with torch.device("meta"):
            return DinoV3(DINOv3ViTModel(config))

    is_on_card(on_card(make)(empty(1, 3, 512, 512)), 1, 1029, 1024)


@pytest.mark.parametrize("trunk", [False, True])
@torch.inference_mode()
def test_small_image_encoder(trunk: bool, newest: FakeTensorMode) -> None:
    encoder: Any = on_card(lambda: build_network("SmallImageEncoder", {"trunk": trunk}))
    patches = (encoder.config.image_size // 16) ** 2
    tokens = encoder(empty(2, 3, encoder.config.image_size, encoder.config.image_size))
    is_on_card(tokens, 2, patches + encoder.config.grid**3, encoder.config.model_channels)


@torch.inference_mode()
def test_text_encoder(newest: FakeTensorMode) -> None:
    encoder: Any = on_card(lambda: build_network("SmallTextEncoder", {}))
    states = empty(2, 9, encoder.config.text_channels)
    there = torch.empty(2, 9, dtype=torch.bool, device=CUDA)
    tokens = encoder(states, there)
    is_on_card(tokens, 2, encoder.config.num_tokens, encoder.config.model_channels)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
@torch.inference_mode()
def test_sc_vaes(dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    """The encoder, and both decoders along its pyramid; 16 channels go by row, more by direction.

    Not on fake tensors: slabs, pruning and a decoder's own predictions, which make cells out of
    values. Nor the first pass over cells, which finds their neighbours: it goes over real tensors.
    """
    for table in ("ROW_CHUNK", "DIRECTION_CHUNK"):  # those of CUDA, since tables depend on them
        monkeypatch.setattr(conv_torch, table, {})
    coords = torch.nonzero(torch.rand(2, 9, 9, 9, generator=torch.Generator()) < 0.2).int()
    cells = Topology(coords)

    def passes(cells: Topology, pyramid: Any, put: Any, dtype: torch.dtype) -> Any:
        def network(name: str, args: dict[str, Any]) -> Any:
            if put is empty:
                return on_card(lambda: build_network(name, args, torso_dtype=dtype))
            network = build_network(name, args, torso_dtype=dtype).to_empty(device="cpu")
            return network.requires_grad_(False).eval()

        encoder = network("FlexiDualGridVaeEncoder", ENCODER)
        edges = torch.zeros(len(cells), 3, dtype=torch.bool, device=cells.device)
        encoded = encoder(cells, put(len(cells), 3), edges)
        pyramid = pyramid or encoded.pyramid
        latent = SparseTensor(pyramid[0].parents, put(len(encoded.mean), 4))
        shape = network("FlexiDualGridVaeDecoder", DECODER)(latent, pyramid, prune=False)
        args = DECODER | {"out_channels": 6, "pred_subdiv": False}
        decoder = network("SparseUnetVaeDecoder", args)
        material = decoder(latent, pyramid, prune=False)
        network("SparseUnetVaeEncoder", ENCODER | {"in_channels": 6})(material.raw)
        return encoded, shape, material

    real, _, _ = passes(cells, None, torch.zeros, torch.float32)
    with pretended_card(monkeypatch):
        pyramid = fake_pyramid(real.pyramid)
        encoded, shape, material = passes(fake_topology(cells), pyramid, empty, dtype)
        is_on_card(encoded.mean.feats, len(real.mean), 4)
        is_on_card(shape.dual_vertices, len(cells), 3)
        is_on_card(shape.intersected, len(cells), 3, dtype=torch.bool)
        is_on_card(material.attributes, len(cells), 6)


@torch.inference_mode()
def test_a_tensor_of_the_host_is_seen(newest: FakeTensorMode) -> None:
    flow = published("shape_slat_flow_model_512", torch.bfloat16)
    x = SparseTensor(fake_topology(grid_of(8)), empty(8, flow.config.in_channels))
    condition = flow.prepare(empty(1, 5, flow.config.cond_channels), zero_shortcut=False)
    with pytest.raises(Exception, match="two devices"):
        flow(x, torch.full((1,), 700.0), condition)
    with pytest.raises(Exception, match="_local_scalar_dense"):
        flow.prepare(empty(1, 5, flow.config.cond_channels))
    assert fake_of([1, x.feats])[0] == 1
