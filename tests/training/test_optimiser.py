"""How fast which weights learn."""

import pytest
import torch
from torch import nn

from engine.training.optimiser import parameter_groups


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


def test_a_step_moves_by_the_share() -> None:
    layer = nn.Linear(1000, 1)
    (fast, slow) = parameter_groups(nn.ModuleDict({"a": layer}), 1e-2, 1.0)
    optimiser = torch.optim.AdamW([fast, slow], lr=1e-2, weight_decay=0)
    for group in optimiser.param_groups:
        group["lr"] = 1e-2 * group["share"]
    before = layer.weight.detach().clone(), layer.bias.detach().clone()
    layer(torch.ones(1, 1000)).sum().backward()
    optimiser.step()
    after = layer.weight.detach(), layer.bias.detach()
    moved = [float((b - a).abs().mean()) for b, a in zip(before, after, strict=True)]
    assert moved == [pytest.approx(1e-3, rel=1e-2), pytest.approx(1e-2, rel=1e-2)]
