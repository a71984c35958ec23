"""`maquette doctor`: the report, and the exit status that tells."""

import json
from collections import namedtuple
from pathlib import Path

import pytest
from typer.testing import CliRunner

from engine.cli import app
from engine.doctor import checks, selftest
from engine.host import machine
from engine.sparse.attention import ATTENTION
from engine.sparse.operations import OPERATIONS


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MAQUETTE_HOME", str(tmp_path))
    return tmp_path


def doctor(*arguments: str):
    return CliRunner().invoke(app, ["doctor", *arguments])


def report(*arguments: str) -> dict[str, dict[str, str]]:
    result = doctor("--device", "cpu", "--json", *arguments)
    content = json.loads(result.stdout)
    assert content["works"] == (result.exit_code == 0)
    assert all(check["hint"] for check in content["checks"] if check["state"] != "ok")
    return {check["name"]: check for check in content["checks"]}


def test_this_machine_works():
    found = report()
    assert {check["state"] for check in found.values()} <= {"ok", "warn"}
    assert "known numbers" in found["self-test"]["text"]
    assert found["sparse convolution"]["text"].startswith("torch in float32")
    assert "the package flash-attn is not installed" in found["attention"]["text"]
    assert "none here" in found["weights for standard"]["text"]
    assert (
        found["weights for standard"]["hint"]
        == "Run: python run.py maquette models download standard"
    )
    assert {"Python", "torch", "driver", "device", "RAM", "disk"} <= found.keys()


def test_for_people():
    result = doctor("--device", "cpu")
    assert result.exit_code == 0
    assert "ok    Python: 3." in result.stdout
    assert "warn  weights for draft" in result.stdout


def test_a_failed_self_test_ends_with_1(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(selftest, "problems", lambda device, dtype: ["attention: off by 3"])
    assert doctor("--device", "cpu").exit_code == 1
    found = report()
    assert found["self-test"]["state"] == "fail"
    assert found["self-test"]["text"] == "attention: off by 3"


def test_the_table_of_attention():
    text = " ".join(doctor("--device", "cpu").stdout.split())
    assert "Attention, best first" in text
    found = json.loads(doctor("--device", "cpu", "--json").stdout)["attention"]
    assert [line["name"] for line in found] == list(ATTENTION.backends)
    assert {line["name"] for line in found if line["here"] == "used here"} == {"sdpa"}
    assert "Pascal" in next(line["where"] for line in found if line["name"] == "plain")


def test_the_table_of_kernels():
    text = " ".join(doctor("--device", "cpu").stdout.split())
    assert "Kernels in Triton, none measured on a GPU yet" in text
    found = json.loads(doctor("--device", "cpu", "--json").stdout)["kernels"]
    names = [o.operation for o in OPERATIONS if "triton" in o.backends]
    assert [line["operation"] for line in found] == names
    assert len(names) == len(set(names)) > 5
    assert {line["used"] for line in found} == {"torch"}
    assert {line["triton"] for line in found} == {"needs a GPU that Triton compiles for"}


def test_what_a_little_exactness_saves():
    text = " ".join(doctor("--device", "cpu").stdout.split())
    assert "Less exact, if asked for" in text
    found = json.loads(doctor("--device", "cpu", "--json").stdout)["savings"]
    assert [line["way"].split()[-1] for line in found] == ["--fast", "int8", "fp8"]
    assert all("0.0" in line["error"] for line in found)


@pytest.mark.parametrize("device", ["abacus", "cuda:77"])
def test_a_device_that_is_not_there(device: str):
    result = doctor("--device", device)
    assert result.exit_code == 1
    assert f"fail  device: {device}" in result.stdout


def test_an_old_python_and_an_old_torch(monkeypatch: pytest.MonkeyPatch):
    version = namedtuple("version", "major minor micro")
    monkeypatch.setattr(checks.sys, "version_info", version(3, 9, 1))
    monkeypatch.setattr("torch.__version__", "2.4.1+cu118")
    found = report()
    assert (found["Python"]["state"], found["torch"]["state"]) == ("fail", "fail")


def test_a_driver_that_this_torch_does_not_use(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(machine, "nvidia_driver", lambda: "550.54")
    monkeypatch.setattr("torch.version.cuda", None)
    assert "this torch has no CUDA" in report()["driver"]["text"]
    monkeypatch.setattr("torch.version.cuda", "13.0")
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert report()["driver"]["state"] == "fail"


def test_memory_of_this_machine():
    memory = machine.ram()
    assert memory is not None
    free, total = memory
    assert 0 < free < total
    assert total > 1e9
    peak = machine.peak_ram()
    assert peak is None or 1e7 < peak < total
