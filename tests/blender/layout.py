"""A stand-in for a panel's layout."""

from types import SimpleNamespace
from typing import Any


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
