"""A stand-in for the session, and what panels and operators see of the engine."""

from typing import Any

import pytest

from tests.blender import addon


class Recorder:
    """A session that writes down what it is asked for."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []
        self.chosen = self

    def __getattr__(self, name: str) -> Any:
        def called(*values: Any, **named: Any) -> None:
            self.calls.append((name, values, named))

        return called

    def only(self) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
        """The one call there was."""
        (call,) = self.calls
        self.calls.clear()
        return call


def show(monkeypatch: pytest.MonkeyPatch, snapshot: Any) -> None:
    monkeypatch.setattr(addon.module("bl.tick"), "snapshot", lambda: snapshot)
