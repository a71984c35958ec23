"""Jobs as JSON values and back, and what is said about those that are not right."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from protocol.errors import EngineError
from protocol.jobs import FinishJob, GenerateJob, Job, RenderJob, TextureJob, UpscaleJob
from protocol.plain import from_dict, to_dict
from protocol.references import Attached, File, Stored
from protocol.samplers import Sampling

JOBS = [
    GenerateJob(
        picture=Attached("picture"),
        system="trellis2",
        quality="high",
        seed=2**63 - 1,
        samplers={"shape": Sampling(steps=3, guidance_interval=(0.25, 1.0)), "texture": Sampling()},
    ),
    TextureJob(mesh=File("/tmp/стул.glb"), picture=File("a b.png"), resolution=64),
    UpscaleJob(source=Stored("0f3a"), type="1536_cascade", matte="cutout", max_tokens=7),
    FinishJob(source=Stored("0f3a"), finish="game", closed=True, image_format="jpeg"),
    RenderJob(source=Attached("asset"), frames=36, seconds=2.5),
]


@pytest.mark.parametrize("job", JOBS, ids=lambda job: type(job).__name__)
def test_jobs_come_back_equal_through_json(job: Any) -> None:
    text = json.dumps(to_dict(job, Job), allow_nan=False)
    assert from_dict(Job, json.loads(text)) == job  # pyright: ignore[reportArgumentType]
    assert from_dict(type(job), json.loads(json.dumps(to_dict(job)))) == job


def test_the_layout_is_the_one_that_others_will_read() -> None:
    assert to_dict(RenderJob(source=File("a.vxz")), Job) == {
        "render_job": {
            "source": {"file": {"path": "a.vxz"}},
            "size": 512,
            "frames": 1,
            "seconds": 4.0,
            "require_textures": False,
        }
    }


def test_unknown_fields_are_ignored() -> None:
    data = to_dict(JOBS[0]) | {"colour_of_the_sky": "blue"}
    data["picture"]["attached"]["size"] = 3
    assert from_dict(GenerateJob, data) == JOBS[0]


def put(path: str, value: Any) -> dict[str, Any]:
    """The first job with another value at a path."""
    data: Any = json.loads(json.dumps(to_dict(JOBS[0])))
    *way, last = path.split(".")
    inner = data
    for step in way:
        inner = inner[step]
    inner[last] = value
    return data


@pytest.mark.parametrize(
    ("path", "value", "code", "words"),
    [
        ("picture", "a.png", "field_invalid", "job.picture cannot be 'a.png'. Give an object of"),
        ("picture", {"url": {}}, "field_invalid", "file or attached or stored"),
        ("picture", {"file": {}, "stored": {}}, "field_invalid", "job.picture cannot"),
        ("picture", {"attached": {}}, "field_invalid", "job.picture.attached.name is missing"),
        ("picture.attached.name", "", "reference_invalid", "job.picture.attached: ''"),
        ("picture.attached.name", 3, "field_invalid", "job.picture.attached.name cannot be 3"),
        ("quality", "best", "quality_unknown", "job: There is no quality 'best'. Choose one of"),
        ("matte", "magic", "field_invalid", "job.matte cannot be 'magic'. Give one of auto,"),
        ("seed", 1.0, "field_invalid", "job.seed cannot be 1.0. Give a whole number"),
        ("seed", True, "field_invalid", "job.seed cannot be True"),
        ("seed", -1, "seed_invalid", "job: The seed cannot be -1."),
        ("seed", None, "field_invalid", "job.seed cannot be None"),
        ("samplers", [], "field_invalid", "job.samplers cannot be []. Give an object"),
        ("samplers.shape.steps", "3", "field_invalid", "job.samplers.shape.steps cannot be '3'"),
        ("samplers.shape.steps", 0, "sampler_parameter", "job.samplers.shape: The sampler"),
        ("samplers.shape.rescale_t", float("nan"), "field_invalid", "a finite number"),
        ("samplers.shape.guidance_interval", [0.1], "field_invalid", "Give a list of 2"),
        ("samplers.shape.guidance_interval", [0, "x"], "field_invalid", "guidance_interval[1]"),
        pytest.param("max_tokens", 10**5000, "job_invalid", "max_tokens", id="huge"),
    ],
)
def test_what_is_wrong_is_named_by_its_path(path: str, value: Any, code: str, words: str) -> None:
    with pytest.raises(EngineError) as caught:
        from_dict(GenerateJob, put(path, value), "job")
    assert caught.value.code == code
    assert words in str(caught.value)
    assert len(str(caught.value)) < 250


@pytest.mark.parametrize("data", [None, [], "x", {}, {"fly_job": {}}, {"generate_job": None}])
def test_what_is_no_job(data: Any) -> None:
    with pytest.raises(EngineError) as caught:
        from_dict(Job, data)  # pyright: ignore[reportArgumentType]
    assert caught.value.code == "field_invalid"


def test_values_of_other_kinds_are_refused_when_a_job_is_made() -> None:
    for wrong in (b"bytes", Path("a.png"), "a.png", None):
        with pytest.raises(EngineError) as caught:
            GenerateJob(picture=wrong)  # pyright: ignore[reportArgumentType]
        assert caught.value.code == "reference_invalid"


def test_a_type_that_plain_data_cannot_hold_is_a_mistake_of_the_programmer() -> None:
    @dataclass
    class Wrong:
        value: set[int]

    with pytest.raises(TypeError, match="cannot be read"):
        from_dict(Wrong, {"value": [1]})


def test_importing_jobs_takes_the_standard_library_alone() -> None:
    script = "import sys, protocol.jobs, protocol.plain\nprint(*sorted(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-S", "-c", script],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    tops = {name.partition(".")[0] for name in done.stdout.split()}
    assert tops - set(sys.stdlib_module_names) - {"__main__", "sitecustomize"} == {"protocol"}
