"""How fast which weights learn."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from engine.training.loop import train
from engine.training.optimiser import bf16_pays, parameter_groups
from tests.gpu_without_card.card import pretended_card
from tests.training.toy_task import ToyTask, toy_config


def networks() -> nn.ModuleDict:
    return nn.ModuleDict({"a": nn.Linear(10, 3), "b": nn.Linear(1000, 3)})


def test_layers_of_many_inputs_learn_slower() -> None:
    nets = networks()
    groups = parameter_groups(nets, 1e-2, 0.5)
    share = {id(p): group["share"] for group in groups for p in group["params"]}
    a, b = nets["a"], nets["b"]
    assert share[id(a.weight)] == share[id(a.bias)] == share[id(b.bias)] == 1  # 0.5 / 10 > lr
    assert share[id(b.weight)] == pytest.approx(0.5 / 1000 / 1e-2)
    assert len(share) == len(list(nets.parameters()))


def test_without_it_there_is_one_group_and_frozen_ones_are_left_out() -> None:
    nets = networks()
    nets["a"].requires_grad_(False)
    (group,) = parameter_groups(nets, 1e-2, None)
    assert group["share"] == 1 and [id(p) for p in group["params"]] == [
        id(p) for p in nets["b"].parameters()
    ]


def test_the_training_moves_each_layer_by_its_share(tmp_path: Path) -> None:
    """Adam's first step is as long as the rate, so that the weights show it."""
    task = WideTask()
    weight, bias = (value.detach().clone() for value in task.layer.parameters())
    config = toy_config(lr=1e-2, lr_times_inputs=1.0, steps=1, warmup_steps=0, weight_decay=0.0)
    train(task, config, tmp_path, device=torch.device("cpu"))
    moved = [
        float((after - before).detach().abs().mean())
        for before, after in ((weight, task.layer.weight), (bias, task.layer.bias))
    ]
    assert moved == [pytest.approx(1e-3, rel=1e-2), pytest.approx(1e-2, rel=1e-2)]


class WideTask(ToyTask):
    """A layer of 1,000 inputs that shall put out as little as it can."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(1000, 1)
        self.networks = nn.ModuleDict({"layer": self.layer})

    def batch(self, random: np.random.Generator) -> Tensor:
        return torch.ones(1, 1000)

    def loss(self, batch: Tensor, generator: torch.Generator) -> tuple[Tensor, dict[str, float]]:
        return self.layer(batch).sum(), {}


@pytest.mark.parametrize(("found", "pays"), [("AVX2", False), ("AVX512", True)])
def test_bfloat16_is_left_alone_where_it_is_emulated(
    monkeypatch: pytest.MonkeyPatch, found: str, pays: bool
) -> None:
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: found)
    assert bf16_pays(torch.device("cpu")) is pays


@pytest.mark.parametrize(("capability", "pays"), [((7, 5), False), ((8, 0), True)])
def test_bfloat16_is_left_alone_by_cards_without_units_for_it(
    monkeypatch: pytest.MonkeyPatch, capability: tuple[int, int], pays: bool
) -> None:
    with pretended_card(monkeypatch, capability):
        assert bf16_pays(torch.device("cuda")) is pays
