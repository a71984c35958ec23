"""Real Blenders for tests: an environment for each version with its bpy wheel.

They lie in MAQUETTE_BPY_HOME, else in .bpy of the project, take about a gigabyte each, and are made
when they are first wanted:

    python -m tests.blender.environments 4.5.15 5.3.0

A folder that holds no file "ok" was cut short and is made again.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HOME = Path(os.environ.get("MAQUETTE_BPY_HOME") or ROOT / ".bpy")

PYTHONS = {"4.2.23": "3.11", "4.5.15": "3.11", "5.0.1": "3.11", "5.2.3": "3.13", "5.3.0": "3.13"}
"""Version of Blender -> of the Python that its wheel is made for."""

PREFERRED = ("4.5.15", "5.3.0")
"""What is taken where one version is enough: the older long-term release needs the older Python."""

REQUIREMENTS = ("pytest>=8.3,<10", "pytest-timeout>=2.3,<3")
OTHERS = {"4.2.23": ("numpy<2",)}
"""What Blender itself has, where the wheel does not say."""

SYSTEM_LIBRARIES = (
    *("libx11-6", "libxrender1", "libxxf86vm1", "libxfixes3", "libxi6", "libxkbcommon0"),
    *("libsm6", "libice6", "libgl1", "libgomp1", "libegl1", "libegl-mesa0", "libgl1-mesa-dri"),
)
"""Packages of Debian that the wheels want."""


class Missing(Exception):
    """Why there is no such Blender here, in a sentence."""


def environment(version: str) -> Path:
    """The Python of a version's environment, which is made if need be.

    Raises:
        Missing: it cannot be had here.
    """
    folder = HOME / version
    if not (folder / "ok").exists():
        interpreter = _interpreter(PYTHONS[version])
        _say(f"Making {folder} with bpy {version} (about a gigabyte, a minute)")
        _run("could not be made", interpreter, "-m", "venv", "--clear", str(folder))
        pip = (str(_python(folder)), "-m", "pip", "install", "-q", "--no-compile")
        wanted = (f"bpy=={version}", *REQUIREMENTS, *OTHERS.get(version, ()))
        _run("could not be filled", *pip, *wanted)
        (folder / "ok").touch()
    return _python(folder)


def usable(version: str, *, install: bool = False) -> Path:
    """The same, after a look at whether its bpy can be imported.

    Args:
        version: of Blender.
        install: put the system's libraries in place where they are missing (Debian, as root).

    Raises:
        Missing: it cannot be had here.
    """
    python = environment(version)
    problem = _problem(python)
    if problem and install and shutil.which("apt-get") and _is_root():
        _say("Installing the system's libraries that bpy wants")
        _run("could not update", "apt-get", "update", "-qq")
        apt = ("apt-get", "install", "-qq", "-y", "--no-install-recommends")
        _run("could not install", *apt, *SYSTEM_LIBRARIES)
        problem = _problem(python)
    if problem:
        raise Missing(f"bpy {version} cannot be used: {problem}")
    return python


def one() -> tuple[str, Path]:
    """A version and its Python where one version is enough: one that is here, else one that can
    be made.

    Raises:
        Missing: there is none.
    """
    reasons: list[str] = []
    for version in sorted(PREFERRED, key=lambda each: not (HOME / each / "ok").exists()):
        try:
            return version, usable(version)
        except Missing as missing:
            reasons.append(str(missing))
    raise Missing(" ".join(reasons))


def extension_tool() -> tuple[str, ...]:
    """The command that Blender runs for `blender --command extension`."""
    _, python = one()
    packages = "Lib/site-packages" if os.name == "nt" else "lib/python3.*/site-packages"
    tool = f"{packages}/bpy/*/scripts/addons_core/bl_pkg/cli/blender_ext.py"
    return str(python), *map(str, python.parents[1].glob(tool))


def _problem(python: Path) -> str:
    """Why an environment is of no use; empty: it is."""
    look = "import importlib.util as u, bpy; print(*filter(u.find_spec, ('zmq', 'msgpack')))"
    done = subprocess.run([str(python), "-c", look], capture_output=True, text=True)
    if done.returncode != 0:
        return (done.stderr.strip().splitlines() or ["it crashed"])[-1]
    hiding = " and ".join(done.stdout.split())
    return f"{hiding} in it would hide those of the extension. Uninstall them." if hiding else ""


def _interpreter(wanted: str) -> str:
    candidates = [sys.executable, f"python{wanted}"]
    pyenv = Path.home() / ".pyenv" / "versions"
    newest_first = sorted(pyenv.glob(f"{wanted}.*/bin/python"), key=_numbers, reverse=True)
    for candidate in [*candidates, *map(str, newest_first)]:
        question = "import sys, venv; print('{}.{}'.format(*sys.version_info))"
        try:
            done = subprocess.run([candidate, "-c", question], capture_output=True, text=True)
        except OSError:
            continue
        if done.stdout.strip() == wanted:
            return candidate
    raise Missing(f"No Python {wanted} was found.")


def _numbers(path: Path) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", path.parents[1].name)]


def _python(folder: Path) -> Path:
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def _is_root() -> bool:
    return hasattr(os, "geteuid") and os.geteuid() == 0


def _run(what: str, *command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise Missing(f"An environment {what}: {' '.join((done.stderr or done.stdout).split())}")


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main(arguments: Iterable[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Make environments with Blender's bpy wheels.")
    parser.add_argument("versions", nargs="*", default=list(PYTHONS))
    failures = 0
    for version in parser.parse_args(arguments).versions:
        try:
            _say(f"Blender {version}: {usable(version, install=True)}")
        except Missing as missing:
            _say(f"Blender {version} is left out. {missing}")
            failures += 1
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
