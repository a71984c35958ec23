"""Set up a virtual environment beside this file and run a command in it.

    python run.py test [pytest arguments]    run the tests
    python run.py demo                       make assets from pictures and say where they are
    python run.py maquette [arguments]       the command line of Maquette
    python run.py python [arguments]         any Python command in the environment
    python run.py setup                      only set up the environment

Needs Python 3.11 or newer and nothing else. The environment is rebuilt when Python, the folder
or pyproject.toml changes, or when a set-up was cut short. A `.venv` that is a link belongs to a
developer and is used unchanged.
"""

import errno
import hashlib
import importlib.util
import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
STAMP = VENV / "maquette-stamp.txt"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
OLDEST = (3, 11)

EXAMPLES = ROOT / "examples"
DEMO_PICTURE = EXAMPLES / "mushroom.png"
DEMO_OUT = ROOT / "out" / "demo"
DEMO_SECONDS = 60.0


class Refused(Exception):
    """A sentence for the user; the run ends with status 1."""


def main(arguments):
    if not arguments or arguments[0] in ("-h", "--help") or arguments[0] not in COMMANDS:
        print((__doc__ or "").strip())
        return 0 if arguments and arguments[0] in ("-h", "--help") else 2
    # Threads that wait at full speed slow each other down where anything else runs (engine/cli.py).
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        set_up()
        return COMMANDS[arguments[0]](arguments[1:])
    except PermissionError as error:
        print(
            f"run.py: {error.filename or ROOT} cannot be written. Copy the folder to a place where "
            "you may write, and run it there.",
            file=sys.stderr,
        )
        return 1
    except Refused as refusal:
        print(f"run.py: {refusal}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("run.py: stopped.", file=sys.stderr)
        return 130


def set_up():
    """Make or repair the environment, unless it is up to date."""
    check_python()
    if VENV.is_symlink():
        if not PYTHON.exists():
            raise Refused(".venv is a link that leads nowhere. Remove it and run again.")
        return
    wanted = stamp()
    found = STAMP.read_text(encoding="utf-8") if STAMP.exists() else ""
    if found == wanted and PYTHON.exists():
        return
    if not os.access(ROOT, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(ROOT))
    # The last line is the project file; all before it must agree or the environment is useless.
    reusable = found.splitlines()[:-1] == wanted.splitlines()[:-1] and PYTHON.exists()
    inside = Path(sys.prefix).resolve() == VENV
    STAMP.unlink(missing_ok=True)
    if not reusable and not inside:
        say("Making a virtual environment in .venv")
        check_venv_module()
        if call([sys.executable, "-m", "venv", "--clear", str(VENV)]) != 0:
            raise Refused("Python could not make .venv. Remove that folder and run again.")
    say("Installing Maquette and what it needs (minutes the first time)")
    pip = [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    if call([*pip, "--editable", str(ROOT) + "[dev]"]) != 0:
        raise Refused("pip could not install the project (see above). Fix that and run again.")
    STAMP.write_text(wanted, encoding="utf-8")


def stamp():
    """What the environment was made from: Python, place and project file, one a line."""
    project = (ROOT / "pyproject.toml").read_bytes().replace(b"\r\n", b"\n")
    return f"{sys.version.split()[0]}\n{ROOT}\n{hashlib.sha256(project).hexdigest()}\n"


def check_python():
    if sys.version_info[:2] < OLDEST:
        raise Refused(
            "This is Python {}.{}; Maquette needs {}.{} or newer.".format(
                *sys.version_info[:2], *OLDEST
            )
        )


def check_venv_module():
    for module in ("venv", "ensurepip"):
        if importlib.util.find_spec(module) is None:
            raise Refused(
                f"This Python has no module {module}. On Debian or Ubuntu install it by "
                "`sudo apt install python3-venv`, then run again."
            )


def run_tests(arguments):
    return call([str(PYTHON), "-m", "pytest", *arguments])


def run_maquette(arguments):
    return call([str(PYTHON), "-m", "engine", *arguments])


def run_python(arguments):
    return call([str(PYTHON), *arguments])


def run_setup(_arguments):
    say("The environment is ready in .venv")
    return 0


def run_demo(_arguments):
    """The main job: a picture to a textured GLB, and a turntable to look at it; then the other
    examples, as many as fit into a minute."""
    DEMO_OUT.mkdir(parents=True, exist_ok=True)
    begin = time.monotonic()
    asset = asset_of(DEMO_PICTURE)
    turntable = asset.with_suffix(".webp")
    status = generate(DEMO_PICTURE)
    status = status or run_maquette(["render", str(asset), "-o", str(turntable)])
    if status:
        return status
    say("The picture was", DEMO_PICTURE)
    say("The asset made from it is in", asset)
    say("It turns around in", turntable)
    others = [path for path in sorted(EXAMPLES.glob("*.png")) if path != DEMO_PICTURE]
    made, longest = 0, 0.0
    for picture in others:
        last = time.monotonic()
        # The first of all is no measure: it may have waited for kernels.
        if last - begin + longest > DEMO_SECONDS:
            break
        status = generate(picture)
        if status:
            return status
        made, longest = made + 1, max(longest, time.monotonic() - last)
    say("In the minute there was time for", made, "of", len(others), "other pictures of examples")
    return 0


def generate(picture):
    return run_maquette(["generate", str(picture), "-o", str(asset_of(picture))])


def asset_of(picture):
    return DEMO_OUT / f"{picture.stem}.glb"


def call(command):
    """Run a command in this terminal and return its exit status, 128 + n for a signal n."""
    process = subprocess.Popen(command)
    interrupted = False
    while process.poll() is None:
        try:
            process.wait()
        except KeyboardInterrupt:
            # The command got it too; it is given the time to leave nothing half-written.
            interrupted = True
    if interrupted:
        raise KeyboardInterrupt
    return process.returncode if process.returncode >= 0 else 128 - process.returncode


def say(*words):
    print(*words, flush=True)


COMMANDS = {
    "test": run_tests,
    "demo": run_demo,
    "maquette": run_maquette,
    "python": run_python,
    "setup": run_setup,
}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
