"""MaterialEncoder and MaterialDecoder against recordings of the reference."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from engine.models.sc_vae import pyramid_of
from engine.sparse import SparseTensor
from tests.parity.sc_vae_cases import cells, load_case, same_cells
from tests.tolerances import assert_parity

CASE = "tex_vae"


@pytest.fixture(scope="module")
def case(goldens: Path):
    folders = sorted(folder for folder in goldens.glob(f"{CASE}*") if folder.is_dir())
    if not folders:
        pytest.skip(f"no {CASE} case in {goldens}")
    return [
        (load_case(folder / "encoder"), load_case(folder / "decoder"), load_file(file))
        for folder in folders
        for file in sorted(folder.glob("io*.safetensors"))
    ]


def recorded_guide(topology, io):
    logits = []
    while f"in.guide_sub{len(logits)}_logits" in io:
        logits.append(io[f"in.guide_sub{len(logits)}_logits"])
    pyramid = pyramid_of(topology, logits)
    for number, link in enumerate(pyramid):
        same_cells(link.parents, io[f"in.guide_sub{number}_coords"], f"guide {number}")
    return pyramid


@torch.inference_mode()
def test_encoder(case):
    for encoder, _, io in case:
        encoded = encoder(SparseTensor(cells(io["in.coords"]), io["in.attrs"]))
        same_cells(encoded.mean, io["out.z_coords"], "latent")
        assert_parity(encoded.mean.feats, io["out.z_mean"], "mean")
        assert_parity(encoded.logvar.feats, io["out.z_logvar"], "logvar")


@torch.inference_mode()
@pytest.mark.parametrize("prune", [True, False])
def test_guided_by_the_shape_decoder(case, prune):
    for _, decoder, io in case:
        latent = SparseTensor(cells(io["out.z_coords"]), io["out.z_mean"])
        guide = recorded_guide(latent.topology, io)
        decoded = decoder(latent, guide, prune=prune)
        same_cells(decoded.raw, io["out.guided_coords"], "finest cells")
        assert_parity(decoded.raw.feats, io["out.guided_feats"], "raw")
        assert_parity(decoded.attributes, io["out.guided_pbr"], "attributes")


@torch.inference_mode()
def test_guided_by_the_encoders_way_back(case):
    for encoder, decoder, io in case:
        topology = cells(io["in.coords"])
        encoded = encoder(SparseTensor(topology, io["in.attrs"]))
        decoded = decoder(encoded.mean, encoded.pyramid)
        assert decoded.raw.topology is topology
        assert_parity(decoded.raw.feats, io["out.cached_feats"], "raw")
