"""Run the tests of the extension in Blender: tests/blender/conftest.py says how."""

import os
import platform
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import build_addon
from tests.blender.environments import PYTHONS, Missing, one, usable

ROOT = Path(__file__).resolve().parents[2]
LOGS = ROOT / "out" / "blender"
AT_ONCE = 2
WITH_REAL_ENGINE = "5.3.0"
"""Where all versions run, two minutes of real generations are spent once, in the newest."""


def main(arguments: list[str]) -> int:
    named = [argument for argument in arguments if argument in PYTHONS]
    everything = "all" in arguments
    rest = [argument for argument in arguments if argument not in (*PYTHONS, "all")]
    versions = list(PYTHONS) if everything else named or [one()[0]]
    with tempfile.TemporaryDirectory(prefix="maquette-blender-") as folder:
        (file,) = build_addon.build(Path(folder), [this_platform()])
        if len(versions) == 1:
            return _run(versions[0], file, rest, None, True)
        return _matrix(versions, file, rest)


def this_platform() -> str:
    """Blender's name of this machine's platform."""
    system = {"darwin": "macos"}.get(platform.system().lower(), platform.system().lower())
    machine = platform.machine().lower()
    return (
        f"{system}-{ {'x86_64': 'x64', 'amd64': 'x64', 'aarch64': 'arm64'}.get(machine, machine) }"
    )


def _matrix(versions: list[str], zip_file: Path, rest: list[str]) -> int:
    """All versions, some at once, each into a file of its own; those that failed are shown."""
    LOGS.mkdir(parents=True, exist_ok=True)

    def run(version: str) -> int:
        start = time.monotonic()
        log = LOGS / f"{version}.txt"
        status = _run(version, zip_file, rest, log, version == WITH_REAL_ENGINE)
        lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines() or [""]
        shown = lines if status else [line for line in lines if line.startswith("SKIPPED")]
        text = "\n".join([*shown, f"Blender {version}: {lines[-1].strip('= ')}"])
        _say(f"{text} ({time.monotonic() - start:.0f} s with its start)")
        return status

    longest_first = sorted(versions, key=lambda version: version != WITH_REAL_ENGINE)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return max(pool.map(run, longest_first))


def _run(version: str, zip_file: Path, rest: list[str], log: Path | None, real: bool) -> int:
    try:
        python = usable(version)
    except Missing as missing:
        if log is None:
            _say(str(missing))
        else:
            log.write_text(f"left out: {missing}\n", encoding="utf-8")
        return 0 if log else 1
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("PYTHON")},
        "PYTHONNOUSERSITE": "1",
        "MAQUETTE_ADDON_ZIP": str(zip_file),
        "MAQUETTE_PYTHON": sys.executable,
        "MAQUETTE_REAL_ENGINE": "1" if real else "0",
    }
    paths = [] if any(word.startswith("tests") for word in rest) else ["tests/blender"]
    # A folder of its own for files: other runs of pytest clear theirs at the same time.
    fixed = ("-p", "no:cacheprovider", f"--basetemp={zip_file.parent / version}")
    command = [str(python), "-m", "pytest", *fixed, *paths, *rest]
    if log is None:
        return subprocess.run(command, cwd=ROOT, env=environment).returncode
    with log.open("wb") as written:
        return subprocess.run(
            command, cwd=ROOT, env=environment, stdout=written, stderr=subprocess.STDOUT
        ).returncode


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
