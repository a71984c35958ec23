"""Every text of the extension has its words in every language, and the finder finds them."""

from pathlib import Path

import pytest

from tests.house import texts

FILES = sorted(texts.LANGUAGES.glob("*.json"))
SAMPLE = '''
"""A module about a thing."""

STATES = {"absent": "No engine is set up"}
SIZES = (("512", "512 px", "Textures of 512 by 512 pixels"),)


class MAQUETTE_OT_thing(Operator):
    """Do a thing"""

    bl_idname = "maquette.thing"
    bl_label = "Thing"
    size: IntProperty(name="Size", description="In pixels")

    def execute(self, context: "Context | None") -> "set[str] | None":
        """Not shown to anybody."""
        logger.info("Nobody reads this.")
        row.operator("maquette.thing", text="Again" if x else "Once More", icon="IMPORT")
        raise EngineError("thing_gone", said("{name} is gone.", name=f"{a} of {b}"), "Make one.")
'''


def test_there_is_german() -> None:
    assert [file.stem for file in FILES] == ["de_DE"]
    assert len(texts.texts()) > 500


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_text_has_its_words(file: Path) -> None:
    assert texts.faults(texts.language(file), texts.texts()) == []


def test_what_is_shown_is_found_and_nothing_else() -> None:
    assert set(texts.of_source(SAMPLE)) == {
        *("No engine is set up", "Textures of 512 by 512 pixels", "Do a thing", "Thing", "Size"),
        *("In pixels", "Again", "Once More", "{name} is gone.", "Make one."),
    }


@pytest.mark.parametrize(
    ("text", "words", "fault"),
    [
        ("{name} is gone.", "{nam} ist weg.", "other values"),
        ("{n:.0f} s", "{n} s", "other values"),
        ("It is gone.", "Es ist weg", "ends otherwise"),
        ("Gone", "", "empty"),
    ],
)
def test_a_bad_translation_is_seen(text: str, words: str, fault: str) -> None:
    (found,) = texts.faults({"*": {text: words}}, [text])
    assert fault in found


def test_what_is_missing_or_left_over_is_seen() -> None:
    table = {"*": {"Old": "Alt"}, "Operator": {"Other": "Anders"}}
    found = texts.faults(table, ["New"])
    assert [fault.rpartition("'")[2] for fault in found] == [
        " is missing",
        " is shown nowhere",
        " of Operator does not stand under *",
    ]
