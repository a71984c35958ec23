"""The recipe of the embedded model, cut down: toys to a checkpoint that generates."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from engine.checkpoints.tensors import read_what_fits
from engine.networks import text_encoder
from engine.report import Report
from engine.residency.models import Models
from engine.systems.opening import load_checkpoint
from engine.systems.trellis2 import work
from engine.systems.trellis2.generate import generate
from engine.systems.trellis2.networks import load_network
from engine.systems.trellis2.routes import offer_of, qualities
from engine.training.data import words
from engine.training.embedded import train_embedded
from engine.training.encode_all import encode_assets
from engine.training.evaluate import evaluate_checkpoint, table_of
from engine.training.recipe import EMBEDDED, FINER, LATENTS, Bar, Paths
from engine.training.saved import saved_states
from protocol.errors import EngineError
from protocol.jobs import GenerateJob
from protocol.references import File
from protocol.samplers import Sampling

CONFIGS = Path(__file__).parents[2] / "configs" / "embedded"
PICTURE = Path(__file__).parents[2] / "examples" / "mushroom.png"
FEW = Sampling(steps=2)
RECIPE = replace(EMBEDDED, toys="toybox:0-17", settings=replace(EMBEDDED.settings, views=2))
STAGES = (*EMBEDDED.auto_encoders, "image_encoder", *EMBEDDED.flows)


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> Paths:
    folder = tmp_path_factory.mktemp("embedded")
    for stage in STAGES:
        config = json.loads((CONFIGS / f"{stage}.json").read_text())
        _cut(config)
        (folder / f"{stage}.json").write_text(json.dumps(config))
    return Paths(folder, folder / "data", folder / "out")


@pytest.fixture(scope="module")
def trained(paths: Paths) -> tuple[Path, list[str]]:
    stages: list[str] = []
    # A stop after the first toy, and the same command again.
    stopped = train_embedded(
        paths, RECIPE, device=torch.device("cpu"), stop=lambda: True,
        watch=lambda stage, done, total: None,
    )  # fmt: skip
    assert stopped is None
    assert len(list((paths.data / "assets").iterdir())) < 18
    shipped = train_embedded(
        paths, RECIPE, device=torch.device("cpu"),
        watch=lambda stage, done, total: stages.append(stage),
    )  # fmt: skip
    assert shipped is not None
    return shipped, list(dict.fromkeys(stages))


def test_every_stage_is_trained_once_and_leaves_its_states(
    paths: Paths, trained: tuple[Path, list[str]]
) -> None:
    _, stages = trained
    wanted = [stage for stage in STAGES if stage in stages]
    assert wanted == list(STAGES)
    for stage in wanted:
        assert saved_states(paths.out / stage / "states")[-1].name == "step-0000002.pt"


def test_what_ships_is_a_checkpoint_of_three_qualities(trained: tuple[Path, list[str]]) -> None:
    folder, _ = trained
    models = Models(load_checkpoint(folder, offline=True))
    assert qualities(offer_of(models)) == {"draft": "64", "standard": "128", "high": "128"}
    assert not (folder / "ckpts" / "material_encoder.json").exists()
    assert sum(path.stat().st_size for path in folder.rglob("*.*")) < 40_000_000
    few = {"structure": FEW, "shape": FEW, "texture": FEW}
    job = GenerateJob(picture=File(str(PICTURE)), quality="draft", samplers=few)
    try:
        asset = generate(job, models, Report())
    except EngineError as error:  # two steps of training make no shapes that one can count on
        assert error.code in ("structure_empty", "shape_empty")
    else:
        assert asset.voxels.grid.grid_size == 64


def test_the_decoder_learns_on_with_the_encoder_as_it_was(
    paths: Paths, trained: tuple[Path, list[str]]
) -> None:
    """Latents that a flow has learned stay what they are."""
    del trained
    before, after = (
        torch.load(saved_states(paths.out / stage / "states")[-1], weights_only=True)["average"]
        for stage in ("shape_vae", "shape_decoder")
    )
    for name, tensor in before.items():
        same = torch.equal(tensor.half(), after[name].half())
        if name.startswith("shape_encoder"):
            assert same, name
        elif name == "shape_decoder.output_layer.weight":
            assert not same


def test_latents_of_other_encoders_are_refused(
    paths: Paths, trained: tuple[Path, list[str]]
) -> None:
    del trained
    mark = paths.data / "latents" / LATENTS / "encoders.json"
    before = mark.read_text()
    mark.write_text(before.replace("a", "b"))
    try:
        with pytest.raises(EngineError) as caught:
            encode_assets(paths, RECIPE, device=torch.device("cpu"))
    finally:
        mark.write_text(before)
    assert caught.value.code == "latents_other"


def test_held_out_assets_are_measured(paths: Paths, trained: tuple[Path, list[str]]) -> None:
    del trained
    found = evaluate_checkpoint(paths.shipped, paths.checkpoint, paths.data, count=1)
    ((family, scores),) = found.values()
    assert 0 <= scores.reconstruction <= 1 and 0 < scores.material_psnr < 30
    assert 0 <= scores.color_error <= 1
    assert f"| {family} | 1 |" in table_of(found)


def _cut(config: dict[str, Any]) -> None:
    config.update(steps=2, warmup_steps=1)
    options = config["options"]
    if "batch_size" in options:
        options["batch_size"] = 2
    if "most_voxels" in options:
        options["most_voxels"] = 5000
    for level in options.get("levels", []):
        level["batch_size"] = 2
    if "view" in options:
        options["view"] = 2
    for network in config["networks"].values():
        network["args"].pop("trunk", None)  # its weights come with a package
        if "num_heads" in network["args"]:
            network["args"]["num_blocks"] = 1


@pytest.fixture(scope="module")
def finer_paths(tmp_path_factory: pytest.TempPathFactory, paths: Paths) -> Paths:
    folder = tmp_path_factory.mktemp("finer")
    for stage in (*FINER.auto_encoders, "image_encoder", "text_encoder", *FINER.flows):
        config = json.loads((CONFIGS.parent / "finer" / f"{stage}.json").read_text())
        _cut(config)
        (folder / f"{stage}.json").write_text(json.dumps(config))
    return Paths(folder, paths.data, folder / "out")


@pytest.mark.slow
def test_the_second_edition_begins_with_the_first(
    finer_paths: Paths, trained: tuple[Path, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two rounds where a bar is out of reach, and the latents of the first edition go."""
    del trained
    paths = finer_paths
    bars = {"shape_vae": Bar(0.5, 3), "material_vae": Bar(99.0, 2)}
    recipe = replace(FINER, toys=RECIPE.toys, settings=RECIPE.settings, bars=bars, more_views=2)
    for place in (words, text_encoder):
        monkeypatch.setattr(place, "sentence_states", _same_for_all)
    monkeypatch.setattr(work, "model_folder", lambda: Path())
    shutil.rmtree(paths.data / "latents")
    done: list[str] = []
    shipped = train_embedded(
        paths, recipe, device=torch.device("cpu"), watch=lambda stage, *_: done.append(stage)
    )
    assert shipped is not None
    rounds = [stage for stage in dict.fromkeys(done) if stage.startswith(("shape_v", "material_v"))]
    assert rounds == ["shape_vae", "material_vae", "material_vae_2"]
    # Two steps from where the first edition was: a start at random reaches 0.05.
    assert float((paths.out / "shape_vae" / "figure.json").read_text()) > 0.8
    models = Models(load_checkpoint(shipped, offline=True))
    assert offer_of(models).factor == 8
    assert qualities(offer_of(models)) == {"draft": "64", "standard": "128", "high": "128"}
    costs = json.loads((paths.out / "costs.json").read_text())
    assert costs.keys() == {
        *("data", "more_views", "material_vae_2", "image_encoder", "text_encoder"),
        *(*recipe.auto_encoders, *recipe.flows),
    }
    assert models.has("text_encoder")
    latents = {file.stem for file in (paths.data / "latents" / LATENTS).iterdir()}
    assert {"tokens_3", "tokens_text", "captions_0"} <= latents
    for view, told in ((3, False), (0, True)):
        found = evaluate_checkpoint(
            shipped, paths.checkpoint, paths.data, count=1, view=view, words=told
        )
        assert all(0 <= scores.color_error <= 1 for _, scores in found.values())
    _same_tensors_as_before(paths, "image_encoder")


def _same_for_all(texts: list[str]) -> tuple[torch.Tensor, torch.Tensor]:
    """Stands for the sentence encoder, which comes with a package."""
    return torch.ones(len(texts), 3, 384), torch.ones(len(texts), 3).bool()


def _same_tensors_as_before(paths: Paths, name: str) -> None:
    """Two steps of warm-up move nothing far."""
    network = load_network(paths.checkpoint / "ckpts" / name)
    first = read_what_fits(network, paths.first_edition / "ckpts" / f"{name}.safetensors")
    assert first
    for key, tensor in network.state_dict().items():
        if key in first and tensor.is_floating_point():
            assert float((tensor - first[key]).abs().max()) < 0.01, key
