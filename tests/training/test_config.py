"""Configurations of trainings: what is refused, and what belongs together."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from engine.training.config import config_from_json, differences, read_config
from engine.training.tasks.table import make_task
from protocol.errors import EngineError

CONFIGS = Path(__file__).parents[2] / "configs" / "embedded"
CONTENT = {"task": "shape_vae", "networks": {"a": {"name": "A", "args": {}}}, "steps": 1}


def test_frozen_networks_are_named() -> None:
    assert config_from_json({**CONTENT, "frozen": ["a"]}).frozen == ("a",)
    for wrong in (["b"], "a", [1]):
        with pytest.raises(ValueError, match='"frozen" is not a list of names'):
            config_from_json({**CONTENT, "frozen": wrong})


@pytest.mark.parametrize(
    "change", [{"start": None}, {"frozen": ("shape_encoder", "shape_decoder")}]
)
def test_frozen_networks_have_a_start_and_one_learns(change: dict) -> None:
    config = replace(read_config(CONFIGS / "shape_vae.json"), start="there")
    config = replace(config, frozen=("shape_encoder",))
    with pytest.raises(EngineError) as caught:
        make_task(replace(config, **change), Path("nowhere"), torch.device("cpu"))
    assert caught.value.code == "train_config" and "frozen" in caught.value.message


@pytest.mark.parametrize("wrong", [{"lr": 0}, {"lr_times_inputs": "much"}, {"quick_start": 1}])
def test_rates_are_numbers(wrong: dict) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        config_from_json({**CONTENT, **wrong})


def test_a_state_from_before_an_entry_existed_had_its_usual_value() -> None:
    now = config_from_json(CONTENT).as_json()
    old = {key: value for key, value in now.items() if key not in ("frozen", "quick_start")}
    assert differences(old, now) == []
    later = {**now, "quick_start": True}
    assert differences(old, later) == ["quick_start was false and is true"]


@pytest.mark.parametrize(
    ("stage", "other"),
    [
        ("shape_vae", "shape_vae_rendered"),
        ("shape_flow_64", "shape_flow"),
        ("texture_flow_64", "texture_flow"),
    ],
)
def test_stages_that_share_a_checkpoint_describe_the_same_networks(stage: str, other: str) -> None:
    one, two = (read_config(CONFIGS / f"{name}.json").networks for name in (stage, other))
    assert one == two


def test_a_start_is_one_or_the_other() -> None:
    assert config_from_json({**CONTENT, "warm_start": "there"}).warm_start == "there"
    with pytest.raises(ValueError, match='"warm_start" is not a text'):
        config_from_json({**CONTENT, "warm_start": 1})
    with pytest.raises(ValueError, match="exclude each other"):
        config_from_json({**CONTENT, "warm_start": "there", "start": "here"})
