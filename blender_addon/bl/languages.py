"""The translations of the extension's texts, given to Blender.

A language is a JSON file beside this package: msgid -> msgstr by context, as Blender's own. What
stands under "*" is good for buttons of operators as well, which Blender looks up under "Operator",
and under ``language.OWN``.
"""

import json
from pathlib import Path

import bpy  # pyright: ignore[reportMissingImports]

from ..core import language

FOLDER = Path(__file__).parents[1] / "languages"
Table = dict[tuple[str, str], str]


def register(package: str) -> None:
    """Give all of them to Blender, and let the use-cases look up there."""
    unregister(package)
    bpy.app.translations.register(package, {file.stem: table(file) for file in files()})
    language.use(look_up)


def look_up(text: str) -> str:
    """In the language of Blender's interface: our words, or else Blender's."""
    found = bpy.app.translations.pgettext_iface(text, language.OWN)
    return found if found != text else bpy.app.translations.pgettext_iface(text)


def unregister(package: str) -> None:
    """Take them away; what is not there is no fault."""
    language.use(None)
    bpy.app.translations.unregister(package)


def files() -> list[Path]:
    """One for each language, called as Blender calls it, such as de_DE."""
    return sorted(FOLDER.glob("*.json"))


def table(file: Path) -> Table:
    """As Blender wants it: (context, msgid) -> msgstr."""
    contexts = json.loads(file.read_text(encoding="utf-8"))
    usual = contexts["*"]
    found = {
        (context, text): usual[text]
        for text in usual
        for context in ("*", "Operator", language.OWN)
    }
    for context, texts in contexts.items():
        found |= {(context, text): words for text, words in texts.items()}
    return found
