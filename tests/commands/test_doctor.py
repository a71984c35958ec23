"""`maquette doctor`: the report, and the exit status that tells."""

import json
from collections import namedtuple
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from engine.cli import app
from engine.doctor import checks, selftest
from engine.doctor.tables import tables
from engine.host import machine
from engine.host.machine import Hardware
from engine.sampling import GUIDANCE, STEPS
from engine.sampling.passes import GRAPH, LAUNCHED, ONE_BATCH, TWO_PASSES
from engine.sparse.attention import ATTENTION
from engine.sparse.backends import preferring
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
    assert "varlen: needs a GPU of NVIDIA's or AMD's" in found["attention"]["text"]
    assert found["dtypes"]["text"].startswith("flows in float32, decoders and encoders in float32")
    assert not {"slow parts", "not possible"} & found.keys()
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


def test_the_tables_of_passes_are_those_that_are_chosen_by(monkeypatch: pytest.MonkeyPatch):
    text = " ".join(doctor("--device", "cpu").stdout.split())
    assert "Guided step, best first" in text and "Sampler step, best first" in text
    found = json.loads(doctor("--device", "cpu", "--json").stdout)
    for name, registry in (("guidance", GUIDANCE), ("steps", STEPS)):
        monkeypatch.setattr(registry, "_chosen", {})
        assert [line["name"] for line in found[name]] == list(registry.backends)
        assert all(line["where"] and line["why"] for line in found[name])
    for kind in ("cpu", "mps", "rocm", "cuda"):
        hardware = Hardware(kind, (9, 0)) if kind == "cuda" else Hardware(kind)
        printed = tables(hardware)
        guidance = {line.name: line.here for line in printed.guidance}
        steps = {line.name: line.here for line in printed.steps}
        for here, registry in ((guidance, GUIDANCE), (steps, STEPS)):
            (used,) = (name for name, state in here.items() if state == "used here")
            assert used == registry.choose(hardware, torch.float32).name
        assert (guidance[ONE_BATCH] == "used here") == (kind in ("cuda", "rocm"))
    assert guidance[TWO_PASSES] == "usable"
    assert steps == {GRAPH: "usable, where it is asked for by name", LAUNCHED: "used here"}


def test_the_table_of_kernels():
    text = " ".join(doctor("--device", "cpu").stdout.split())
    assert "Kernels in Triton, none measured on a GPU yet" in text
    found = json.loads(doctor("--device", "cpu", "--json").stdout)["kernels"]
    names = [o.operation for o in OPERATIONS if "triton" in o.backends]
    assert [line["operation"] for line in found] == names
    assert len(names) == len(set(names)) > 5
    assert {line["used"] for line in found} == {"torch"}
    assert {line["triton"] for line in found} == {"needs a GPU that Triton compiles for"}


@pytest.mark.parametrize(
    ("hardware", "texts"),
    [
        (
            Hardware("mps"),
            {
                "dtypes": "flows in float32, decoders and encoders in float32 (half",
                "slow parts": "triton: needs a GPU that Triton compiles for; spconv: it has code",
                "not possible": "triangles of texels (triton: needs a GPU that Triton compiles for;"
                " torch: Metal has no float64)",
                "attention": "sdpa in float32 (",
            },
        ),
        (
            Hardware("rocm"),
            {
                "dtypes": "flows in bfloat16, decoders and encoders in float16 (in float16",
                "slow parts": "it is used only where it is asked for; spconv: it has no code for A",
                "attention": "varlen in bfloat16 (",
            },
        ),
        (
            Hardware("cuda", (7, 5)),
            {
                "dtypes": "flows in float32, decoders and encoders in float16 (no units for bfl",
                "slow parts": "triton: needs a GPU of the Ampere generation or newer",
                "attention": "sdpa in float32 (",
                "sparse convolution": "torch in float16 (",
            },
        ),
    ],
    ids=["Metal", "ROCm", "Turing"],
)
def test_what_hardware_that_is_not_here_is_good_at(
    hardware: Hardware, texts: dict[str, str], monkeypatch: pytest.MonkeyPatch
):
    there = {"triton", "torch.nn.attention.varlen"}
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name in there or None)
    monkeypatch.setattr("torch.backends.cuda.is_flash_attention_available", lambda: True)
    for operation in OPERATIONS:
        monkeypatch.setattr(operation, "_chosen", {})
    found = {check.name: check.text for check in checks.choices(hardware)}
    for name, text in texts.items():
        assert text in found[name]
    assert ("not possible" in found) == ("not possible" in texts)
    slow = found["slow parts"].partition(": plain torch (")[0].split(", ")
    absent = found.get("not possible", "").partition(" (")[0]
    assert {*slow, absent} - {""} == {o.operation for o in OPERATIONS if "triton" in o.backends}


def test_what_has_a_kernel_is_not_slow(monkeypatch: pytest.MonkeyPatch):
    """The line is made of the table: with the kernels in use nothing is left of it."""
    monkeypatch.setattr("importlib.util.find_spec", lambda _: object())
    for operation in OPERATIONS:
        monkeypatch.setattr(operation, "_chosen", {})
    hopper = Hardware("cuda", (9, 0))
    with preferring("triton"):
        assert "slow parts" not in {check.name for check in checks.choices(hopper)}
    assert "slow parts" in {check.name for check in checks.choices(hopper)}


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
