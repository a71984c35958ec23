"""The recipe of the embedded model, cut down: toys to a checkpoint that generates."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from engine.checkpoints.tensors import read_what_fits
from engine.networks import text_encoder
from engine.networks.efficientnet_lite import EfficientNetLite0
from engine.residency.models import Models
from engine.systems.opening import load_checkpoint
from engine.systems.trellis2 import work
from engine.systems.trellis2.networks import build_network
from engine.systems.trellis2.routes import offer_of, qualities
from engine.training import evaluate
from engine.training.data import words
from engine.training.embedded import train_embedded
from engine.training.encode_all import encode_assets
from engine.training.publish import CKPTS, save_network
from engine.training.recipe import EMBEDDED, LATENTS, Bar, Paths
from engine.training.saved import saved_states
from engine.training.tasks import table
from protocol.errors import EngineError

CONFIGS = Path(__file__).parents[2] / "configs" / "embedded"
CPU = torch.device("cpu")
RECIPE = replace(
    EMBEDDED,
    toys="toybox:3-6",  # the last is held out
    settings=replace(EMBEDDED.settings, views=2),
    more_views=2,
    # The one is reached at once, the other never.
    bars={"shape_vae": Bar(0.0, 2), "material_vae": Bar(99.0, 2)},
)
STAGES = (
    *("shape_vae", "material_vae", "material_vae_2", "structure_vae"),
    *("image_encoder", "text_encoder"),
    *RECIPE.flows,
)


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> Paths:
    folder = tmp_path_factory.mktemp("embedded")
    for stage in {stage.removesuffix("_2") for stage in STAGES}:
        config = json.loads((CONFIGS / f"{stage}.json").read_text())
        _cut(config)
        (folder / f"{stage}.json").write_text(json.dumps(config))
    return Paths(folder, folder / "data", folder / "out")


def _cut(config: dict[str, Any]) -> None:
    config.update(steps=2, warmup_steps=1)
    options = config["options"]
    least = {"batch_size": 2, "most_voxels": 5000, "view": 2}
    options |= {name: value for name, value in least.items() if name in options}
    for level in options.get("levels", []):
        level["batch_size"] = 2
    for network in config["networks"].values():
        network["args"].pop("trunk", None)  # its weights come with a package
        if "num_heads" in network["args"]:
            network["args"]["num_blocks"] = 1


def _same_for_all(texts: list[str]) -> tuple[Tensor, Tensor]:
    """Stands for the sentence encoder, which comes with a package."""
    return torch.ones(len(texts), 3, 384), torch.ones(len(texts), 3).bool()


@pytest.fixture(scope="module", autouse=True)
def no_package() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for place in (words, text_encoder):
            patch.setattr(place, "sentence_states", _same_for_all)
        patch.setattr(work, "model_folder", lambda: Path())
        yield


@pytest.fixture(scope="module")
def trained(paths: Paths) -> tuple[Path, list[str]]:
    """What ships, and what was told of in which order."""
    told: list[str] = []
    # A stop after the first toy, and the same command again.
    assert train_embedded(paths, RECIPE, device=CPU, stop=lambda: True) is None
    assert len(list((paths.data / "assets").iterdir())) < 4
    shipped = train_embedded(paths, RECIPE, device=CPU, watch=lambda stage, *_: told.append(stage))
    assert shipped is not None
    return shipped, list(dict.fromkeys(told))


def test_every_stage_is_trained_until_it_reaches_its_bar(
    paths: Paths, trained: tuple[Path, list[str]]
) -> None:
    told = trained[1]
    assert [stage for stage in told if stage in STAGES] == list(STAGES)
    assert "shape_vae_2" not in told
    for stage in STAGES:
        assert saved_states(paths.out / stage / "states")[-1].name == "step-0000002.pt"
    costs = json.loads((paths.out / "costs.json").read_text())
    assert costs.keys() == {"data", "more_views", *STAGES}


def test_what_is_done_is_not_done_again(paths: Paths, trained: tuple[Path, list[str]]) -> None:
    told: list[str] = []
    again = train_embedded(paths, RECIPE, device=CPU, watch=lambda stage, *_: told.append(stage))
    assert again == trained[0] and not {*told} & {*STAGES}


def test_what_ships_is_a_checkpoint_of_pictures_and_words(
    trained: tuple[Path, list[str]],
) -> None:
    folder, _ = trained
    models = Models(load_checkpoint(folder, offline=True))
    assert offer_of(models).factor == 8
    assert qualities(offer_of(models)) == {"draft": "64", "standard": "128", "high": "128"}
    assert models.has("text_encoder")
    assert not (folder / CKPTS / "material_encoder.json").exists()
    assert sum(path.stat().st_size for path in folder.rglob("*.*")) < 40_000_000


@pytest.mark.parametrize(("view", "told"), [(3, False), (0, True)])
def test_it_generates_held_out_toys_from_pictures_and_words(
    paths: Paths,
    trained: tuple[Path, list[str]],
    monkeypatch: pytest.MonkeyPatch,
    view: int,
    told: bool,
) -> None:
    monkeypatch.setattr(evaluate, "POINTS", 200)  # of rags, to which distances are slow
    found = evaluate.evaluate_checkpoint(
        trained[0], paths.checkpoint, paths.data, count=1, type="64", view=view, words=told
    )
    ((family, scores),) = found.values()
    assert 0 <= scores.reconstruction <= 1 and 0 < scores.material_psnr < 30
    assert 0 <= scores.color_error <= 1
    assert f"| {family} | 1 |" in evaluate.table_of(found)


def test_latents_of_other_encoders_are_refused(
    paths: Paths, trained: tuple[Path, list[str]]
) -> None:
    del trained
    folder = paths.data / "latents" / LATENTS
    assert {"tokens_3", "tokens_text", "captions_0"} <= {file.stem for file in folder.iterdir()}
    mark = folder / "encoders.json"
    before = mark.read_text()
    mark.write_text(before.replace("a", "b"))
    try:
        with pytest.raises(EngineError) as caught:
            encode_assets(paths, RECIPE, device=CPU)
    finally:
        mark.write_text(before)
    assert caught.value.code == "latents_other"


def test_it_began_with_the_weights_that_ship(paths: Paths, trained: tuple[Path, list[str]]) -> None:
    """Two steps of warm-up move nothing far. The decoders' last layers may be fitted anew."""
    del trained
    for stage in RECIPE.warm - {"text_encoder", "shape_flow_64", "texture_flow_64"}:
        state = torch.load(saved_states(paths.out / stage / "states")[-1], weights_only=True)
        for name, network in paths.config(stage).networks.items():
            file = paths.ships / CKPTS / f"{name}.safetensors"
            if not file.exists():
                continue
            first = read_what_fits(build_network(network.name, network.args, device="cpu"), file)
            assert first
            for key, tensor in first.items():
                if "output_layer" not in key:
                    moved = (state["average"][f"{name}.{key}"] - tensor).abs().max()
                    assert float(moved) < 0.01, (name, key)


