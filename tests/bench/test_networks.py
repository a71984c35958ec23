"""Networks of random weights: every branch at work, made once, in the right dtypes."""

import pytest
import torch

from engine.bench.networks import (
    DECODER_STEMS,
    FLOW_STEMS,
    Reduction,
    facts_of,
    predicting,
    random_network,
)
from engine.bench.scene import decoder_order
from engine.networks.shape_vae import ShapeDecoder
from engine.sparse import SparseTensor, Topology
from protocol.errors import EngineError

SMALL = Reduction(width=96, blocks=1, scale=0.125)
CPU = torch.device("cpu")


@pytest.mark.parametrize("name", [*FLOW_STEMS, *DECODER_STEMS, "sparse_structure_decoder"])
def test_whole_networks_are_the_published_ones(name: str):
    found = Reduction().args(name)
    facts = facts_of(name)
    assert found == (facts.name, dict(facts.args))


@pytest.mark.parametrize("name", [*FLOW_STEMS, *DECODER_STEMS, "sparse_structure_decoder"])
def test_no_branch_is_zero(name: str):
    network = random_network(*SMALL.args(name), device=CPU, torso_dtype=torch.bfloat16)
    for key, weight in network.named_parameters():
        assert weight.device == CPU
        assert not weight.requires_grad
        assert 0 < float(weight.float().abs().mean()) < 2, key
    dtypes = {weight.dtype for weight in network.parameters()}
    assert dtypes == {torch.bfloat16, torch.float32}
    assert not network.training


def test_one_seed_one_network():
    args = SMALL.args("shape_slat_flow_model_512")
    first, again, other = (
        random_network(*args, device=CPU, torso_dtype=torch.float32, seed=s).state_dict()
        for s in (1, 1, 2)
    )
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert not torch.equal(first["input_layer.weight"], other["input_layer.weight"])


def test_a_decoder_predicts_what_it_is_told():
    coords = torch.tensor([[0, x, 3, 5] for x in range(40)], dtype=torch.int32)
    pyramid = decoder_order(Topology(coords))
    decoder = random_network(
        *SMALL.args("shape_slat_decoder"), device=CPU, torso_dtype=torch.float32
    )
    assert isinstance(decoder, ShapeDecoder)
    cells = pyramid[0].parents
    latent = SparseTensor(cells, torch.randn(len(cells), 32))
    with torch.no_grad():
        with predicting(decoder, pyramid):
            cells = decoder.upsample(latent, 4)
        assert torch.equal(cells.coords, pyramid[-1].children.coords)
        assert decoder(latent, pyramid).logits[0].feats.shape == (len(latent), 8)
        assert len(decoder.upsample(latent, 4)) != 40


@pytest.mark.parametrize(
    "values",
    [{"width": 100}, {"width": 0}, {"width": 200}, {"blocks": 0}, {"scale": 1.5}, {"scale": 0}],
)
def test_impossible_reductions(values: dict[str, float]):
    with pytest.raises(EngineError, check=lambda e: e.code == "bench_reduction"):
        Reduction(**values)  # pyright: ignore[reportArgumentType]
    with pytest.raises(EngineError, match=r"A scale of 0\.3"):
        Reduction(scale=0.3).grid(512, 16)
