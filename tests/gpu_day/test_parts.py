"""What one part breaks the others do not see, and everything is told."""

import json
import zipfile
from pathlib import Path

import pytest

from benchmarks.gpu_day.__main__ import main
from benchmarks.gpu_day.packing import ARCHIVES, pack
from benchmarks.gpu_day.parts import Day, Result, Row, run_parts, table
from benchmarks.gpu_day.prepare import CASES, pack_goldens, unpack
from tests.gpu_day.broken_parts import PARTS


def a_day(folder: Path) -> Day:
    nowhere = folder / "nowhere"
    return Day("cpu", True, folder / "out", folder / "work", nowhere, nowhere)


def test_parts_that_break(tmp_path: Path) -> None:
    said: list[str] = []
    results = run_parts("check", PARTS, a_day(tmp_path), 300, said.append)
    states = [result.state for result in results]
    assert states == ["failed", "failed", "ended", "failed", "done", "left out", "left out"]
    raised, died, hung, exited, worked, *left = results
    assert raised.rows == [Row("before", "1")]
    assert "ValueError: the card" in raised.trouble and "broken_parts.py" in raised.trouble
    assert died.rows == [Row("before", "2")] and died.trouble == "its process ended with 41"
    assert hung.rows[0].measured in ("7 s left", "8 s left")
    assert 8 <= hung.seconds < 20 and hung.trouble == "it was not done after 8 s"
    assert "SystemExit" in exited.trouble
    assert worked.rows[0].right and worked.rows[0].more == {"work": tmp_path / "work"}
    assert "at least 5000" in left[0].trouble
    assert any(line.startswith("-- dies: failed after") for line in said)

    kept = json.loads((tmp_path / "out" / "check.json").read_text())
    assert [part["state"] for part in kept["parts"]] == states
    assert kept["rehearsed"] is True and kept["device"] == "cpu"
    text = (tmp_path / "out" / "check.md").read_text()
    assert text == table(results)
    assert "| raises | **failed** | fell out |  |" in text
    assert "| works | device | cpu, kept | cpu \\| cuda |" in text


def test_a_bar_that_is_missed_stands_out() -> None:
    rows = [Row("a", "1 s", "2 s", True), Row("b", "3 s", "2 s", False), Row("c", "4 s")]
    lines = table([Result("speed", "done", rows=rows)]).splitlines()
    assert lines[2:] == [
        "| speed | a | 1 s, kept | 2 s |",
        "| speed | b | 3 s, **missed** | 2 s |",
        "| speed | c | 4 s |  |",
    ]


def test_a_part_that_nobody_knows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["check", "--device", "cpu", "--out", str(tmp_path), "--only", "the_car"])
    told = capsys.readouterr().err
    assert "no part is called the_car" in told and "the_card" in told
    with pytest.raises(SystemExit):
        main(["check"])
    assert "--out is missing" in capsys.readouterr().err


def test_archives_are_small_enough(tmp_path: Path) -> None:
    made = tmp_path / "made"
    made.mkdir()
    for number in range(9):
        # Nine tenths of an archive: bytes that nothing compresses.
        (made / f"network_{number}.bin").write_bytes(_noise(number, 90_000))
    (made / "done.json").write_text("{}")
    (made / "huge.bin").write_bytes(_noise(99, 120_000))
    out = tmp_path / "out"
    out.mkdir()
    (out / "embedded_9.zip").write_text("of an earlier call")
    archives, left = pack(made.iterdir(), made, out, "embedded", most=100_000)
    assert sorted(out.iterdir()) == archives and len(archives) == ARCHIVES
    assert all(archive.stat().st_size <= 100_000 for archive in archives)
    names = [name for archive in archives for name in zipfile.ZipFile(archive).namelist()]
    assert "done.json" in names and "huge.bin" in {path.name for path in left}
    assert {*names, *(path.name for path in left)} == {path.name for path in made.iterdir()}


def test_recordings_by_their_worth(tmp_path: Path) -> None:
    for name in (CASES[0], CASES[1], CASES[2]):
        size = 50_000 if name == CASES[1] else 5_000
        (tmp_path / "goldens" / name / "deeper").mkdir(parents=True)
        (tmp_path / "goldens" / name / "deeper" / "io.bin").write_bytes(_noise(size, size))
    archive = tmp_path / "carried" / "goldens.zip"
    taken, left = pack_goldens(tmp_path / "goldens", archive, 30_000)
    assert (taken, left) == ([CASES[0], CASES[2]], [CASES[1]])
    assert archive.stat().st_size < 30_000
    folder = unpack(archive, tmp_path / "there")
    again = unpack(archive, folder)  # what is there stays
    assert len((again / CASES[2] / "deeper" / "io.bin").read_bytes()) == 5_000


def _noise(seed: int, size: int) -> bytes:
    import random

    return random.Random(seed).randbytes(size)
