"""The looks of an object: materials in its own slots, before which those of its mesh step back.

Which slots were the object's own before the first look, and with which materials, is remembered:
that is the look "Original".
"""

from typing import Any

from . import materials

LOOKS = "maquette_looks"
"""Custom property of an object with pointers to the materials that it was given, by number, so that
Blender saves them though they may not be shown."""
OWN = "maquette_own_slots"
"""Custom property with pointers to the materials of the slots that were the object's own before,
and under ``_LINKED`` the numbers of all such slots."""
_LINKED = "linked"


def of(thing: Any) -> list[Any]:
    """The materials that an object was given, oldest first."""
    stored = thing.get(LOOKS)
    if stored is None:
        return []
    found = [stored[key] for key in sorted(stored, key=int)]
    return [material for material in found if material is not None]


def add(thing: Any, material: Any) -> None:
    """Give an object one more look, and show it."""
    if LOOKS not in thing:
        thing[LOOKS] = {}
        _remember(thing)
    # One that was deleted may have left its number free: the highest counts.
    number = max((int(key) for key in thing[LOOKS]), default=-1) + 1
    thing[LOOKS][str(number)] = material
    choose(thing, material)


def choose(thing: Any, material: Any | None) -> None:
    """Show one of the looks; None: what the object had before the first of them."""
    own = thing.get(OWN)
    linked = list(own[_LINKED]) if own is not None and _LINKED in own else []
    for number, slot in enumerate(thing.material_slots):
        if material is not None:
            slot.link = "OBJECT"
            slot.material = material
        elif number in linked:
            slot.link = "OBJECT"
            slot.material = own.get(str(number))
        else:
            slot.link = "OBJECT"
            slot.material = None  # else it keeps a look in use, out of sight
            slot.link = "DATA"


def forget(thing: Any) -> None:
    """Show what the object had before, and remove its looks."""
    if LOOKS not in thing:
        return
    given = of(thing)
    choose(thing, None)
    for name in (LOOKS, OWN):
        if name in thing:
            del thing[name]
    for material in given:
        materials.remove_unused(material)


def _remember(thing: Any) -> None:
    slots = [(n, slot) for n, slot in enumerate(thing.material_slots) if slot.link == "OBJECT"]
    if not slots:
        return
    thing[OWN] = {_LINKED: [number for number, _ in slots]}
    for number, slot in slots:
        if slot.material is not None:
            thing[OWN][str(number)] = slot.material
