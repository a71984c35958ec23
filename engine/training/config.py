"""How a training goes: what configs/*.json say, typed."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from protocol.errors import EngineError
from protocol.limits import is_number

ANY_TIME = frozenset({"steps", "save_every", "log_every", "picture_every"})
"""What may differ when a training resumes: how long it takes and how often it tells."""


@dataclass(frozen=True, kw_only=True)
class NetworkConfig:
    """A network by its published class name, as in a checkpoint's ckpts/*.json."""

    name: str
    args: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """One training.

    Args:
        task: a key of ``engine.training.tasks.table.TASKS``.
        networks: what is trained, by the names that the checkpoint gives them.
        options: arguments of the task, by their names.
        start: folder of a checkpoint whose ckpts/<name>.safetensors are the first weights of the
            networks of these names, all of which must be there; None: random ones by the seed.
        warm_start: folder of a checkpoint of similar networks: what has the name and the shape of a
            network's own tensor in its ckpts/<name>.safetensors is the first weight, all else
            begins as usual, as does a network that has no file there.
        frozen: networks of these names keep their first weights, those of ``start``.
        quick_start: the SC-VAE of a material begins as the mean over cells
            (``initialise_as_mean``).
        steps: optimiser steps in all.
        batches_per_step: batches whose gradients are averaged for a step, spread over the ranks; so
            the number of ranks does not change the result.
        seed: of everything: first weights, batches, noise.
        lr: learning rate of AdamW after the warm-up.
        lr_times_inputs: weight matrices learn at this over the number of their inputs, where that
            is less than ``lr`` (``parameter_groups``); None: everything learns at ``lr``.
        warmup_steps: the rate rises linearly for so long.
        final_lr: share of ``lr`` that is left at the last step; it falls as a cosine. 1: constant.
        weight_decay: of AdamW.
        betas: of AdamW.
        ema: decay of the moving average of the weights, which is what gets exported.
        max_grad_norm: gradients longer than this are shortened to it, or to the 95th percentile of
            recent lengths where that is shorter.
        bf16: the losses run under autocast to bfloat16, where the device gains by it.
        gradient_checkpointing: the backward pass computes activations again, to save memory.
        save_every, log_every, picture_every: steps; 0 pictures: none.
    """

    task: str
    networks: Mapping[str, NetworkConfig]
    options: Mapping[str, Any] = field(default_factory=dict)
    start: str | None = None
    warm_start: str | None = None
    frozen: tuple[str, ...] = ()
    quick_start: bool = False
    steps: int
    batches_per_step: int = 1
    seed: int = 0
    lr: float = 1e-4
    lr_times_inputs: float | None = None
    warmup_steps: int = 0
    final_lr: float = 1.0
    weight_decay: float = 0.0
    betas: tuple[float, float] = (0.9, 0.999)
    ema: float = 0.9999
    max_grad_norm: float = 1.0
    bf16: bool = False
    gradient_checkpointing: bool = False
    save_every: int = 500
    log_every: int = 20
    picture_every: int = 0

    def as_json(self) -> dict[str, Any]:
        """The same as JSON values."""
        return json.loads(json.dumps(asdict(self)))


def read_config(path: Path) -> TrainConfig:
    """Read a configuration.

    Raises:
        EngineError: ``train_config``, naming the entry that is wrong.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return config_from_json(content)
    except (OSError, ValueError, RecursionError) as error:
        raise EngineError(
            "train_config",
            f"{path} is not a configuration of a training: {error}.",
            "Take one of configs/ as an example.",
        ) from error


def config_from_json(content: Any) -> TrainConfig:
    """The configuration that JSON values describe.

    Raises:
        ValueError: naming the entry that is wrong.
    """
    if not isinstance(content, dict):
        raise ValueError("it does not hold an object")
    known = {entry.name: entry for entry in fields(TrainConfig)}
    for unknown in sorted(content.keys() - known):
        raise ValueError(f'"{unknown}" is not known')
    for wanted in ("task", "networks", "steps"):
        if wanted not in content:
            raise ValueError(f'"{wanted}" is missing')
    values = dict(content)
    for key, value in content.items():
        kind = known[key].type
        if kind is bool and not isinstance(value, bool):
            raise ValueError(f'"{key}" is not true or false')
        if kind is int and (not isinstance(value, int) or isinstance(value, bool) or value < 0):
            raise ValueError(f'"{key}" is not a whole number from 0')
        if kind in (float, float | None) and not (is_number(value) and value >= 0):
            raise ValueError(f'"{key}" is not a number from 0')
    if values.get("lr", 1) == 0:
        raise ValueError('"lr" must be more than 0')
    if values["steps"] < 1 or values.get("batches_per_step", 1) < 1:
        raise ValueError('"steps" and "batches_per_step" must be at least 1')
    if not isinstance(values["task"], str) or not isinstance(values["networks"], dict):
        raise ValueError('"task" is not a text or "networks" not an object')
    for key in ("start", "warm_start"):
        if not isinstance(values.get(key, ""), str):
            raise ValueError(f'"{key}" is not a text')
    if "start" in values and "warm_start" in values:
        raise ValueError('"start" and "warm_start" exclude each other')
    if "frozen" in values:
        frozen = values["frozen"]
        if not isinstance(frozen, list) or any(name not in values["networks"] for name in frozen):
            raise ValueError('"frozen" is not a list of names out of "networks"')
        values["frozen"] = tuple(frozen)
    if "betas" in values:
        betas = values["betas"]
        if not isinstance(betas, list) or len(betas) != 2 or not all(map(is_number, betas)):
            raise ValueError('"betas" is not a pair of numbers')
        values["betas"] = (betas[0], betas[1])
    values["networks"] = {
        name: _network(name, network) for name, network in values["networks"].items()
    }
    return TrainConfig(**values)


def differences(before: Mapping[str, Any], after: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Sentences on entries of two configurations (JSON values) that are not the same.

    How long a training takes and how often it tells may differ at any time and is left out.
    """
    found: list[str] = []
    usual = {} if prefix else TrainConfig(task="", networks={}, steps=1).as_json()
    for key in sorted(before.keys() | after.keys()):
        # What an older state does not say was as it usually is.
        one, other = (given.get(key, usual.get(key)) for given in (before, after))
        if one == other or (not prefix and key in ANY_TIME):
            continue
        if isinstance(one, dict) and isinstance(other, dict):
            found += differences(one, other, f"{prefix}{key}.")
        else:
            found.append(f"{prefix}{key} was {json.dumps(one)} and is {json.dumps(other)}")
    return found


def _network(name: str, entry: Any) -> NetworkConfig:
    if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
        raise ValueError(f'network "{name}" has no "name"')
    if not isinstance(entry.get("args"), dict) or entry.keys() - {"name", "args"}:
        raise ValueError(f'network "{name}" wants "name" and "args" and nothing else')
    return NetworkConfig(name=entry["name"], args=entry["args"])
