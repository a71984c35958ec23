"""Commands of ours as people can paste them."""

import shlex
from pathlib import Path

_CHECKOUT = Path(__file__).resolve().parents[2]


def command(*words: str) -> str:
    """A command of Maquette: by run.py in a checkout, by its own name where it is installed."""
    return shlex.join([*_start(), "maquette", *words])


def python_command(*words: str) -> str:
    """A command of the Python that Maquette runs in."""
    return shlex.join([*_start(), "python", *words])


def _start() -> list[str]:
    return ["python", "run.py"] if (_CHECKOUT / "run.py").is_file() else []
