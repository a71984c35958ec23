"""Passes that are recorded and replayed: places are filled, kinds kept apart, memory given back."""

import gc
import weakref
from contextlib import nullcontext

import pytest
import torch
from torch import Tensor

from engine.host.machine import Hardware
from engine.networks.bound_flow import BoundFlow
from engine.networks.latent_flow import LatentFlow
from engine.networks.structure_flow import StructureFlow
from engine.report import Cancelled, CancelToken
from engine.sampling import GUIDANCE, STEPS, dense_spread, sample, sparse_spread, stepping
from engine.sampling.passes import GRAPH, LAUNCHED, ONE_BATCH, TWO_PASSES
from engine.sampling.recorded import recorded
from engine.sampling.velocity import BOTH, NEGATIVE, POSITIVE, Asked, Passes
from engine.sparse import SparseTensor
from engine.sparse.backends import preferring
from protocol.samplers import SamplerParams
from tests.networks.test_flow import latent, random_flow
from tests.sampling.tape import TapeRecorder, taping
from tests.tolerances import assert_same_maths

CPU = torch.device("cpu")
PARAMS = SamplerParams(
    steps=9, guidance_strength=5.0, guidance_rescale=0.5, guidance_interval=(0.5, 1), rescale_t=2.0
)


def pull(x: Tensor, time: Tensor, asked: Asked) -> tuple[Tensor, ...]:
    return tuple((1.5 if positive else 0.4) * torch.sin(x) + time / 1000 for positive in asked)


def sparse_flow() -> tuple[BoundFlow, Tensor]:
    start = latent(9)
    flow = random_flow(LatentFlow)
    return BoundFlow(flow, conditions(flow), start.replace), start.feats


def dense_flow() -> tuple[BoundFlow, Tensor]:
    flow = random_flow(StructureFlow, pe_mode="ape", share_mod=False)
    x = torch.randn(1, 4, 2, 2, 2, generator=torch.Generator().manual_seed(5))
    return BoundFlow(flow, conditions(flow)), x


def conditions(flow: LatentFlow | StructureFlow) -> dict[bool, object]:
    tokens = torch.randn(1, 6, 8, generator=torch.Generator().manual_seed(6))
    return {True: flow.prepare(tokens), False: flow.prepare_zeros(1)}


def samples(passes: Passes, x: Tensor, guidance: str, recorder: TapeRecorder | None) -> Tensor:
    with (
        taping(recorder) if recorder else nullcontext(),
        stepping(passes, CPU, guidance=GUIDANCE.backends[guidance]) as velocity,
    ):
        spread = dense_spread if x.ndim > 2 else sparse_spread([0, len(x)])
        for step in sample(velocity, x, PARAMS, spread=spread):
            x = step.x
    return x


@pytest.mark.parametrize("flow", [sparse_flow, dense_flow])
@torch.inference_mode()
def test_one_batch_and_recordings_change_no_sample(flow) -> None:
    passes, noise = flow()
    expected = samples(passes, noise, TWO_PASSES, None)
    together = samples(passes, noise, ONE_BATCH, None)
    assert_same_maths(together, expected, torch.float32)
    for guidance, plain in ((TWO_PASSES, expected), (ONE_BATCH, together)):
        recorder = TapeRecorder()
        replayed = samples(passes, noise, guidance, recorder)
        # Each kind is rehearsed, then recorded; the rest is replayed.
        assert sorted(recorder.heard) == ["record"] * 2 + ["rehearse"] * 2 + ["release"]
        assert torch.equal(replayed, plain)


@torch.inference_mode()
def test_what_is_not_in_a_place_of_its_own_is_frozen() -> None:
    """The tape sees what a graph would get wrong: a number of Python in the recorded part."""
    steps = iter(range(100))

    def frozen(x: Tensor, time: Tensor, asked: Asked) -> tuple[Tensor, ...]:
        number = next(steps)
        return tuple(torch.sin(x) * torch.full((1,), 1.0 + number) for _ in asked)

    calls = [(float(t), POSITIVE) for t in range(4)]
    found = run_all(frozen, calls, TapeRecorder())
    x = torch.sin(torch.ones(3))
    assert [round(float((v / x)[0])) for v in found] == [1, 2, 2, 2]


def run_all(
    passes: Passes, calls: list[tuple[float, Asked]], recorder: TapeRecorder
) -> list[Tensor]:
    """The first velocity of each call, all at the same state."""
    with recorded(passes, lambda _: recorder) as velocity:
        return [velocity(torch.ones(3), t, asked)[0].clone() for t, asked in calls]


@torch.inference_mode()
def test_time_and_state_reach_every_replay_and_kinds_stay_apart() -> None:
    recorder = TapeRecorder()
    with recorded(pull, lambda _: recorder) as velocity:
        for number in range(12):
            x, t = torch.full((3,), 0.1 * number), 1 - number / 12
            asked = (POSITIVE, BOTH, NEGATIVE)[number % 3]
            expected = pull(x, torch.full((1,), 1000 * t), asked)
            found = velocity(x, t, asked)
            assert len(found) == len(asked)
            assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True)), number
            assert x.eq(0.1 * number).all()
    assert recorder.heard == ["rehearse"] * 3 + ["record"] * 3 + ["release"]


