"""What people see: results below the bars, and a Ctrl-C that nobody can swallow."""

import io
import os
import signal
import sys

import pytest
import typer
from rich.console import Console

from engine.commands import console, interrupt


def test_results_come_when_the_bars_are_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.StringIO()
    for name in ("out", "err"):
        monkeypatch.setattr(console, name, Console(file=screen, force_terminal=True, width=80))
    with console.results() as show, console.reporting() as report, report.stage("writing"):
        show("Written to x.")
    text = screen.getvalue()
    assert "writing" in text
    assert text.endswith("Written to x.\n")
    assert text.count("Written to x.") == 1


def test_results_are_shown_after_an_error_too(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError), console.results() as show, console.reporting():
        show("The first is done.")
        raise ValueError
    assert "The first is done." in capsys.readouterr().out


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
        with console.progress_bar() as report:
            report("writing", 0, 1)
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
