"""Commands of ours as people can paste them."""

import shlex
from pathlib import Path

_CHECKOUT = Path(__file__).resolve().parents[2]


def command(*words: str) -> str:
    """A command of Maquette: by run.py in a checkout, by its own name where it is installed."""
    start = ["python", "run.py"] if (_CHECKOUT / "run.py").is_file() else []
    return shlex.join([*start, "maquette", *words])
