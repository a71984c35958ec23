"""The day's commands: ``check``, ``speed``, ``train``; ``prepare`` before them (docs/gpu_day.md).

python -m benchmarks.gpu_day prepare
python -m benchmarks.gpu_day check --out OUT
python -m benchmarks.gpu_day check --out OUT --device cpu --rehearse
"""

import argparse
import importlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.gpu_day.prepare import CARRIED, GOLDENS, NEEDED, prepare, unpack

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = ("check", "speed", "train")
WORK = Path(tempfile.gettempdir()) / "maquette_gpu_day"
SHARED = ROOT.parent / "shared" / "goldens" / "dev"
MINUTES = 7.7


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu_day")
    parser.add_argument("command", choices=("prepare", *COMMANDS))
    parser.add_argument("--out", type=Path, help="gets the JSON, the table and what comes back")
    parser.add_argument("--device", default="cuda", help="torch's name for it")
    parser.add_argument("--rehearse", action="store_true", help="as small as it can be")
    parser.add_argument("--minutes", type=float, default=MINUTES, help="for the whole command")
    parser.add_argument("--only", nargs="+", help="these parts alone, by name")
    parser.add_argument("--work", type=Path, default=WORK, help="kept between calls: trainings")
    parser.add_argument("--goldens", type=Path, help="recorded cases of the reference")
    asked = parser.parse_args(arguments)
    if asked.command == "prepare":
        prepare(asked.goldens or SHARED)
        return 0
    if asked.out is None:
        parser.error("--out is missing: a folder for the JSON and the table")
    install(asked.work)
    os.environ.setdefault("MAQUETTE_HOME", str(asked.work / "home"))
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from benchmarks.gpu_day.parts import Day, run_parts

    parts = importlib.import_module(f"benchmarks.gpu_day.{asked.command}").PARTS
    if asked.only:
        known = {part.name for part in parts}
        if unknown := set(asked.only) - known:
            parser.error(f"no part is called {', '.join(unknown)}; known are {', '.join(known)}")
        parts = [part for part in parts if part.name in asked.only]
    day = Day(
        device=asked.device,
        rehearse=asked.rehearse,
        out=asked.out.absolute(),
        work=asked.work.absolute(),
        goldens=asked.goldens or _goldens(asked.work),
        state=CARRIED / "state",
    )
    seconds = 60 * asked.minutes
    results = run_parts(asked.command, parts, day, seconds, lambda line: print(line, flush=True))
    print((day.out / f"{asked.command}.md").read_text(encoding="utf-8"))
    return 0 if all(result.state in ("done", "left out") for result in results) else 1


def install(work: Path) -> None:
    """The wheels that were carried along, for this process and those that it starts."""
    wheels = [str(path) for folder in NEEDED for path in folder.glob("*.whl")]
    if not wheels:
        return
    site = work / "site"
    command = [sys.executable, "-m", "pip", "install", "-q", "--no-index", "--no-deps"]
    options = ["--no-compile", "--no-cache-dir", "--upgrade", "--target", str(site)]
    if subprocess.run([*command, *options, *wheels], check=False).returncode:
        print("The wheels could not be installed; what needs them will fail.", flush=True)
        return
    sys.path.insert(0, str(site))
    before = [path for path in (os.environ.get("PYTHONPATH"),) if path]
    os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(site), *before])


def _goldens(work: Path) -> Path:
    archive = CARRIED / GOLDENS
    return unpack(archive, work / "goldens") if archive.is_file() else SHARED


if __name__ == "__main__":
    sys.exit(main())
