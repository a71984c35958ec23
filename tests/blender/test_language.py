"""What Blender itself shows of the extension has its words in every language."""

import json
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

import bpy
import pytest

from tests.blender import addon
from tests.blender.gui.states import states

pytestmark = pytest.mark.usefixtures("blank")


@pytest.fixture
def german() -> dict[tuple[str, str], str]:
    languages = addon.module("bl.languages")
    (file,) = languages.files()
    assert file.stem == "de_DE" and json.loads(file.read_text(encoding="utf-8"))
    return languages.table(file)


def shown() -> Iterator[tuple[str, str]]:
    """Context and text of labels, descriptions, properties and items of all that is registered."""
    for cls in addon.registered_classes():
        kind = cls.bl_rna if hasattr(cls, "bl_rna") else None
        context = "Operator" if issubclass(cls, bpy.types.Operator) else "*"
        if hasattr(cls, "bl_label"):
            yield getattr(cls, "bl_translation_context", context), cls.bl_label
        if context == "Operator":
            yield "*", cls.bl_rna.description
        for prop in kind.properties if kind else ():
            if prop.identifier not in getattr(cls, "__annotations__", ()) or prop.is_hidden:
                continue
            yield from (("*", prop.name), ("*", prop.description))
            if prop.type == "ENUM":
                for item in prop.enum_items_static:
                    yield from (("*", item.name), ("*", item.description))


def test_what_is_registered_has_its_words(german: dict[tuple[str, str], str]) -> None:
    found = {pair for pair in shown() if pair[1] and not pair[1].endswith(" px")}
    assert len(found) > 150
    assert sorted(found - set(german)) == []


def strings(value: Any) -> Iterator[str]:
    """All texts in a snapshot."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, tuple):
        for each in value:
            yield from strings(each)
    elif is_dataclass(value):
        for each in fields(value):
            yield from strings(getattr(value, each.name))


class Drawn:
    """A layout that keeps what is written on it: everything returns a layout."""

    def __init__(self, texts: list[tuple[str, str]]) -> None:
        object.__setattr__(self, "texts", texts)

    def __setattr__(self, _name: str, _value: object) -> None:
        pass

    def __getattr__(self, name: str) -> Any:
        def call(*_values: Any, **named: Any) -> Any:
            if named.get("text"):
                self.texts.append(
                    ("Operator" if name.startswith("operator") else "*", named["text"])
                )
            return (Drawn(self.texts),) * 2 if name == "panel" else Drawn(self.texts)

        return call


def test_what_is_drawn_in_any_state_is_german(
    german: dict[tuple[str, str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every text that a panel looks up is known, in every state; the engine's are its own."""
    missed: set[str] = set()
    language, tick = addon.module("core.language"), addon.module("bl.tick")

    def look_up(text: str) -> str:
        if ("*", text) not in german:
            missed.add(text)
        return german.get(("*", text), text)

    thing = bpy.data.objects.new("Cube", bpy.data.meshes.new("Cube"))
    bpy.context.scene.collection.objects.link(thing)
    bpy.context.view_layer.objects.active = thing
    thing.select_set(True)
    monkeypatch.setattr(addon.module("bl.text"), "lines", lambda text, *_: (text,))
    # It gets what is translated already as well; its literals are found by tests/house.
    monkeypatch.setattr(addon.module("bl.text"), "said", lambda text: german.get(("*", text), text))
    monkeypatch.setattr(addon.module("bl.text"), "room", lambda *_, **__: 200)
    monkeypatch.setattr(addon.module("bl.thumbnails"), "icon", lambda _: 1)
    monkeypatch.setattr(addon.module("bl.thumbnails"), "picture_icon", lambda _: 1)
    words: list[tuple[str, str]] = []
    given: set[str] = set()
    language.use(look_up)
    try:
        for name, snapshot in states(addon.module("core.snapshot")).items():
            monkeypatch.setattr(tick, "snapshot", lambda snapshot=snapshot: snapshot)
            given |= set(strings(snapshot))
            before = len(words)
            for cls in addon.registered_classes():
                if issubclass(cls, bpy.types.Panel) and cls.poll(bpy.context):
                    panel = type("Panel", (), {"layout": Drawn(words)})()
                    cls.draw(panel, bpy.context)
            addon.module("ui.status_bar").draw(
                type("Header", (), {"layout": Drawn(words)})(), bpy.context
            )
            assert len(words) > before, name
    finally:
        language.use(addon.module("bl.languages").look_up)
    # What a snapshot says is the engine's, or translated where it was made.
    assert sorted(missed - given - set(german.values())) == []
    # Blender looks up what it is given as it is, under the context of the operator.
    drawn = {german.get(pair, pair[1]) for pair in words}
    for wanted in ("Wiederholen", "3 Objekte erzeugen", "Etwa 2 min, 11 GB Speicher"):
        assert wanted in drawn, wanted
