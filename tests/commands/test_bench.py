"""`maquette bench generate`, reduced so far that a CPU does it in seconds."""

import json
import os
import re
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from engine.cli import app

REDUCED = [
    "--width",
    "48",
    "--blocks",
    "1",
    "--scale",
    "0.03125",
    "--steps",
    "2",
    "--device",
    "cpu",
]


def bench(*arguments: str):
    return CliRunner().invoke(app, ["bench", "generate", *arguments])


def test_a_cascade_has_every_stage():
    result = bench("--synthetic", *REDUCED, "--json")
    assert result.exit_code == 0, result.stderr
    report = json.loads(result.stdout)
    stages = {stage["name"]: stage for stage in report["stages"]}
    assert list(stages) == [
        *("structure", "decode_structure", "shape 512", "upsample"),
        *("shape 1024", "texture 1024", "decode_shape", "decode_material"),
    ]
    assert all(stage["finite"] and stage["seconds"] > 0 for stage in stages.values())
    # Guided in both steps but for the texture's; two steps of the published interval.
    assert [stages[name]["passes"] for name in ("structure", "shape 512", "texture 1024")] == [
        *(4, 4, 2)
    ]
    assert stages["shape 1024"]["cells"] == stages["texture 1024"]["cells"] <= 2**3
    assert stages["decode_shape"]["cells"] == stages["decode_material"]["cells"] > 1000
    # All of them at once fit; each stage's networks join those before.
    assert report["policy"] == "resident"
    planned = [stage["planned_bytes"] for stage in stages.values()]
    assert 0 < max(planned) <= report["planned_bytes"] <= report["budget_bytes"]
    assert planned[0] < planned[4]
    assert all(stage["peak_bytes"] >= 0 for stage in stages.values())
    total = report["total"]
    assert total["peak_bytes"] == max(stage["peak_bytes"] for stage in stages.values())
    assert total["seconds"] == pytest.approx(sum(s["seconds"] for s in stages.values()))
    flows = [stage for stage in stages.values() if stage["tflop"] is not None]
    assert total["flow_tflop_per_s"] == pytest.approx(
        sum(s["tflop"] for s in flows) / sum(s["seconds"] for s in flows)
    )


def test_every_policy_can_be_asked_for():
    planned = {}
    for policy in ("resident", "single", "streamed"):
        result = bench(
            "--synthetic", *REDUCED, "--blocks", "3", "--policy", policy, "--memory", "4",
            "--type", "512", "--scale", "0.0625", "--json",
        )  # fmt: skip
        assert result.exit_code == 0, result.stderr
        report = json.loads(result.stdout)
        assert report["policy"] == policy
        assert report["budget_bytes"] == 4 << 30
        assert all(stage["finite"] for stage in report["stages"])
        planned[policy] = report["planned_bytes"]
    assert planned["resident"] > planned["single"] > planned["streamed"]


@pytest.mark.skipif(sys.platform != "linux", reason="peaks are measured on Linux only")
def test_the_planned_peak_is_near_the_measured_one():
    # Kernels first: compiling takes more memory than what is measured.
    assert bench("--synthetic", *REDUCED, "--type", "512").exit_code == 0
    # In a process of its own: here, memory that other tests gave back would be used again.
    done = subprocess.run(
        [
            *(sys.executable, "-m", "engine", "bench", "generate", "--synthetic", "--json"),
            *("--device", "cpu", "--type", "512", "--policy", "single", "--steps", "1"),
            *("--width", "256", "--blocks", "6", "--scale", "0.125"),
        ],
        # On busy cores threads wait for each other.
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    report = json.loads(done.stdout)
    assert 0.5 < report["total"]["peak_bytes"] / report["planned_bytes"] < 1.5
    for stage in report["stages"]:
        assert stage["planned_bytes"] <= report["planned_bytes"]


def test_a_budget_that_is_too_small_is_refused():
    result = bench("--synthetic", *REDUCED, "--memory", "0.001", "--scale", "0.0625")
    assert result.exit_code == 2
    assert "GiB of memory" in result.stderr


def test_the_plan_and_the_results_are_shown():
    result = bench("--synthetic", *REDUCED, "--type", "512", "--policy", "single")
    assert result.exit_code == 0, result.stderr
    for words in ("512 on", "policy: one network at a time", "texture 512", "TFLOP/s", "total"):
        assert words in result.stdout
    assert re.search(r"peak memory: planned [\d.]+ .iB, measured [\d.]+ ", result.stdout)
    assert "upsample" not in result.stdout
    assert "not everything" not in result.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "--synthetic"),
        (["--synthetic", "--type", "2048"], "no type 2048"),
        (["--synthetic", "--width", "100"], "A width of 100"),
        (["--synthetic", "--policy", "lavish"], "no memory policy 'lavish'"),
        (["--synthetic", "--scale", "0.3"], "A scale of 0.3"),
        (["--synthetic", "--device", "abacus"], "abacus"),
        (["--synthetic", "--scale", "0.0625", "--mesh", "no.glb"], "no.glb"),
    ],
)
def test_wrong_use(arguments: list[str], words: str):
    result = bench(*arguments)
    assert result.exit_code == 2
    assert words in result.stderr
    assert "Traceback" not in result.stderr
