"""The next network on its way while one runs; the device's copies are played on the CPU."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from engine import session
from engine.report import Cancelled, Report
from engine.residency import models as models_module
from engine.residency.models import Models
from engine.residency.plan import Policy, Use
from engine.residency.prefetch import Prefetch
from engine.residency.streaming import CopyStream
from engine.systems.trellis2.generate import generate
from protocol.errors import EngineError
from protocol.jobs import GenerateJob
from tests.systems.trellis2.test_generate import same_asset
from tests.systems.trellis2.toy import INPUTS, given, picture, toy_models

CPU = torch.device("cpu")
FIRST, SECOND = "shape_slat_flow_model_64", "shape_slat_flow_model_128"
JOB = GenerateJob(picture=given(picture()), type="128_cascade", seed=3)


class PlayedCopies(CopyStream):
    """What a card's stream does, in the order in which it is asked."""

    def __init__(self) -> None:
        super().__init__(CPU)
        self.log: list[str] = []

    def home(self) -> Any:
        self.log.append(f"home of {threading.current_thread().name}")
        return "home"

    def pinned(self, tensor: Tensor) -> Tensor:
        return tensor.clone()

    def send(self, tensors: list[Tensor], home: Any) -> tuple[list[Tensor], Any]:
        assert home == "home"
        self.log.append(f"sent {len(tensors)}")
        return [tensor.clone() for tensor in tensors], f"arrival {len(tensors)}"

    def wait(self, arrived: Any) -> None:
        self.log.append(f"waited for {arrived}")


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    yield
    assert threads() == []


def threads() -> list[str]:
    return [t.name for t in threading.enumerate() if t.name.startswith("prefetch")]


def linear(check: Any) -> nn.Module:
    check()
    return nn.Linear(3, 2)


class Slow:
    """A load that goes on until it is told that nobody wants it."""

    def __init__(self) -> None:
        self.begun = threading.Event()

    def __call__(self, check: Any) -> nn.Module:
        self.begun.set()
        while True:
            check()


def test_a_network_that_is_sent_is_waited_for_by_the_device() -> None:
    copies = PlayedCopies()
    ahead = Prefetch(CPU, copies)
    ahead.begin("a", linear, 32)
    assert (ahead.name, ahead.bytes_there) == ("a", 32)
    assert ahead.take("b") is None
    assert isinstance(ahead.take("a"), nn.Linear)
    # The stream of the work is that of who asks, not of the thread.
    assert copies.log == ["home of MainThread", "sent 2", "waited for arrival 2"]
    assert (ahead.name, ahead.bytes_there) == ("", 0)
    assert ahead.take("a") is None


def test_without_room_it_waits_in_host_memory() -> None:
    copies = PlayedCopies()
    ahead = Prefetch(CPU, copies)
    ahead.begin("a", linear, 0)
    assert ahead.take("a") is not None
    assert copies.log == ["home of MainThread"]


def test_what_is_dropped_frees_its_memory_behind_the_copy() -> None:
    copies = PlayedCopies()
    ahead = Prefetch(CPU, copies)
    ahead.begin("a", linear, 32)
    assert ahead._thread is not None
    ahead._thread.join()
    ahead.drop()
    assert copies.log[-1] == "waited for arrival 2"
    assert ahead._network is None and ahead.take("a") is None


def test_another_one_takes_its_place_at_once() -> None:
    slow, ahead = Slow(), Prefetch(CPU)
    ahead.begin("slow", slow, 0)
    assert slow.begun.wait(10)
    ahead.begin("a", linear, 0)
    assert ahead.take("slow") is None
    assert ahead.take("a") is not None


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_goes_wrong_is_left_to_the_load_that_follows(value: float) -> None:
    def broken(check: Any) -> nn.Module:
        raise EngineError("file_missing", "It is gone.", "Look.")

    def not_finite(check: Any) -> nn.Module:
        network = nn.Linear(3, 2)
        network.weight.data[1, 1] = value
        return network

    ahead = Prefetch(CPU)
    for load in (broken, not_finite):
        ahead.begin("a", load, 8)
        assert ahead.take("a") is None
        assert ahead.bytes_there == 0


def use(models: Models, *names: str) -> list[Use]:
    return [Use(name, 0) for name in names]


def reading_ahead(toy: Path, **more: Any) -> tuple[Models, list[tuple[str, bool]]]:
    """Models of which every load is listed, and whether a thread did it."""
    models = toy_models(toy, ahead=True, **more)
    loads: list[tuple[str, bool]] = []
    load = models.checkpoint.load

    def listed(name: str, **options: Any) -> nn.Module:
        loads.append((name, threading.current_thread() is not threading.main_thread()))
        return load(name, **options)

    models.checkpoint.load = listed  # pyright: ignore[reportAttributeAccessIssue]
    return models, loads


