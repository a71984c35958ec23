"""Requests under every policy, with budgets that are made up, and when memory runs out."""

import gc
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch._subclasses.fake_tensor import unset_fake_temporarily

from engine.checkpoints.image_encoders import IMAGE_ENCODER
from engine.report import Report
from engine.residency import memory
from engine.residency.models import Models
from engine.residency.plan import Plan, Policy, Use, Weights, make_plan, planned_peak
from engine.residency.streaming import BlockStream, stream_groups, streamed_bytes
from engine.sampling import GUIDANCE
from engine.sampling.passes import ONE_BATCH, TWO_PASSES
from engine.sparse.backends import probe_torch
from engine.systems.opening import load_checkpoint
from engine.systems.trellis2 import needs, stages
from engine.systems.trellis2.generate import generate
from engine.systems.trellis2.names import MAX_TOKENS, SHAPE_DECODER, SHAPE_ENCODER
from engine.systems.trellis2.routes import offer_of, route_of
from protocol.errors import EngineError
from protocol.jobs import GenerateJob
from protocol.samplers import SamplerParams
from tests.gpu_without_card.card import CUDA, pretended_card
from tests.residency.copies import CPU, LateCopies
from tests.sampling.tape import TapeRecorder, taping
from tests.systems.trellis2.test_generate import same_asset
from tests.systems.trellis2.toy import INPUTS, given, picture, toy_models
from tests.tolerances import assert_same_maths

JOB = GenerateJob(picture=given(picture()), type="128_cascade", seed=3)
ENOUGH = 1 << 40
FLOW = "shape_slat_flow_model_64"


@pytest.fixture(autouse=True)
def small_encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    """What DINOv3 needs would hide what toy networks need."""
    monkeypatch.setattr(needs, "ENCODER_BYTES", 1000)


def planned(models: Models, policy: Policy) -> int:
    uses = needs.needs_of_generation(models, route_of(offer_of(models), JOB.type), MAX_TOKENS)
    weights = {use.name: models.weights(use.name) for use in uses}
    return planned_peak(policy, uses, weights, budget=0)


@pytest.mark.parametrize("policy", Policy)
def test_every_policy_gives_the_same_asset(toy: Path, policy: Policy) -> None:
    expected = generate(JOB, toy_models(toy), Report(), INPUTS)
    models = toy_models(toy, policy=policy)
    report = Report()
    asset = generate(JOB, models, report, INPUTS)
    if policy is Policy.STREAMED:
        # Copies lie elsewhere in memory, and a CPU's matrix products depend on alignment.
        for name in ("coarse", "shape", "texture"):
            got, wanted = asset.latents[name], expected.latents[name]
            assert torch.equal(got.coords, wanted.coords)
            assert_same_maths(got.feats, wanted.feats, torch.float32)
        assert np.array_equal(asset.voxels.grid.coords, expected.voxels.grid.coords)
        np.testing.assert_allclose(asset.voxels.materials, expected.voxels.materials, atol=2e-5)
    else:
        same_asset(asset, expected)
    assert any(str(policy) in note for note in report.notes)
    assert models.policy is policy


def test_the_policy_follows_from_the_budget_and_is_kept_to(toy: Path) -> None:
    trial = toy_models(toy, budget=ENOUGH)
    peaks = [planned(trial, policy) for policy in Policy]
    assert peaks[0] > peaks[1] > peaks[2]
    for policy, peak in zip(Policy, peaks, strict=True):
        models = toy_models(toy, budget=peak)
        asset = generate(JOB, models, Report(), INPUTS)
        assert {stage["policy"] for stage in asset.recipe["memory"].values()} == {str(policy)}
        assert 0 < models.peak_bytes <= peak
    with pytest.raises(EngineError) as caught:
        generate(JOB, toy_models(toy, budget=peaks[2] - 1), Report(), INPUTS)
    assert caught.value.code == "memory_too_small"


