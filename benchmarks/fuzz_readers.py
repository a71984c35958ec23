"""Mutated mesh files against the readers: an error in words or a sound mesh, in time and memory.

python -m benchmarks.fuzz_readers [COUNT] [SEED] [KIND ...]    resumes what was begun
python -m benchmarks.fuzz_readers table                        what came of it, in Markdown
python -m benchmarks.fuzz_readers again KIND SEED NUMBER       one case, with what it raised
"""

import faulthandler
import json
import logging
import signal
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from tests.readers.fuzz import mutated, tried
from tests.readers.valid import SOURCES

FOLDER = Path("out") / "fuzz_readers"
EVERY = 500
"""Cases after which the state is written; a process that ends in between repeats them."""
ROUND = 5000
LONGEST = 600
"""Seconds for so many cases, on a machine that does much else; then the process ends itself."""


@dataclass
class State:
    """What was done of a kind."""

    done: int = 0
    seconds: float = 0.0
    slowest: float = 0.0
    memory: int = 0
    results: Counter[str] = field(default_factory=Counter[str])
    faults: dict[int, str] = field(default_factory=dict[int, str])

    @staticmethod
    def read(path: Path) -> "State":
        if not path.exists():
            return State()
        found = json.loads(path.read_text())
        found["results"] = Counter(found["results"])
        found["faults"] = {int(number): fault for number, fault in found["faults"].items()}
        return State(**found)

    def write(self, path: Path) -> None:
        path.with_suffix(".new").write_text(json.dumps(vars(self)))
        path.with_suffix(".new").replace(path)


def run(kind: str, count: int, seed: int) -> None:
    """Cases of a kind up to ``count``."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    path = FOLDER / f"{kind.replace(' ', '_')}_{seed}.json"
    at = path.with_suffix(".at")
    state = State.read(path)
    # A case that ended the process is known by its number, and stepped over.
    ended = int(at.read_text() or -1) if at.exists() else -1
    try:
        _go(kind, count, seed, state, path, ended)
    finally:
        at.unlink(missing_ok=True)
        faulthandler.cancel_dump_traceback_later()


def _go(kind: str, count: int, seed: int, state: State, path: Path, ended: int) -> None:
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder, path.with_suffix(".at").open("w") as last:
        while state.done < count:
            number = state.done
            if number % EVERY == 0:
                faulthandler.dump_traceback_later(LONGEST, exit=True)
            if number == ended:
                state.faults[number] = "it ended the process"
            else:
                last.seek(0)
                last.write(f"{number}\n")
                last.flush()
                outcome = tried(mutated(kind, seed, number), Path(folder))
                state.results[outcome.result] += 1
                state.slowest = max(state.slowest, outcome.seconds)
                state.memory = max(state.memory, outcome.memory)
                if outcome.fault:
                    state.faults[number] = outcome.fault
                    print(f"{kind} {seed} {number}: {outcome.fault}", flush=True)
            state.done += 1
            if state.done % EVERY == 0 or state.done == count or number == ended:
                state.seconds += time.perf_counter() - start
                start = time.perf_counter()
                state.write(path)


def table() -> str:
    """A row for each kind: how many files, meshes, errors and faults, the slowest, the memory."""
    rows = [
        "| kind | files | meshes | errors | faults | slowest, s | most memory, MB | minutes |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for path in sorted(FOLDER.glob("*.json")):
        state = State.read(path)
        meshes = state.results["mesh"]
        rows.append(
            f"| {path.stem} | {state.done:,} | {meshes:,} | {state.done - meshes:,} | "
            f"{len(state.faults)} | {state.slowest:.2f} | {state.memory / 2**20:.0f} | "
            f"{state.seconds / 60:.0f} |"
        )
    return "\n".join(rows)


def again(kind: str, seed: int, number: int) -> None:
    """One case, whose files stay in a folder."""
    logging.basicConfig(level=logging.DEBUG)
    folder = Path(tempfile.mkdtemp())
    files = mutated(kind, seed, number)
    print(tried(files, folder))
    for name, data in files.items():
        (folder / name).write_bytes(data)
    print(folder)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that no case takes the blame
    words = sys.argv[1:]
    if words == ["table"]:
        print(table())
    elif words[:1] == ["again"]:
        again(" ".join(words[1:-2]), int(words[-2]), int(words[-1]))
    else:
        numbers = [int(word) for word in words if word.isdigit()]
        count, seed = (numbers + [100_000, 15][len(numbers) :])[:2]
        kinds = [word for word in words if not word.isdigit()] or list(SOURCES)
        # In rounds, so that a run that is stopped has tried something of all kinds.
        for up_to in [*range(ROUND, count, ROUND), count]:
            for kind in kinds:
                run(kind, up_to, seed)
        print(table())