@pytest.mark.parametrize("policy", Policy)
def test_the_next_of_a_plan_is_read_while_one_runs(toy: Path, policy: Policy) -> None:
    models, loads = reading_ahead(toy, policy=policy)
    models.plan(use(models, FIRST, SECOND))
    with models.on_device(FIRST):
        assert models._ahead is not None and models._ahead.name == SECOND
        assert models._ahead.bytes_there == (
            0 if policy is Policy.STREAMED else models.weights(SECOND).whole
        )
    with models.on_device(SECOND) as network:
        assert models._ahead.name == ""
    assert loads == [(FIRST, False), (SECOND, True)]
    assert not network.training
    assert not any(parameter.requires_grad for parameter in network.parameters())


def test_the_budget_holds_with_what_is_on_its_way(toy: Path) -> None:
    sizes = toy_models(toy)
    first, second = sizes.weights(FIRST).whole, sizes.weights(SECOND).whole
    for budget, there in ((first + second + 100, second), (first + second + 99, 0)):
        models, _ = reading_ahead(toy, budget=budget, policy=Policy.SINGLE)
        models.plan([Use(FIRST, 100), Use(SECOND, 100)])
        with models.on_device(FIRST, 100):
            assert models.bytes_on_device == first + there
        with models.on_device(SECOND, 100):
            assert models.bytes_on_device == second
        assert models.peak_bytes == max(first + there, second) + 100 <= budget


def test_what_is_on_its_way_gives_place(toy: Path) -> None:
    """The work of another network than was planned needs the room."""
    models, loads = reading_ahead(toy, budget=1 << 40, policy=Policy.SINGLE)
    other = "tex_slat_flow_model_64"
    sizes = {name: models.weights(name).whole for name in (FIRST, SECOND, other)}
    models.plan(use(models, FIRST, SECOND))
    models.budget = sizes[FIRST] + sizes[SECOND]
    with models.on_device(FIRST):
        assert models.bytes_on_device == models.budget
    with models.on_device(other, models.budget - sizes[other]):
        assert models.bytes_on_device == sizes[other]
    with models.on_device(SECOND):
        pass
    assert loads[0] == (FIRST, False) and loads[-1] == (SECOND, False)


def test_work_that_may_grow_has_the_device_for_itself(toy: Path) -> None:
    models, loads = reading_ahead(toy, policy=Policy.SINGLE)
    models.plan(use(models, FIRST, SECOND))
    with models.on_device(FIRST, grows=True):
        assert models.bytes_on_device == models.weights(FIRST).whole
    with models.on_device(SECOND):
        pass
    assert loads == [(FIRST, False), (SECOND, True)]


def test_nothing_is_read_ahead_where_the_host_has_no_room(
    toy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    models, loads = reading_ahead(toy, budget=1 << 40)
    models.plan(use(models, FIRST, SECOND))
    size = models_module.HOST_SHARE * models.weights(SECOND).whole
    monkeypatch.setattr(models_module.memory, "free_bytes", lambda device: size - 1)
    with models.on_device(FIRST):
        assert models._ahead is not None and models._ahead.name == ""
    assert loads == [(FIRST, False)]


@pytest.mark.parametrize("policy", Policy)
def test_a_request_is_the_same(toy: Path, policy: Policy) -> None:
    expected = generate(JOB, toy_models(toy, policy=policy), Report(), INPUTS)
    models, loads = reading_ahead(toy, policy=policy)
    asset = session.run(JOB, models, Report(), INPUTS)
    if policy is not Policy.STREAMED:  # there copies lie elsewhere, and products with them
        same_asset(asset, expected)
    # The picture encoder, of which a thread knows nothing, comes first: all others are read ahead.
    assert len(loads) >= 6 and all(threaded for _, threaded in loads)


class TooLate(Exception):
    pass


@pytest.mark.parametrize("error", [TooLate, Cancelled, torch.OutOfMemoryError])
def test_work_that_fails_leaves_nothing(toy: Path, error: type[Exception]) -> None:
    """In the middle of the next network, which would never come to an end."""
    models, slow = toy_models(toy, ahead=True), Slow()
    load = models.checkpoint.load

    def loading(name: str, **options: Any) -> nn.Module:
        return slow(options["check"]) if name == SECOND else load(name, **options)

    models.checkpoint.load = loading  # pyright: ignore[reportAttributeAccessIssue]
    models.plan(use(models, FIRST, SECOND))
    with pytest.raises(error), models.on_device(FIRST):
        assert slow.begun.wait(10) and threads() == [f"prefetch {SECOND}"]
        raise error
    assert threads() == []
    assert models.bytes_on_device == models.weights(FIRST).whole
    models.release()
    assert models.bytes_on_device == 0


def test_a_job_that_ends_between_stages_leaves_nothing(
    toy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    models, _ = reading_ahead(toy)

    def between(*_: Any) -> Any:
        assert models._ahead is not None and models._ahead.name != ""
        raise TooLate

    monkeypatch.setattr("engine.systems.trellis2.generate.sample_shape", between)
    with pytest.raises(TooLate):
        session.run(JOB, models, Report(), INPUTS)
    assert threads() == []
    assert models._ahead is not None and models._ahead.name == ""