def test_decoders_that_would_not_fit_work_in_slabs(
    toy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = generate(JOB, toy_models(toy), Report(), INPUTS)
    monkeypatch.setattr(Models, "room", 0)
    asset = generate(JOB, toy_models(toy), Report(), INPUTS)
    decoders = ("upsample", "decode_shape", "decode_material")
    found, whole = (
        [made.recipe["memory"][stage]["slabs"] for stage in decoders] for made in (asset, expected)
    )
    assert whole == [[1] * 3, [1] * 4, [1] * 4]
    assert min(slabs[-1] for slabs in found) > 1
    assert np.array_equal(asset.voxels.grid.coords, expected.voxels.grid.coords)
    assert np.array_equal(asset.voxels.grid.intersected, expected.voxels.grid.intersected)
    np.testing.assert_allclose(
        asset.voxels.grid.dual_vertices, expected.voxels.grid.dual_vertices, atol=2e-5
    )
    np.testing.assert_allclose(asset.voxels.materials, expected.voxels.materials, atol=2e-5)


def test_networks_stay_only_while_they_fit(toy: Path) -> None:
    models = toy_models(toy, budget=ENOUGH)
    names = ("shape_slat_flow_model_64", "shape_slat_flow_model_128", SHAPE_DECODER)
    sizes = [models.weights(name).whole for name in names]
    models.budget = sizes[0] + sizes[1]
    seen = []
    for name in names[:2]:
        with models.on_device(name) as network:
            seen.append(network)
    with models.on_device(names[0]) as network:
        assert network is seen[0]
    with models.on_device(names[1], working_bytes=sizes[0]) as network:
        assert network is seen[1]  # and the first had to go
    with models.on_device(names[0]) as network:
        assert network is not seen[0]


def test_a_network_that_stayed_is_streamed_where_its_work_no_longer_fits(toy: Path) -> None:
    models = toy_models(toy, budget=ENOUGH)
    size = models.weights(FLOW)
    assert size.streamed < size.whole
    models.budget = size.whole + 1000
    with models.on_device(FLOW, 1000) as whole:
        pass
    with models.on_device(FLOW, 1000) as again:
        assert again is whole
    with models.on_device(FLOW, models.budget - size.streamed) as streamed:
        assert streamed is not whole
        assert models.bytes_on_device == size.streamed
    assert models.peak_bytes == models.budget
    with pytest.raises(EngineError, match="memory on the device"), models.on_device(FLOW, ENOUGH):
        pass


def test_what_a_network_keeps_of_a_picture_is_counted_once(toy: Path) -> None:
    models = toy_models(toy, budget=ENOUGH)
    use = needs.exact_flow_use(models, FLOW, 12, 6)
    models.budget = models.weights(FLOW).whole + use.working_bytes
    seen = []
    for _ in range(2):
        with models.on_device(FLOW, use.working_bytes, kept_bytes=use.kept_bytes) as flow:
            models.pictures.prepared("a picture", FLOW, use.kept_bytes, object)
            seen.append(flow)
    assert seen[0] is seen[1]
    assert models.peak_bytes == models.budget


def test_the_plan_knows_what_an_old_card_takes(toy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Flows in float32 there, and before Volta attention without a fused kernel."""
    taken, held = {}, {}
    for capability in ((6, 1), (7, 5), (8, 6)):
        with pretended_card(monkeypatch, capability), unset_fake_temporarily():
            models = Models(load_checkpoint(toy), device=CUDA, budget=ENOUGH)
            taken[capability] = needs.exact_flow_use(models, FLOW, 1000, 6).working_bytes
            held[capability] = models.weights(FLOW).whole
    heads = models.skeleton(FLOW).config.heads
    assert taken[6, 1] - taken[7, 5] == 2 * 4 * heads * 1000**2
    config = models.skeleton(FLOW).config
    assert taken[7, 5] == memory.flow_bytes(config, 1000, 6, 4)
    assert taken[8, 6] == memory.flow_bytes(config, 1000, 6, 2)
    assert held[6, 1] == held[7, 5] > 1.4 * held[8, 6]


@pytest.mark.parametrize("usual", [("tf32", "none"), ("tf32", "tf32"), ("ieee", "ieee")])
def test_float32_is_no_tf32_while_a_network_runs(toy: Path, usual: tuple[str, str]) -> None:
    """And for the program around the engine it is as before: by torch's defaults, or by its own."""
    with set_precision(usual):
        models = toy_models(toy)
        with models.on_device(FLOW) as flow:
            with models.on_device(SHAPE_DECODER):
                assert precision() == ("ieee", "ieee")
            assert precision() == ("ieee", "ieee")
            with torch.inference_mode():
                _velocity(flow, torch.randn(1, 6, 8))
        assert precision() == usual
        with pytest.raises(KeyboardInterrupt), models.on_device(FLOW):
            raise KeyboardInterrupt
        assert precision() == usual


def precision() -> tuple[str, str]:
    """Of convolutions and of matrix products of float32 on a GPU."""
    backends: Any = torch.backends
    return backends.cudnn.conv.fp32_precision, backends.cuda.matmul.fp32_precision


@contextmanager
def set_precision(wanted: tuple[str, str]) -> Iterator[None]:
    backends: Any = torch.backends
    before = precision()
    try:
        backends.cudnn.conv.fp32_precision, backends.cuda.matmul.fp32_precision = wanted
        yield
    finally:
        backends.cudnn.conv.fp32_precision, backends.cuda.matmul.fp32_precision = before


def one_batch_anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Guided steps come about on every device as they do on a GPU."""
    either = replace(GUIDANCE.backends[ONE_BATCH], probe=probe_torch)
    monkeypatch.setitem(GUIDANCE.backends, ONE_BATCH, either)
    monkeypatch.setattr(GUIDANCE, "_chosen", {})


def test_two_items_at_once_where_the_plan_has_room(
    toy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a GPU, with budgets that just allow it and just do not."""
    one_batch_anywhere(monkeypatch)
    guided, unguided = SamplerParams(guidance_strength=3.0), SamplerParams(guidance_strength=1.0)
    context = 6
    for policy in Policy:
        models = toy_models(toy, budget=ENOUGH, policy=policy)
        uses = needs.needs_of_generation(models, route_of(offer_of(models), JOB.type), MAX_TOKENS)
        models.plan(uses)
        once = needs.exact_flow_use(models, FLOW, 4000, context)
        use, guidance = needs.guided_use(models, FLOW, 4000, context, guided)
        assert guidance.name == ONE_BATCH and use.kept_bytes == once.kept_bytes
        work = once.working_bytes - once.kept_bytes
        assert use.working_bytes == once.kept_bytes + 2 * work
        held = ENOUGH - most_room(models, use)
        whole = {each.name: models.weights(each.name).whole for each in uses}
        if policy is Policy.RESIDENT:
            assert held > sum(whole.values())  # and what others keep of the picture
        else:
            sizes = models.weights(FLOW)
            assert held == (sizes.streamed if policy is Policy.STREAMED else sizes.whole)
        models.budget = held + use.working_bytes
        assert needs.guided_use(models, FLOW, 4000, context, guided)[1].name == ONE_BATCH
        assert needs.guided_use(models, FLOW, 4000, context, unguided) == (
            once, GUIDANCE.backends[TWO_PASSES],
        )  # fmt: skip
        models.budget -= 1
        found = needs.guided_use(models, FLOW, 4000, context, guided)
        assert found == (once, GUIDANCE.backends[TWO_PASSES])
    models = toy_models(toy, budget=ENOUGH)
    models.next_policy()  # once memory has run out, nothing is taken but what is needed
    assert needs.guided_use(models, FLOW, 4000, context, guided)[1].name == TWO_PASSES


def most_room(models: Models, use: Use) -> int:
    """The most that ``has_room`` grants a network, by halving."""
    low, high = 0, ENOUGH
    while low < high:
        middle = (low + high + 1) // 2
        if models.has_room(replace(use, working_bytes=middle)):
            low = middle
        else:
            high = middle - 1
    return low


@pytest.mark.parametrize("policy", [Policy.SINGLE, Policy.STREAMED])
def test_one_batch_and_recordings_give_the_same_asset(
    toy: Path, policy: Policy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whole requests as a GPU does them; networks whose blocks come and go are not recorded."""
    expected = generate(JOB, toy_models(toy, policy=policy), Report(), INPUTS)
    one_batch_anywhere(monkeypatch)
    recorder = TapeRecorder()
    with taping(recorder):
        asset = generate(JOB, toy_models(toy, policy=policy), Report(), INPUTS)
    for name in ("coarse", "shape", "texture"):
        got, wanted = asset.latents[name], expected.latents[name]
        assert torch.equal(got.coords, wanted.coords)
        assert_same_maths(got.feats, wanted.feats, torch.float32)
    memory = asset.recipe["memory"]
    assert [memory[name]["guidance"] for name in ("structure", "shape", "texture")] == [
        ONE_BATCH, ONE_BATCH, TWO_PASSES,
    ]  # fmt: skip
    # Structure, two shapes and texture: of their four steps each, what comes twice is recorded.
    counts = [recorder.heard.count(what) for what in ("rehearse", "record", "release")]
    assert counts == ([0, 0, 0] if policy is Policy.STREAMED else [6, 4, 4])


def test_streamed_blocks_compute_the_same_and_take_what_was_said(toy: Path) -> None:
    models = toy_models(toy)
    with models.on_device("shape_slat_flow_model_64") as flow, torch.inference_mode():
        tokens = torch.randn(1, 6, 8)
        before = [parameter.clone() for parameter in flow.parameters()]
        expected = _velocity(flow, tokens)
        stream = BlockStream(flow, CPU, LateCopies())
        assert len(stream_groups(flow)) == 3
        for _ in range(2):
            assert torch.equal(_velocity(flow, tokens), expected)
        assert stream.peak <= streamed_bytes(flow)
        stream.close()
        for a, b in zip(flow.parameters(), before, strict=True):
            assert torch.equal(a, b)
        assert torch.equal(_velocity(flow, tokens), expected)


def test_what_runs_outside_of_its_block_has_its_weights_too(toy: Path) -> None:
    """Keys of the picture go through a norm whose gain is streamed with the block."""
    models = toy_models(toy)
    met: list[str] = []
    with models.on_device(FLOW) as flow, torch.inference_mode():
        stream = BlockStream(flow, CPU, LateCopies())
        host = {(module, name): tensor for (module, name), tensor in stream._host.items()}

        def look(module: torch.nn.Module, *_: object) -> None:
            for name, parameter in module.named_parameters(recurse=False):
                if (module, name) in host:
                    met.append(type(module).__name__)
                    assert parameter.data_ptr() != host[module, name].data_ptr(), met[-1]

        hooks = [module.register_forward_pre_hook(look) for module, _ in host]
        flow.prepare(torch.randn(1, 6, 8))
        assert set(met) == {"Linear", "HeadNorm"}
        for hook in hooks:
            hook.remove()
        stream.close()


def _velocity(flow, tokens: torch.Tensor) -> torch.Tensor:
    from engine.sparse import SparseTensor

    coords = torch.tensor([[0, 0, 0, 1], [0, 1, 2, 3], [0, 3, 3, 3]], dtype=torch.int32)
    x = SparseTensor.from_coords(coords, torch.linspace(-1, 1, 12).view(3, 4))
    return flow(x, torch.tensor([500.0]), flow.prepare(tokens)).feats


def test_a_stage_that_runs_out_of_memory_is_repeated_lower(
    toy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = generate(JOB, toy_models(toy), Report(), INPUTS)
    for target in ("_sample", "decode_shape"):
        failing = FailingTimes(1)
        models = toy_models(toy, budget=ENOUGH)
        with monkeypatch.context() as patch:
            failing.install(patch, models, target)
            report = Report()
            asset = generate(JOB, models, report, INPUTS)
        same_asset(asset, expected)
        assert failing.left == 0
        assert models.policy is Policy.SINGLE
        by_stage = {name: how["policy"] for name, how in asset.recipe["memory"].items()}
        assert by_stage["decode_structure"] == str(Policy.RESIDENT)
        assert by_stage["decode_material"] == str(Policy.SINGLE)
        assert any("Memory ran out" in note for note in report.notes)


def test_running_out_again_ends_with_a_clear_error(
    toy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = toy_models(toy, budget=ENOUGH)
    failing = FailingTimes(2)
    with monkeypatch.context() as patch:
        failing.install(patch, models, "_sample")
        with pytest.raises(EngineError) as caught:
            generate(JOB, models, Report(), INPUTS)
    assert caught.value.code == "out_of_memory"
    # Memory is back, and the next request is right.
    assert min(failing.on_device) > 0
    assert models.bytes_on_device == 0
    gc.collect()
    assert [network() for network in failing.networks] == [None, None]
    same_asset(
        generate(JOB, models, Report(), INPUTS), generate(JOB, toy_models(toy), Report(), INPUTS)
    )


class FailingTimes:
    """Lets a network's use fail so many times, as a full device does: with the network on it.

    Attributes:
        on_device: bytes that were on the device at each failure.
        networks: those that failed, as weak references.
    """

    def __init__(self, times: int) -> None:
        self.left = times
        self.on_device: list[int] = []
        self.networks: list[weakref.ref] = []

    def install(self, patch: pytest.MonkeyPatch, models: Models, target: str) -> None:
        on_device = models.on_device
        wanted = {
            "_sample": FLOW, "decode_shape": SHAPE_DECODER, "encode_shape": SHAPE_ENCODER,
        }[target]  # fmt: skip

        @contextmanager
        def failing(name: str, working_bytes: int = 0, **more: Any):
            with on_device(name, working_bytes, **more) as network:
                if name == wanted and self.left:
                    self.left -= 1
                    self.on_device.append(models.bytes_on_device)
                    self.networks.append(weakref.ref(network))
                    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1 GiB.")
                yield network

        patch.setattr(models, "on_device", failing)
        assert hasattr(stages, target)


def test_other_errors_are_not_repeated(toy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    models = toy_models(toy)
    calls = []

    def failing(name: str, working_bytes: int = 0, **more: Any):
        calls.append(name)
        raise RuntimeError("something else")

    monkeypatch.setattr(models, "on_device", failing)
    with pytest.raises(RuntimeError, match="something else"):
        generate(JOB, models, Report(), INPUTS)
    assert calls == [IMAGE_ENCODER]


def test_plans() -> None:
    weights = {"a": Weights(100, 30), "b": Weights(60, 60)}
    uses = [Use("a", 20, kept_bytes=5), Use("b", 10), Use("a", 20, kept_bytes=5)]
    assert make_plan(uses, weights, 180) == Plan(Policy.RESIDENT, 180, 180)
    assert make_plan(uses, weights, 179) == Plan(Policy.SINGLE, 120, 179)
    assert make_plan(uses, weights, 119) == Plan(Policy.STREAMED, 70, 119)
    assert make_plan(uses, weights, 10, strict=False).policy is Policy.STREAMED
    assert make_plan(uses, weights, None).policy is Policy.RESIDENT
    # What can be done in slabs is, before blocks are streamed, and only as far as it must.
    uses = [Use("a", 20), Use("b", 90, least_bytes=10)]
    assert make_plan(uses, weights, 249) == Plan(Policy.SINGLE, 150, 249)
    assert make_plan(uses, weights, 130) == Plan(Policy.SINGLE, 130, 130)
    assert make_plan(uses, weights, 120) == Plan(Policy.SINGLE, 120, 120)
    assert make_plan(uses, weights, 119) == Plan(Policy.STREAMED, 119, 119)
    assert make_plan(uses, weights, 70) == Plan(Policy.STREAMED, 70, 70)
    with pytest.raises(EngineError, match="GiB"):
        make_plan(uses, weights, 69)
