"""Texts in the language of Blender's interface: the sentence is translated, then filled in."""

from collections.abc import Callable
from typing import Any

OWN = "Maquette"
"""A context of translations in which Blender knows no words: for texts that its own words, which go
before ours, do not fit. "Fast" is "Einfügen" to it, and "Open" a verb."""


def _as_it_is(text: str) -> str:
    return text


_translate: Callable[[str], str] = _as_it_is


def use(translate: Callable[[str], str] | None) -> None:
    """From here on texts are looked up with it; None: they stay in English."""
    global _translate
    _translate = translate or _as_it_is


def said(text: str, **values: Any) -> str:
    """A text for the user.

    Args:
        text: in English, as a literal, so that it is found for translators; ``{name}`` for a value.
        values: by name.
    """
    translated = _translate(text) if text else ""
    return translated.format(**values) if values else translated


def whole(sentence: str, hint: str) -> str:
    """What is wrong, and the remedy, each of which may be translated already."""
    return f"{said(sentence)} {said(hint)}".strip()
