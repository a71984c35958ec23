"""`maquette models quantise`: from a checkpoint to one that takes less, and used as any other."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from engine import embedded
from engine.checkpoints import quantise as module
from engine.checkpoints.int8_weights import to_int8
from engine.cli import app
from engine.networks.scaled_linear import ScaledLinear, Scheme, schemes_of
from engine.report import Report
from engine.residency.models import Models
from engine.systems.opening import load_checkpoint
from engine.systems.trellis2.generate import generate
from protocol.jobs import GenerateJob
from protocol.references import File
from protocol.samplers import Sampling
from tests.checkpoints import tiny
from tests.checkpoints.one_byte_files import one_byte
from tests.systems.trellis2.toy import INPUTS

MUSHROOM = Path(__file__).parents[2] / "examples/mushroom.png"
FLOW = "sparse_structure_flow_model"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MAQUETTE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def folder(tmp_path: Path, home: Path) -> Path:
    return tiny.write_checkpoint(tmp_path / "ours")


def run(*arguments: object):
    return CliRunner().invoke(app, ["models", "quantise", *map(str, arguments)])


def refused(*arguments: object) -> str:
    result = run(*arguments)
    assert result.exit_code == 2, result.output
    return result.stderr


def nothing_left(folder: Path) -> bool:
    return not [path.name for path in folder.parent.iterdir() if path.name.startswith(".maquette")]


@pytest.mark.parametrize(("scheme", "error"), [("int8", 1 / 250), ("fp8", 1 / 15)])
def test_a_copy_is_a_checkpoint(folder: Path, scheme: Scheme, error: float):
    result = run(folder, "--to", scheme)
    made = folder.with_name(f"ours-{scheme}")
    assert result.exit_code == 0 and f"--checkpoint {made}" in result.stdout, result.output
    assert nothing_left(made)
    assert (made / "pipeline.json").read_bytes() == (folder / "pipeline.json").read_bytes()
    checkpoint = load_checkpoint(made, offline=True)
    flow = checkpoint.network(FLOW)
    assert schemes_of(flow) == [scheme]
    whole = dict(load_checkpoint(folder).network(FLOW).named_parameters())
    layers = {n: m for n, m in flow.named_modules() if isinstance(m, ScaledLinear)}
    assert len(layers) == 7 * tiny.FLOW_ARGS["num_blocks"]
    for name, layer in layers.items():
        rows = layer.weight.float() * layer.weight_scale[:, None]
        truth = whole.pop(f"{name}.weight")
        assert float((rows - truth).abs().max()) <= error * float(truth.abs().max())
    same = dict(flow.named_parameters())
    assert all(torch.equal(same[name], truth) for name, truth in whole.items())
    # What is no flow is the same file, not another copy of it.
    decoder = f"{tiny.ELSEWHERE}.safetensors"
    assert (made / decoder).samefile(folder / decoder)
    assert checkpoint.network("sparse_structure_decoder")


def test_files_are_copied_where_no_links_can_be(folder: Path, monkeypatch: pytest.MonkeyPatch):
    def no_links(*_: object, **__: object) -> None:
        raise OSError("not here")

    monkeypatch.setattr(module.os, "link", no_links)
    assert run(folder).exit_code == 0
    decoder = f"{tiny.ELSEWHERE}.safetensors"
    copy = folder.with_name("ours-int8") / decoder
    assert copy.read_bytes() == (folder / decoder).read_bytes()
    assert not copy.samefile(folder / decoder)


def test_weights_that_were_packed_are_made_smaller_too(folder: Path):
    flow = folder / "ckpts/flow.safetensors"
    tensors = load_file(flow)
    packed = to_int8(tensors)
    assert packed.keys() != tensors.keys()
    save_file(packed, flow)
    result = run(folder, "--to", "fp8")
    assert result.exit_code == 0, result.output
    small = load_checkpoint(folder.with_name("ours-fp8")).network(FLOW)
    assert schemes_of(small) == ["fp8"]


def test_what_cannot_be_done_is_said(folder: Path, home: Path, monkeypatch: pytest.MonkeyPatch):
    assert "no kind of weights called 'int4'" in refused(folder, "--to", "int4")
    assert "pipeline.json is not in" in refused(folder.parent)
    assert "nowhere" in refused(folder.parent / "nowhere")
    assert run(folder).exit_code == 0
    made = folder.with_name("ours-int8")
    before = {path: path.stat().st_mtime_ns for path in made.rglob("*")}
    assert "is there already" in refused(folder)
    assert "quantised already" in refused(made, "--to", "fp8")
    assert {path: path.stat().st_mtime_ns for path in made.rglob("*")} == before

    full = type("Usage", (), {"free": 1 << 20})()
    monkeypatch.setattr(module.shutil, "disk_usage", lambda _: full)
    text = refused(folder, "-o", folder.with_name("more"))
    assert "takes up to 0.1 GB, and 0.0 GB are free" in text and "-o" in text
    assert not folder.with_name("more").exists() and nothing_left(folder)


def test_a_flow_that_is_damaged_leaves_nothing_behind(folder: Path):
    flow = folder / "ckpts/flow.safetensors"
    tensors = load_file(flow)
    tensors["blocks.1.mlp.mlp.2.weight"][0, 0] = torch.nan
    save_file(tensors, flow)
    assert "blocks.1.mlp.mlp.2.weight" in refused(folder)
    assert not folder.with_name("ours-int8").exists() and nothing_left(folder)


def test_a_checkpoint_without_flows(folder: Path):
    content = json.loads((folder / "pipeline.json").read_text())
    del content["args"]["models"][FLOW]
    tiny.write_json(folder / "pipeline.json", content)
    assert "has no flows" in refused(folder)


def test_what_is_not_on_this_disk_is_left_out_and_not_fetched(folder: Path):
    (folder / f"{tiny.ELSEWHERE}.safetensors").unlink()
    result = run(folder)
    assert result.exit_code == 0, result.output
    assert "left out: sparse_structure_decoder" in result.stdout
    assert load_checkpoint(folder.with_name("ours-int8"), offline=True).network(FLOW)
    assert "somebody/else is not on this disk" in refused("somebody/else")


@pytest.fixture
def of_others(folder: Path) -> Path:
    """A file of two flows as it is published, whose weights the checkpoint then lacks."""
    flow = folder / "ckpts/flow.safetensors"
    small = one_byte(load_file(flow), "int8", "convrot")
    names = {f"model.structure_model.{name}": tensor for name, tensor in small.items()}
    names |= {f"model.img2shape.{name}": tensor.clone() for name, tensor in small.items()}
    save_file(names, folder.parent / "combined.safetensors")
    flow.unlink()
    return folder.parent / "combined.safetensors"


def test_flows_of_others_are_cut_out_of_their_file(folder: Path, of_others: Path):
    result = run(folder, "--from", of_others, "--part", f"{FLOW}=model.structure_model")
    assert result.exit_code == 0, result.output
    made = folder.with_name("ours-int8")
    flow = load_checkpoint(made, offline=True).network(FLOW)
    assert schemes_of(flow) == ["int8"]
    assert load_file(made / "ckpts/flow.safetensors").keys() == {
        name.removeprefix("model.img2shape.")
        for name in load_file(of_others)
        if name.startswith("model.img2shape.")
    }


def test_which_flow_is_which_is_not_guessed(folder: Path, of_others: Path):
    text = refused(folder, "--from", of_others)
    assert "has model.img2shape, model.structure_model." in text and FLOW in text
    text = refused(folder, "--from", of_others, "--part", f"{FLOW}=model.structure")
    assert "no flow under 'model.structure'" in text and "model.structure_model" in text
    assert "--part" in refused(folder, "--part", f"{FLOW}=model.structure_model")
    assert "not understood" in refused(folder, "--from", of_others, "--part", FLOW)
    assert "'more'" in refused(folder, "--from", of_others, "--part", "more=model.img2shape")
    tensors = load_file(of_others)
    del tensors["model.img2shape.blocks.0.cross_attn.to_q.weight_scale"]
    save_file(tensors, of_others)
    text = refused(folder, "--from", of_others, "--part", f"{FLOW}=model.img2shape")
    assert "without a scale" in text and f"in {of_others} (model.img2shape) is int8" in text
    assert not folder.with_name("ours-int8").exists() and nothing_left(folder)


def test_the_small_model_is_generated_with(home: Path):
    """Its weights are whole numbers with scales already, so that the result is the same."""
    assert run(embedded.FOLDER).exit_code == 0
    few = {"structure": Sampling(steps=3)}
    job = GenerateJob(picture=File(str(MUSHROOM)), type="64", samplers=few)
    made = home / "models/embedded-int8"
    whole, small = (
        generate(job, Models(load_checkpoint(place, offline=True)), Report(), INPUTS)
        for place in (str(embedded.FOLDER), str(made))
    )
    networks = small.recipe["checkpoint"]["networks"]
    assert small.recipe["checkpoint"]["home"] == str(made)
    assert networks[FLOW]["weights"] == "int8" and "weights" not in networks["shape_slat_decoder"]
    assert all(
        "weights" not in network for network in whole.recipe["checkpoint"]["networks"].values()
    )
    for name, latent in whole.latents.items():
        other = small.latents[name]
        assert torch.equal(latent.coords, other.coords)
        torch.testing.assert_close(other.feats, latent.feats, atol=1e-3, rtol=0)
