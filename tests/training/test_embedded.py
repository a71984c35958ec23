"""The recipe of the embedded model, cut down: toys to a checkpoint that generates."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from engine.report import Report
from engine.residency.models import Models
from engine.systems.opening import load_checkpoint
from engine.systems.trellis2.generate import generate
from engine.systems.trellis2.routes import offer_of, qualities
from engine.training import embedded
from engine.training.embedded import (
    AUTO_ENCODERS,
    FLOWS,
    Paths,
    encode_all,
    train_embedded,
)
from engine.training.evaluate import evaluate_checkpoint, table_of
from engine.training.saved import saved_states
from protocol.errors import EngineError
from protocol.jobs import GenerateJob
from protocol.references import File
from protocol.samplers import Sampling

CONFIGS = Path(__file__).parents[2] / "configs" / "embedded"
PICTURE = Path(__file__).parents[2] / "examples" / "mushroom.png"
FEW = Sampling(steps=2)


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> Paths:
    folder = tmp_path_factory.mktemp("embedded")
    for stage in (*AUTO_ENCODERS, *FLOWS):
        config = json.loads((CONFIGS / f"{stage}.json").read_text())
        _cut(config)
        (folder / f"{stage}.json").write_text(json.dumps(config))
    return Paths(folder, folder / "data", folder / "out")


@pytest.fixture(scope="module")
def trained(paths: Paths) -> tuple[Path, list[str]]:
    stages: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(embedded, "TOYS", "toybox:0-17")
        patch.setattr(embedded, "SETTINGS", replace(embedded.SETTINGS, views=2))
        # A stop in the middle of a stage, and the same command again.
        stopped = train_embedded(
            paths, device=torch.device("cpu"), stop=lambda: True,
            watch=lambda stage, done, total: None,
        )  # fmt: skip
        assert stopped is None
        shipped = train_embedded(
            paths, device=torch.device("cpu"),
            watch=lambda stage, done, total: stages.append(stage),
        )  # fmt: skip
    assert shipped is not None
    return shipped, list(dict.fromkeys(stages))


def test_every_stage_is_trained_once_and_leaves_its_states(
    paths: Paths, trained: tuple[Path, list[str]]
) -> None:
    _, stages = trained
    wanted = [stage for stage in (*AUTO_ENCODERS, *FLOWS) if stage in stages]
    assert wanted == [*AUTO_ENCODERS, *FLOWS]
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
    mark = paths.data / "latents" / embedded.LATENTS / "encoders.json"
    before = mark.read_text()
    mark.write_text(before.replace("a", "b"))
    try:
        with pytest.raises(EngineError) as caught:
            encode_all(paths, device=torch.device("cpu"))
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
    for network in config["networks"].values():
        if "num_heads" in network["args"]:
            network["args"]["num_blocks"] = 1
