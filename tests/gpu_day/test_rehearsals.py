"""The whole day on the CPU, as small as it can be."""

import json
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks.gpu_day import check, speed, train
from benchmarks.gpu_day.__main__ import main
from benchmarks.gpu_day.parts import Day, Part
from engine.embedded import FOLDER
from engine.systems.opening import load_checkpoint
from tests.parity.conftest import DEFAULT

pytestmark = pytest.mark.slow


def rehearsed(command: str, folder: Path, parts: tuple[Part, ...]) -> dict[str, dict[str, Any]]:
    """The command's parts by name, all of which must be done."""
    out = folder / "out"
    code = main([
        command, "--device", "cpu", "--rehearse", "--out", str(out), "--work", str(folder / "work"),
        "--goldens", str(DEFAULT),
    ])  # fmt: skip
    found = json.loads((out / f"{command}.json").read_text(encoding="utf-8"))["parts"]
    assert {part["name"]: part["state"] for part in found} == {part.name: "done" for part in parts}
    assert code == 0
    assert (out / f"{command}.md").read_text(encoding="utf-8").count("\n") > len(parts)
    return {part["name"]: part for part in found}


def rows(part: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {row["what"]: row for row in part["rows"]}


def test_check(tmp_path: Path) -> None:
    parts = rehearsed("check", tmp_path, check.PARTS)
    missed = [
        row
        for part in parts.values()
        for row in part["rows"]
        if row["right"] is False and (DEFAULT.is_dir() or "record" not in part["name"])
    ]
    assert missed == []
    assert rows(parts["the_card"])["matrix products"]["more"]["flop_per_s"] > 1e8
    tests = rows(parts["gpu_tests"])["tests/gpu/test_on_a_card.py"]
    assert "passed" in tests["measured"] and "skipped" not in tests["measured"]
    same = rows(parts["small_model"])["rocket in float32"]
    assert same["measured"].startswith("cells 1.000, voxels 1.000, faces 0.00%")
    lower = rows(parts["memory_runs_out"])["with 50% of it"]
    assert lower["measured"] == "done: one network at a time, cells 1.000"
    assert any("Memory ran out" in note for note in lower["more"]["notes"])
    if DEFAULT.is_dir():
        (tests,) = parts["recorded_float32"]["rows"]
        assert "passed" in tests["measured"]
        assert len(parts["recorded_half"]["rows"]) == 3


def test_speed(tmp_path: Path) -> None:
    parts = rehearsed("speed", tmp_path, speed.PARTS)
    usual, plain = parts["cascade_1024"], parts["cascade_1024_plain"]
    work = rows(usual)["1024_cascade resident: all networks"]["more"]
    base = rows(plain)["1024_cascade plain: all networks"]["more"]
    assert work["flop"] == base["flop"] > 0 and work["seconds"] > 0
    stage = rows(usual)["1024_cascade resident: shape 1024"]["more"]
    assert stage["cells"] > 0 and stage["planned_bytes"] > 0
    profiles = [row for row in usual["rows"] if row["what"].startswith("profile of")]
    whole = [row for row in profiles if "lines" in row["more"]]
    assert len(whole) == 2  # the slowest stage, and the slowest of the other sort
    assert all(row["more"]["lines"][0]["seconds"] > 0 for row in whole)
    *ways, saved = parts["cascade_1024_ahead"]["rows"]
    assert [row["more"]["seconds"] > 0 for row in ways] == [True, True]
    # The network that is on its way counts, at the largest stage too unless that is the last.
    assert ways[1]["more"]["counted_bytes"] >= ways[0]["more"]["counted_bytes"] > 0
    assert saved["measured"].endswith("%")
    lean = rows(parts["type_512_lean"])["512 streamed: all networks"]["more"]
    assert lean["planned_bytes"] < rows(parts["type_512"])["512 resident: all networks"]["more"][
        "planned_bytes"
    ]  # fmt: skip


def test_plain_is_another_way(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The baseline prepares nothing: keys and values of the picture are made in every pass."""
    from engine.networks.dit import CrossAttention

    made = []
    context = CrossAttention.context
    monkeypatch.setattr(CrossAttention, "context", lambda *args: made.append(1) or context(*args))
    nowhere = tmp_path / "nowhere"
    day = Day("cpu", True, nowhere, nowhere, nowhere, nowhere)
    counts = []
    with torch.random.fork_rng():
        for part in (speed.type_512, speed.cascade_1024_plain):
            made.clear()
            list(part(day))
            counts.append(len(made))
    # Three flows of one block, twice, since one pass is not counted; then every pass of four.
    assert counts[0] == 6 and counts[1] > 3 * 4


def test_train(tmp_path: Path) -> None:
    nowhere = tmp_path / "nowhere"
    day = Day("cpu", True, tmp_path / "out", tmp_path / "work", nowhere, nowhere)
    # No time at all: it stops after the first toy, and the command goes on from there.
    *_, last = train.training(replace(day, ends=0.0))
    assert "stopped in time" in last.measured
    parts = rehearsed("train", tmp_path, train.PARTS)
    told = rows(parts["training"])
    assert "finished" in told["recipe"]["measured"]
    assert told["words"]["measured"].startswith("left out")
    assert told["data"]["measured"].startswith("1 to 1 of 1")
    assert told["texture_flow"]["more"]["done"] == 2
    assert parts["evaluation"]["rows"][0]["what"] == "reconstruction, 1 toys"
    out = tmp_path / "out"
    assert (out / "sheet.webp").stat().st_size > 1000
    archives = sorted(out.glob("embedded_*.zip"))
    assert archives and all(archive.stat().st_size < 16 << 20 for archive in archives)
    assert len([*out.iterdir()]) <= 8
    for archive in archives:
        zipfile.ZipFile(archive).extractall(tmp_path / "back")
    shipped = tmp_path / "back" / "embedded"
    # Packages bring what reads words, and the trunk; rehearsals do without.
    packaged = {"text_encoder.json", "text_encoder.safetensors", "image_encoder.license.txt"}
    wanted = {path.name for path in (FOLDER / "ckpts").iterdir()} - packaged
    assert {path.name for path in (shipped / "ckpts").iterdir()} == wanted
    assert load_checkpoint(shipped, offline=True).models
