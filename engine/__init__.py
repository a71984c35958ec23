"""The engine: everything between a picture and a finished 3D asset."""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """``connect``, imported at its first use, so that ``import engine`` stays light."""
    if name == "connect":
        return import_module("engine.connecting").connect
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
