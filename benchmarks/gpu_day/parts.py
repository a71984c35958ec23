"""Parts of a command: each in a process of its own, within its time, its rows kept as they come.

What one part breaks (a device that no longer answers, a kernel that hangs, a crash) the next one
does not see. The table and the JSON are written anew after every part, so that a command that is
cut off leaves what it had.
"""

import json
import multiprocessing
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

WAIT = 0.2
"""Seconds between two looks at a part that says nothing."""
SAVING = 10.0
"""Seconds of a command that are kept for the end."""


@dataclass(frozen=True)
class Row:
    """A line of the table.

    Args:
        what: was measured.
        measured: the figure, with its unit.
        wanted: the bar, or nothing.
        right: whether the bar is met; None where there is none.
        more: everything else, for the JSON.
    """

    what: str
    measured: str
    wanted: str = ""
    right: bool | None = None
    more: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Day:
    """What all parts are told; it travels to their processes.

    Args:
        device: torch's name for it.
        rehearse: everything as small as it can be, to see whether it runs at all.
        out: gets what is carried back.
        work: for what goes on in the next call: data and states of a training.
        goldens: recorded cases of the reference implementation.
        state: archives of a training that another machine began.
        ends: ``time.time()`` at which the running part is ended; set by ``run_parts``.
    """

    device: str
    rehearse: bool
    out: Path
    work: Path
    goldens: Path
    state: Path
    ends: float = 0.0

    @property
    def on_card(self) -> bool:
        return self.device.startswith("cuda")


@dataclass(frozen=True)
class Part:
    """One thing that is found out.

    Args:
        run: yields rows as it finds them; its name is the part's. A module's function, so that
            another process can have it.
        limit: seconds after which it is ended.
        least: seconds without which it is not begun.
        leaves: seconds that it must leave to the parts after it.
    """

    run: Callable[[Day], Iterator[Row]]
    limit: float
    least: float = 15.0
    leaves: float = 0.0

    @property
    def name(self) -> str:
        return self.run.__name__


@dataclass
class Result:
    """What became of a part: ``done``, ``failed``, ``ended`` at its limit, or ``left out``."""

    name: str
    state: str
    seconds: float = 0.0
    rows: list[Row] = field(default_factory=list)
    trouble: str = ""


def run_parts(
    command: str, parts: Sequence[Part], day: Day, seconds: float, say: Callable[[str], None]
) -> list[Result]:
    """Run the parts in order and write ``<command>.json`` and ``<command>.md`` into ``day.out``.

    Args:
        seconds: for all of them; what no longer fits is left out.
        say: is told a line of text now and then.
    """
    day.out.mkdir(parents=True, exist_ok=True)
    begin = time.time()
    end = begin + seconds - SAVING
    results: list[Result] = []
    for part in parts:
        left = end - time.time() - part.leaves
        if left < part.least:
            why = f"{max(0, left):.0f} s were left and it takes at least {part.least:.0f}"
            results.append(Result(part.name, "left out", trouble=why))
        else:
            say(f"-- {part.name} (at most {min(part.limit, left):.0f} s)")
            results.append(_in_a_process(part, day, min(part.limit, left), say))
        result = results[-1]
        why = f": {result.trouble.splitlines()[-1]}" if result.trouble else ""
        say(f"-- {part.name}: {result.state} after {result.seconds:.0f} s{why}")
        _save(command, day, results, time.time() - begin)
    return results


def _in_a_process(part: Part, day: Day, limit: float, say: Callable[[str], None]) -> Result:
    from dataclasses import replace

    result = Result(part.name, "failed")
    begin = time.time()
    here, there = _context().Pipe(duplex=False)
    process = _context().Process(target=_run, args=(part, replace(day, ends=begin + limit), there))
    process.start()
    there.close()
    try:
        while time.time() - begin < limit:
            if not here.poll(WAIT):
                if not process.is_alive() and not here.poll():
                    result.trouble = f"its process ended with {process.exitcode}"
                    break
                continue
            try:
                found = here.recv()
            except EOFError:
                process.join(5)
                result.trouble = f"its process ended with {process.exitcode}"
                break
            if isinstance(found, Row):
                result.rows.append(found)
                say(f"   {found.what}: {found.measured}{_verdict(found)}")
                continue
            result.state, result.trouble = found
            break
        else:
            result.state, result.trouble = "ended", f"it was not done after {limit:.0f} s"
    finally:
        if result.state == "ended":
            process.kill()
        process.join(10)
        if process.is_alive():
            process.kill()
            process.join()
    result.seconds = time.time() - begin
    return result


def _run(part: Part, day: Day, pipe: Connection) -> None:
    """In the part's process."""
    try:
        for row in part.run(day):
            pipe.send(row)
    except BaseException:  # noqa: BLE001 - whatever it is, the table tells it
        pipe.send(("failed", traceback.format_exc()))
    else:
        pipe.send(("done", ""))


def _context() -> Any:
    # A server that has imported torch and has not touched the card forks faster than Python starts.
    if "forkserver" in multiprocessing.get_all_start_methods():
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["torch", "engine.bench.run"])
        return context
    return multiprocessing.get_context("spawn")


def _save(command: str, day: Day, results: Sequence[Result], seconds: float) -> None:
    content = {
        "command": command,
        "device": day.device,
        "rehearsed": day.rehearse,
        "seconds": seconds,
        "parts": [asdict(result) for result in results],
    }
    text = json.dumps(content, indent=1, default=str) + "\n"
    (day.out / f"{command}.json").write_text(text, encoding="utf-8")
    (day.out / f"{command}.md").write_text(table(results), encoding="utf-8")


def table(results: Sequence[Result]) -> str:
    """Markdown: a line for each row, and one for each part that is not done."""
    lines = ["| part | what | measured | wanted |", "| --- | --- | --- | --- |"]
    for result in results:
        for row in result.rows:
            cells = (result.name, row.what, row.measured + _verdict(row), row.wanted)
            lines.append(_line(cells))
        if result.state != "done":
            last = result.trouble.splitlines()[-1] if result.trouble else ""
            lines.append(_line((result.name, f"**{result.state}**", last, "")))
    return "\n".join(lines) + "\n"


def _verdict(row: Row) -> str:
    return "" if row.right is None else ", kept" if row.right else ", **missed**"


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"
