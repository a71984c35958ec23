"""What people see: one bar for a job, results below it, and a Ctrl-C that nobody can swallow."""

import io
import os
import signal
import sys

import pytest
import typer
from rich.console import Console

from engine.commands import console, interrupt, progress


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """A terminal of 100 columns."""
    screen = io.StringIO()
    terminal = Console(file=screen, force_terminal=True, width=100)
    for module in (console, progress):
        monkeypatch.setattr(module, "err", terminal)
    monkeypatch.setattr(console, "out", terminal)
    return screen


def test_results_come_when_the_bar_is_closed(screen: io.StringIO) -> None:
    with console.results() as show, progress.followed() as follow:
        report = follow.report("rocket.glb")
        with report.ending(), report.stage("writing"):
            show("Written to x.")
    text = screen.getvalue()
    assert "Starting" in text
    assert "Writing the file" in text and "rocket.glb" in text and "100%" in text
    assert text.endswith("Written to x.\n")
    assert text.count("Written to x.") == 1


def test_results_are_shown_after_an_error_too(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError), console.results() as show, progress.followed():
        show("The first is done.")
        raise ValueError
    assert "The first is done." in capsys.readouterr().out


def test_a_log_file_gets_a_line_for_each_stage(capsys: pytest.CaptureFixture[str]) -> None:
    with progress.followed() as follow:
        report = follow.report()
        report.expect(("picture", "encode", "shape"))
        for stage in ("picture", "encode", "shape"):
            with report.stage(stage, 2) as step:
                step(1)
        report.note("It is small.")
        report.note("Kept on the device.", detail=True)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "Starting"
    assert [line.strip() for line in lines if "%" in line] == [
        "0%  Preparing the picture",
        "28%  Looking at the picture",
        "44%  Making the shape",
    ]
    assert lines[-1] == "It is small."


def test_details_are_for_who_asks(capsys: pytest.CaptureFixture[str]) -> None:
    with progress.followed(verbose=True) as follow:
        for _ in range(2):
            follow.report().note("Kept on the device.", detail=True)
    assert capsys.readouterr().err.count("Kept on the device.") == 1


@pytest.mark.skipif(sys.platform == "win32", reason="there a process cannot signal itself so")
@pytest.mark.parametrize("then", ["report", "fail"])
def test_a_swallowed_ctrl_c_comes_again(then: str, capsys: pytest.CaptureFixture[str]) -> None:
    """As libraries do it that catch everything while something is imported."""
    started_with = signal.getsignal(signal.SIGINT)
    # A process that was started in the background inherits "ignored".
    signal.signal(signal.SIGINT, before := signal.default_int_handler)
    try:
        _press_and_swallow(then, capsys, before)
    finally:
        signal.signal(signal.SIGINT, started_with)


def _press_and_swallow(then: str, capsys: pytest.CaptureFixture[str], before: object) -> None:
    with pytest.raises(typer.Exit) as stopped, console.errors_shown(debug=False):
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
        if then == "fail":
            raise AttributeError("half a module")
        with progress.followed() as follow, follow.report().stage("writing"):
            pass
        raise AssertionError("went on")
    assert stopped.value.exit_code == 130
    assert capsys.readouterr().err.strip().endswith("Stopped.")
    assert signal.getsignal(signal.SIGINT) is before
    with interrupt.remembered():
        interrupt.check()  # forgotten with the next verb


def test_counted() -> None:
    assert [console.counted(n, "file") for n in (0, 1, 1200)] == [
        "0 files",
        "1 file",
        "1,200 files",
    ]