def test_the_next_training_begins_with_all_of_it(
    paths: Paths, trained: tuple[Path, list[str]]
) -> None:
    shipped, _ = trained
    for stage in RECIPE.warm:
        config = replace(paths.config(stage), warm_start=str(shipped))
        task = table.make_task(config, paths.data, CPU)
        for name in config.networks:
            file = shipped / CKPTS / f"{name}.safetensors"
            if file.exists():  # all but the structure encoder
                _are_equal(task.networks[name], read_what_fits(task.networks[name], file))


def test_a_trunk_that_ships_needs_no_package(
    paths: Paths,
    trained: tuple[Path, list[str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    del trained
    config = paths.config("image_encoder")
    network = config.networks["image_encoder"]
    network = replace(network, args={**network.args, "trunk": True})
    config = replace(config, networks={"image_encoder": network}, warm_start=str(tmp_path))
    of_package = EfficientNetLite0().state_dict()
    monkeypatch.setattr(table, "trunk_weights", lambda: of_package)
    encoder = table.make_task(config, paths.data, CPU).networks["image_encoder"]
    assert isinstance(encoder.trunk, nn.Module)
    _are_equal(encoder.trunk, of_package)
    save_network(tmp_path, "image_encoder", network, encoder.state_dict(), torch.float32)
    monkeypatch.setattr(table, "trunk_weights", lambda: pytest.fail("the package was asked"))
    again = table.make_task(config, paths.data, CPU).networks["image_encoder"]
    _are_equal(again, encoder.state_dict())
    assert isinstance(again.trunk, nn.Module)
    assert not any(parameter.requires_grad for parameter in again.trunk.parameters())


def _are_equal(network: nn.Module, wanted: dict[str, Tensor]) -> None:
    found = network.state_dict()
    assert found.keys() == wanted.keys()
    for name, tensor in wanted.items():
        assert torch.equal(found[name], tensor), name