@torch.inference_mode()
def test_two_passes_of_one_step_do_not_overwrite_each_other() -> None:
    recorder = TapeRecorder()
    with recorded(pull, lambda _: recorder) as velocity:
        for t in (1.0, 0.9, 0.8):
            (positive,) = velocity(torch.ones(3), t, POSITIVE)
            (negative,) = velocity(torch.ones(3), t, NEGATIVE)
            assert torch.allclose(positive - negative, 1.1 * torch.sin(torch.ones(3)))


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("full"), RuntimeError("not permitted")])
@torch.inference_mode()
def test_what_cannot_be_recorded_goes_on_without(error: Exception) -> None:
    recorder = TapeRecorder(fails=error)
    passes, noise = sparse_flow()
    found = samples(passes, noise, ONE_BATCH, recorder)
    assert recorder.heard == ["rehearse", "record", "release"]
    assert torch.equal(found, samples(passes, noise, ONE_BATCH, None))


@torch.inference_mode()
def test_no_memory_for_a_second_kind_gives_back_the_first() -> None:
    """Its rehearsal finds the memory that recordings hold missing."""
    recorder, full = TapeRecorder(), [True]

    def passes(x: Tensor, time: Tensor, asked: Asked) -> tuple[Tensor, ...]:
        if asked == NEGATIVE and full.pop() if full else False:
            raise torch.OutOfMemoryError("full")
        return pull(x, time, asked)

    calls = [(1.0, POSITIVE), (0.9, POSITIVE), (0.8, NEGATIVE), (0.7, NEGATIVE), (0.6, POSITIVE)]
    found = run_all(passes, calls, recorder)
    for v, (t, asked) in zip(found, calls, strict=True):
        assert torch.equal(v, pull(torch.ones(3), torch.full((1,), 1000 * t), asked)[0])
    assert recorder.heard == ["rehearse", "record", "rehearse", "release"]


@torch.inference_mode()
def test_an_error_of_the_pass_itself_is_told() -> None:
    def broken(x: Tensor, time: Tensor, asked: Asked) -> tuple[Tensor, ...]:
        raise RuntimeError("of the network")

    with pytest.raises(RuntimeError, match="of the network"):
        run_all(broken, [(1.0, POSITIVE)], TapeRecorder())


@torch.inference_mode()
def test_everything_is_given_back_at_the_end() -> None:
    made: list[weakref.ref[Tensor]] = []

    def passes(x: Tensor, time: Tensor, asked: Asked) -> tuple[Tensor, ...]:
        found = pull(x, time, asked)
        made.extend(weakref.ref(v) for v in (*found, x, time))
        return found

    samples(passes, torch.ones(4, 3), ONE_BATCH, TapeRecorder())
    gc.collect()
    assert len(made) > 4 and [there for there in made if there() is not None] == []


@pytest.mark.parametrize("guidance", [ONE_BATCH, TWO_PASSES])
@torch.inference_mode()
def test_a_job_is_cancelled_between_passes_never_in_a_recording(guidance: str) -> None:
    """The token is looked at in each pass by Python, whether or not the device repeats itself."""
    token, recorder, looks = CancelToken(), TapeRecorder(), [0]

    def look() -> None:
        looks[0] += 1
        token.check()

    with (
        taping(recorder),
        stepping(pull, CPU, guidance=GUIDANCE.backends[guidance], before_pass=look) as velocity,
    ):
        steps = sample(velocity, torch.ones(4, 3), PARAMS, spread=sparse_spread([0, 4]))
        for _ in range(4):
            next(steps)
        token.cancel()
        with pytest.raises(Cancelled):
            next(steps)
    assert looks[0] == (5 if guidance == ONE_BATCH else 9)
    assert recorder.heard[-1] == "release"


def test_what_is_chosen_where() -> None:
    """A graph nowhere until one has run on a GPU; one batch on GPUs."""
    h200, radeon, host, metal = (
        Hardware("cuda", (9, 0)), Hardware("rocm"), Hardware("cpu"), Hardware("mps")
    )  # fmt: skip
    for hardware in (h200, radeon, host, metal):
        assert STEPS.choose(hardware, torch.float32).name == LAUNCHED
    with preferring(GRAPH):
        assert STEPS.choose(h200, torch.float32).name == GRAPH
        assert STEPS.choose(h200, torch.float32, LAUNCHED).name == LAUNCHED  # weights on their way
        assert STEPS.choose(radeon, torch.float32).name == LAUNCHED  # needs an NVIDIA GPU
    names = [GUIDANCE.choose(each, torch.bfloat16).name for each in (h200, radeon, host, metal)]
    assert names == [ONE_BATCH, ONE_BATCH, TWO_PASSES, TWO_PASSES]


def test_only_a_single_item_is_taken_twice() -> None:
    flow = random_flow(LatentFlow)
    x, t = latent(9, 5), torch.tensor([500.0])
    pictures = torch.randn(2, 6, 8)
    with pytest.raises(ValueError, match="single item"):
        flow.both(x, t, pictures, flow.prepare_zeros(2))
    one: SparseTensor = latent(9)
    with pytest.raises(ValueError, match="one picture"):
        flow.both(one, t, pictures, flow.prepare_zeros(1))
