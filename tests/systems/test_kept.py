"""Samples that outlive an attempt: found where everything is the same, and nowhere else."""

from pathlib import Path

import pytest
import torch

from engine.report import Cancelled, CancelToken, Report
from engine.residency.models import Models
from engine.systems.inputs import Inputs
from engine.systems.kept import Kept, sample_key
from engine.systems.trellis2.generate import generate
from protocol.events import Event, Progress
from protocol.jobs import GenerateJob
from protocol.references import Attached
from protocol.samplers import Sampling
from tests.systems.trellis2.toy import picture, toy_models


@pytest.fixture(scope="module")
def models(toy: Path) -> Models:
    return toy_models(toy)


def job(**changes) -> GenerateJob:
    values = {"picture": Attached("picture"), "type": "128_cascade", "seed": 3}
    return GenerateJob(**values | changes)


def inputs(kept: Path | None = None, *others: Path) -> Inputs:
    return Inputs({"picture": picture()}, kept=Kept(kept, others) if kept else None)


def stages_of(events: list[Event]) -> list[str]:
    return [e.stage for e in events if isinstance(e, Progress) and e.step == 0]


def test_an_attempt_resumes_after_the_last_sample_with_the_same_result(
    models: Models, tmp_path: Path
) -> None:
    whole = generate(job(), models, Report(), inputs())
    token = CancelToken()

    def stop_at_texture(event: Event) -> None:
        if isinstance(event, Progress) and event.stage == "texture":
            token.cancel()

    with pytest.raises(Cancelled):
        generate(job(), models, Report(stop_at_texture, cancel=token), inputs(tmp_path / "kept"))
    events: list[Event] = []
    again = generate(job(), models, Report(events.append), inputs(tmp_path / "kept"))

    assert not {"structure", "shape", "fine_shape"} & set(stages_of(events))
    assert "texture" in stages_of(events)
    assert torch.equal(again.latents["texture"].feats, whole.latents["texture"].feats)
    assert (again.voxels.materials == whole.voxels.materials).all()
    assert again.recipe["checkpoint"] == whole.recipe["checkpoint"]


def test_a_retry_takes_from_the_job_before_it_what_did_not_change(
    models: Models, tmp_path: Path
) -> None:
    generate(job(), models, Report(), inputs(tmp_path / "old"))
    events: list[Event] = []
    changed = job(samplers={"texture": Sampling(steps=2)})
    made = generate(
        changed, models, Report(events.append), inputs(tmp_path / "new", tmp_path / "old")
    )
    fresh = generate(changed, models, Report(), inputs())
    assert {"structure", "shape", "fine_shape", "texture"} & set(stages_of(events)) == {"texture"}
    assert torch.equal(made.latents["texture"].feats, fresh.latents["texture"].feats)


def test_another_seed_finds_nothing(models: Models, tmp_path: Path) -> None:
    generate(job(), models, Report(), inputs(tmp_path))
    events: list[Event] = []
    generate(job(seed=4), models, Report(events.append), inputs(tmp_path))
    assert {"structure", "shape", "fine_shape", "texture"} <= set(stages_of(events))


def test_half_a_file_is_no_sample(tmp_path: Path) -> None:
    kept = Kept(tmp_path)
    kept.put("a", torch.arange(12.0).reshape(3, 4))
    found = kept.find("a")
    assert found is not None
    assert torch.equal(found, torch.arange(12.0).reshape(3, 4))
    file = tmp_path / "a.safetensors"
    file.write_bytes(file.read_bytes()[:-5])
    assert kept.find("a") is None
    assert not Kept().active
    assert Kept().find("a") is None


def test_keys_tell_values_shapes_and_dtypes_apart() -> None:
    zeros = torch.zeros(2, 3)
    keys = {
        sample_key("x", zeros),
        sample_key("y", zeros),
        sample_key("x", zeros.reshape(3, 2)),
        sample_key("x", zeros.half()),
        sample_key("x", zeros + 1),
        sample_key("x", zeros, zeros),
    }
    assert len(keys) == 6
    assert sample_key("x", zeros) == sample_key("x", torch.zeros(2, 3))
