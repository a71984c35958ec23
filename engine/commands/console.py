"""What every verb of the command line needs: where to write, and how errors and progress look."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer
from rich.console import Console

from engine.commands import interrupt
from engine.settings import Settings
from protocol.errors import EngineError

if TYPE_CHECKING:
    from engine.report import Report

USER_ERROR, INTERRUPTED = 2, 130
SETTINGS = "maquette.settings"
"""Key in a typer context's ``meta`` under which cli.py leaves a function that gives Settings."""

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)


def settings_of(context: typer.Context) -> Settings:
    """The user's settings; to be called inside ``errors_shown``, since config.toml may be wrong."""
    read: Callable[[], Settings] = context.meta[SETTINGS]
    return read()


@contextmanager
def errors_shown(debug: bool) -> Iterator[None]:
    """An error that the user can fix: message and hint on stderr, exit status 2."""
    with interrupt.remembered():
        try:
            yield
        except KeyboardInterrupt:
            raise _stopped() from None
        except Exception as error:
            # A library whose import was interrupted, and that swallowed it, fails somehow later.
            if interrupt.pressed():
                raise _stopped() from None
            if not isinstance(error, EngineError):
                raise
            if debug:
                err.print_exception()
            err.print(f"Error: {error.message}", style="bold red", markup=False)
            err.print(error.hint, markup=False)
            raise typer.Exit(USER_ERROR) from None


def _stopped() -> typer.Exit:
    err.print("Stopped.")
    return typer.Exit(INTERRUPTED)


@contextmanager
def results() -> Iterator[Callable[[str], None]]:
    """A function that shows a line of results.

    To be entered before the progress bars: on a terminal it waits until they are closed, since
    they are drawn over what is printed meanwhile. What was made is told after an error too.
    """
    lines: list[str] = []

    def show(line: str) -> None:
        if err.is_terminal:
            lines.append(line)
        else:
            out.print(line, markup=False)

    try:
        yield show
    finally:
        for line in lines:
            out.print(line, markup=False)


def seconds_line(report: "Report") -> str:
    """Seconds of every stage, and of all."""
    return seconds_line_of(report.seconds)


def seconds_line_of(seconds: Mapping[str, float]) -> str:
    """As ``seconds_line``, of seconds by stage."""
    times = ", ".join(f"{stage} {value:.2f}" for stage, value in seconds.items())
    return f"Seconds: {times}; {sum(seconds.values()):.2f} in all."


def counted(count: int, noun: str) -> str:
    """A number of things for people: "1 file", "1,200 files"."""
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def binary_size(count: float) -> str:
    """Bytes for people: 2.4 GiB."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024 or unit == "GiB":
            break
        count /= 1024
    return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
