"""What flow networks do beyond what was recorded: dtypes, wrong input, the published width."""

import json
import math
from pathlib import Path
from typing import TypeVar

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from engine.networks.dit import FlowConfig
from engine.networks.latent_flow import LatentFlow
from engine.networks.structure_flow import StructureFlow
from engine.networks.structure_vae import StructureDecoder, StructureDecoderConfig, pixel_shuffle
from engine.sparse.tensor import SparseTensor
from engine.systems.trellis2.networks import build_network, load_network
from engine.weights.manifest import manifests
from tests.checkpoints.tiny import FLOW_ARGS
from tests.tolerances import assert_same_maths

Flow = TypeVar("Flow", LatentFlow, StructureFlow)


def random_flow(kind: type[Flow], **changes) -> Flow:
    torch.manual_seed(1)
    flow = kind(FlowConfig(**{**FLOW_ARGS, **changes})).requires_grad_(False)
    for parameter in flow.parameters():
        parameter.normal_(std=0.2)
    return flow


def cells(*counts: int, size: int = 4) -> Tensor:
    generator = torch.Generator().manual_seed(2)
    rows = []
    for item, count in enumerate(counts):
        flat = torch.randperm(size**3, generator=generator)[:count].sort().values
        xyz = torch.stack([flat // size**2, flat // size % size, flat % size], dim=1)
        rows.append(torch.cat([torch.full((count, 1), item), xyz], dim=1))
    return torch.cat(rows).int()


def latent(*counts: int, channels: int = 4) -> SparseTensor:
    coords = cells(*counts)
    generator = torch.Generator().manual_seed(3)
    return SparseTensor.from_coords(coords, torch.randn(len(coords), channels, generator=generator))


@torch.inference_mode()
@pytest.mark.parametrize("share_mod", [True, False])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_a_half_precision_torso_stays_near_and_gives_float32(dtype: torch.dtype, share_mod: bool):
    flow = random_flow(LatentFlow, share_mod=share_mod)
    x, t, cond = latent(9, 5), torch.tensor([400.0, 900.0]), torch.randn(2, 6, 8)
    expected = flow(x, t, cond).feats
    flow.set_torso_dtype(dtype)
    v = flow(x, t, cond).feats
    assert v.dtype == torch.float32
    assert_same_maths(v, expected, dtype)
    assert_same_maths(flow(x, t, flow.prepare(cond)).feats, expected, dtype)


@torch.inference_mode()
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_a_half_precision_structure_decoder(dtype: torch.dtype):
    torch.manual_seed(4)
    decoder = StructureDecoder(StructureDecoderConfig(1, 4, 1, [8, 4]))
    z = torch.randn(1, 4, 3, 3, 3)
    expected = decoder(z)
    decoder.set_torso_dtype(dtype)
    logits = decoder(z)
    assert logits.dtype == torch.float32
    assert_same_maths(logits, expected, dtype)


@torch.inference_mode()
def test_one_timestep_serves_the_whole_batch():
    flow = random_flow(StructureFlow)
    x, cond = torch.randn(2, 4, 2, 2, 2), torch.randn(2, 6, 8)
    one, two = flow(x, torch.tensor([700.0]), cond), flow(x, torch.tensor([700.0] * 2), cond)
    assert_same_maths(one, two, torch.float32)


@torch.inference_mode()
def test_the_published_base_of_rotations_can_be_changed_in_the_sparse_network_only():
    x, t, cond = latent(9), torch.tensor([500.0]), torch.randn(1, 6, 8)
    sparse = [random_flow(LatentFlow, rope_freq=f) for f in ((1.0, 10000.0), (2.0, 50.0))]
    assert not torch.allclose(sparse[0](x, t, cond).feats, sparse[1](x, t, cond).feats)
    dense = [random_flow(StructureFlow, rope_freq=f) for f in ((1.0, 10000.0), (2.0, 50.0))]
    assert torch.equal(*(flow.get_buffer("rope_phases") for flow in dense))


@torch.inference_mode()
def test_a_zero_picture_is_only_short_when_it_is_zero_everywhere():
    flow = random_flow(LatentFlow)
    cond = torch.zeros(2, 6, 8)
    cond[1, 3, 2] = 1e-3
    assert not any(isinstance(entry, Tensor) for entry in flow.prepare(cond).blocks)


def test_gradients_flow_to_every_parameter():
    flow = random_flow(LatentFlow).requires_grad_(True)
    flow(latent(9, 5), torch.tensor([400.0, 900.0]), torch.randn(2, 6, 8)).feats.sum().backward()
    assert all(p.grad is not None and bool(p.grad.abs().sum() > 0) for p in flow.parameters())


@torch.inference_mode()
def test_a_batch_is_its_items_one_by_one():
    flow = random_flow(LatentFlow)
    x, t, cond = latent(9, 5), torch.tensor([400.0, 900.0]), torch.randn(2, 6, 8)
    lengths = [cond[0], torch.randn(4, 8)]
    for pictures in (cond, lengths):
        together = flow(x, t, pictures).feats
        alone = [flow(x.items()[i], t[i : i + 1], [pictures[i]]).feats for i in range(2)]
        assert_same_maths(together, torch.cat(alone), torch.float32)


@pytest.mark.parametrize("kind", [LatentFlow, StructureFlow])
def test_checkpointing_changes_no_gradient_and_keeps_less(kind: type[Flow]):
    flow = random_flow(kind).requires_grad_(True)
    x = latent(9, 5) if kind is LatentFlow else torch.randn(2, 4, 2, 2, 2)
    t, cond = torch.tensor([400.0, 900.0]), torch.randn(2, 6, 8)
    gradients: list[list[Tensor]] = []
    kept: list[int] = []
    for flow.checkpointing in (False, True):
        sizes: list[int] = []

        def keep(tensor: Tensor, sizes: list[int] = sizes) -> Tensor:
            sizes.append(tensor.numel())
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            v = flow(x, t, cond)
        v = v.feats if isinstance(v, SparseTensor) else v
        gradients.append(list(torch.autograd.grad(v.square().sum(), list(flow.parameters()))))
        kept.append(sum(sizes))
    assert all(torch.equal(a, b) for a, b in zip(*gradients, strict=True))
    assert kept[1] < 0.6 * kept[0]


def test_input_that_does_not_fit():
    dense, sparse = random_flow(StructureFlow), random_flow(LatentFlow)
    t, cond = torch.tensor([500.0]), torch.randn(1, 6, 8)
    good = torch.randn(1, 4, 2, 2, 2)
    dense(good, t, cond)
    for x, t_wrong, cond_wrong in [
        (torch.randn(1, 4, 2, 2, 3), t, cond),
        (torch.randn(1, 5, 2, 2, 2), t, cond),
        (good, torch.tensor([1.0, 2.0]), cond),
        (good, t, torch.randn(2, 6, 8)),
        (good, t, torch.randn(1, 6, 9)),
        (good, t, torch.randn(1, 0, 8)),
        (good, t, random_flow(StructureFlow, num_blocks=1).prepare(cond)),
    ]:
        with pytest.raises(ValueError, match=r"fit|go with|another network"):
            dense(x, t_wrong, cond_wrong)
    with pytest.raises(ValueError, match="5 channels"):
        sparse(latent(9, channels=5), t, cond)
    with pytest.raises(ValueError, match="other cells"):
        sparse(latent(9, channels=2), t, cond, latent(8, channels=2))


def test_pixel_shuffle_puts_the_axes_in_order():
    # channel = 8 c + 4 i + 2 j + k with i along x: two cells, one channel.
    x = torch.arange(16.0).reshape(8, 2).reshape(1, 8, 2, 1, 1)
    out = pixel_shuffle(x)[0, 0]
    for cell in range(2):
        for i in range(2):
            for j in range(2):
                for k in range(2):
                    assert out[2 * cell + i, j, k] == x[0, 4 * i + 2 * j + k, cell, 0, 0]


@pytest.mark.slow
@torch.inference_mode()
def test_the_published_width_loads_and_runs_in_bfloat16_on_the_cpu(tmp_path: Path):
    """Blocks of the published width, written here, through the loader and one step."""
    facts = manifests()["microsoft/TRELLIS.2-4B"].networks[
        "ckpts/slat_flow_img2shape_dit_1_3B_1024_bf16"
    ]
    # All 30 blocks are alike; their 2.6 GB would take minutes to write and read.
    args = dict(facts.args) | {"num_blocks": 2}
    flow = build_network(facts.name, args, torso_dtype=torch.bfloat16)
    assert isinstance(flow, LatentFlow)
    flow = flow.to_empty(device="cpu")
    # A short repeating pattern: drawing so many numbers would take longer than using them.
    pattern = torch.randn(4099, generator=torch.Generator().manual_seed(5))
    for name, parameter in flow.named_parameters():
        repeats = math.ceil(parameter.numel() / len(pattern))
        scale = 1.0 if "gamma" in name or "norm" in name else parameter.shape[-1] ** -0.5
        values = (scale * pattern).to(parameter.dtype).repeat(repeats)[: parameter.numel()]
        parameter.copy_(values.view(parameter.shape))
    blocks = sum(p.numel() * p.element_size() for p in flow.blocks.parameters())
    assert blocks * facts.args["num_blocks"] / 2 < 2.75e9
    save_file(flow.state_dict(), tmp_path / "flow.safetensors")
    (tmp_path / "flow.json").write_text(json.dumps({"name": facts.name, "args": args}))
    del flow
    loaded = load_network(tmp_path / "flow", torso_dtype=torch.bfloat16)
    assert isinstance(loaded, LatentFlow)
    coords = cells(300, size=16)
    x = SparseTensor.from_coords(coords, torch.randn(300, 32))
    v = loaded(x, torch.tensor([500.0]), torch.randn(1, 64, 1024)).feats
    (tmp_path / "flow.safetensors").unlink()
    assert v.shape == (300, 32)
    assert bool(torch.isfinite(v).all())
    assert float(v.std()) > 0
