"""A stand-in for a panel's layout."""

from types import SimpleNamespace
from typing import Any

import pytest

from tests.blender import addon


def plain_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sentences are written down whole, without a window whose width they have to fit into."""

    def say(layout: Any, _context: Any, text: str, **_: Any) -> None:
        if text:
            layout.label(text)

    module = addon.module("bl.text")
    monkeypatch.setattr(module, "say", say)
    monkeypatch.setattr(module, "short", lambda _context, text, _width: text)
    monkeypatch.setattr(module, "room", lambda *_, **__: 300)


class Layout:
    """Writes down what is drawn: (operator, words, its properties) and texts."""

    def __init__(self) -> None:
        self.operators: list[tuple[str, str, Any]] = []
        self.texts: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return lambda *_, **__: self

    def label(self, text: str = "", **_: Any) -> None:
        self.texts.append(text)

    def operator(self, name: str, text: str = "", **_: Any) -> Any:
        self.operators.append((name.removeprefix("maquette."), text, SimpleNamespace()))
        return self.operators[-1][2]
