"""The training loop: it learns, resumes exactly, and stops with a reason."""

import errno
import json
from pathlib import Path

import pytest
import torch

from engine.training.loop import STATES, train
from engine.training.saved import saved_states
from protocol.errors import EngineError
from tests.training.toy_task import WANTED, ToyTask, toy_config

CPU = torch.device("cpu")


def equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


def test_it_learns_and_writes_its_log(tmp_path: Path) -> None:
    average = train(ToyTask(), toy_config(steps=200), tmp_path, device=CPU)
    assert torch.allclose(average["linear.weight"], WANTED, atol=0.1)
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == list(range(1, 201))
    assert lines[-1]["loss"] < 0.1 * lines[0]["loss"]
    assert lines[0]["lr"] == pytest.approx(0.1 / 3)
    assert lines[-1]["lr"] == pytest.approx(0.01, rel=0.01)


@pytest.mark.parametrize("stopped_at", [1, 17, 39])
def test_a_stopped_training_goes_on_as_if_it_had_not_been(tmp_path: Path, stopped_at: int) -> None:
    config = toy_config()
    whole = ToyTask()
    average = train(whole, config, tmp_path / "whole", device=CPU)

    done: list[int] = []
    train(
        ToyTask(), config, tmp_path / "parts", device=CPU,
        on_step=lambda step, log: done.append(step),
        stop=lambda: done[-1] == stopped_at,
    )  # fmt: skip
    assert done[-1] == stopped_at
    parts = ToyTask()
    assert equal(train(parts, config, tmp_path / "parts", device=CPU), average)
    assert equal(dict(parts.networks.state_dict()), dict(whole.networks.state_dict()))
    log = (tmp_path / "parts" / "log.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in log] == list(range(1, 41))


def test_only_the_newest_states_are_kept(tmp_path: Path) -> None:
    train(ToyTask(), toy_config(), tmp_path, device=CPU)
    names = [path.name for path in saved_states(tmp_path / STATES)]
    assert names == ["step-0000030.pt", "step-0000040.pt"]


def test_a_loss_that_is_no_number_names_step_and_batch(tmp_path: Path) -> None:
    task = ToyTask()
    task.poison_at = 15
    with pytest.raises(EngineError) as caught:
        train(task, toy_config(), tmp_path, device=CPU)
    assert caught.value.code == "train_not_finite"
    assert "step 14" in caught.value.message and "toy-1, toy-2" in caught.value.message
    assert all(parameter.isfinite().all() for parameter in task.networks.parameters())
    assert [path.name for path in saved_states(tmp_path / STATES)] == ["step-0000010.pt"]


def test_a_state_of_another_configuration_is_refused_with_the_difference(tmp_path: Path) -> None:
    train(ToyTask(), toy_config(steps=5), tmp_path, device=CPU)
    with pytest.raises(EngineError) as caught:
        train(ToyTask(), toy_config(lr=0.2), tmp_path, device=CPU)
    assert caught.value.code == "train_state_other"
    assert "lr was 0.1 and is 0.2" in caught.value.message
    train(ToyTask(), toy_config(steps=8, log_every=2), tmp_path, device=CPU)  # longer is allowed


def test_a_state_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    train(ToyTask(), toy_config(steps=5), tmp_path, device=CPU)
    state = saved_states(tmp_path / STATES)[-1]
    state.write_bytes(state.read_bytes()[:100])
    with pytest.raises(EngineError, match=r"step-0000005\.pt cannot be read"):
        train(ToyTask(), toy_config(steps=8), tmp_path, device=CPU)


def test_a_full_disk_stops_and_the_training_goes_on_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = toy_config()
    average = train(ToyTask(), config, tmp_path / "whole", device=CPU)
    with monkeypatch.context() as patch:
        written = torch.save

        def full(state: dict[str, object], path: Path) -> None:
            if state["step"] == 20:
                path.write_bytes(b"half")
                raise OSError(errno.ENOSPC, "No space left on device")
            written(state, path)

        patch.setattr(torch, "save", full)
        with pytest.raises(EngineError) as caught:
            train(ToyTask(), config, tmp_path / "full", device=CPU)
    assert caught.value.code == "disk_full"
    assert [p.name for p in (tmp_path / "full" / STATES).iterdir()] == ["step-0000010.pt"]
    assert equal(train(ToyTask(), config, tmp_path / "full", device=CPU), average)


def test_batches_of_a_step_are_averaged(tmp_path: Path) -> None:
    one = train(ToyTask(), toy_config(steps=1, ema=0.0), tmp_path / "one", device=CPU)
    two = train(
        ToyTask(), toy_config(steps=1, ema=0.0, batches_per_step=2), tmp_path / "two", device=CPU
    )
    assert not equal(one, two)
