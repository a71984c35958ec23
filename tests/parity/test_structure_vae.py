"""The dense auto-encoder of the structure against recordings of the reference."""

from pathlib import Path

import pytest
import torch

from engine.networks.structure_vae import StructureDecoder, StructureEncoder
from tests.parity.recorded import case_network, cases, need_tensors, recording
from tests.tolerances import assert_parity


@pytest.fixture(scope="module", params=cases("ss_vae*"))
def folder(request, goldens: Path) -> Path:
    return goldens / request.param


@pytest.fixture(scope="module")
def io(folder: Path):
    return recording(folder / "io.safetensors")


@torch.inference_mode()
def test_encoder(folder: Path, io):
    need_tensors(io, "in.enc_x", "out.enc_mean", "out.enc_logvar")
    encoder = case_network(folder / "encoder")
    assert isinstance(encoder, StructureEncoder)
    mean, logvar = encoder(io["in.enc_x"])
    assert_parity(mean, io["out.enc_mean"], "mean")
    assert_parity(logvar, io["out.enc_logvar"], "logvar")
    for i in range(len(mean)):
        assert_parity(encoder(io["in.enc_x"][i : i + 1])[0], mean[i : i + 1], f"item {i}")


@torch.inference_mode()
def test_decoder_and_everything_on_the_way(folder: Path, io):
    need_tensors(io, "in.dec_x", "out.dec_logits", "out.dec_active_coords")
    decoder = case_network(folder / "decoder")
    assert isinstance(decoder, StructureDecoder)
    heard = {}
    recorded = [name for name in io if name.startswith("mid.dec_")]
    for name in recorded:
        what = name.removeprefix("mid.dec_")
        module = (
            decoder.middle_block if what == "middle" else decoder.blocks[int(what.lstrip("block"))]
        )
        module.register_forward_hook(lambda _m, _i, out, name=name: heard.update({name: out}))
    logits = decoder(io["in.dec_x"])
    for name in recorded:
        assert_parity(heard[name], io[name], name)
    assert_parity(logits, io["out.dec_logits"], "logits")
    occupied = torch.argwhere(logits[:, 0] > 0)
    assert torch.equal(occupied, io["out.dec_active_coords"].long())
    for i in range(len(logits)):
        assert_parity(decoder(io["in.dec_x"][i : i + 1]), logits[i : i + 1], f"item {i}")
