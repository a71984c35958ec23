"""Everything that a user can see or search for has a name and a description, which can be
translated; lengths and times have units."""

from collections.abc import Iterator
from typing import Any

import bpy
import pytest

from tests.blender import addon


def _classes(kind: type) -> list[Any]:
    return [each for each in addon.registered_classes() if issubclass(each, kind)]


def _properties() -> Iterator[tuple[str, Any]]:
    """Those of our classes, and those that we put on Blender's types."""
    for each in addon.registered_classes():
        for rna in each.bl_rna.properties:
            if rna.is_runtime:
                yield f"{each.__name__}.{rna.identifier}", rna
    for kind in (bpy.types.Scene, bpy.types.WindowManager, bpy.types.Object, bpy.types.Image):
        for rna in kind.bl_rna.properties:
            if rna.is_runtime and "maquette" in rna.identifier:
                yield f"{kind.__name__}.{rna.identifier}", rna


def test_operators_say_what_they_do() -> None:
    operators = _classes(bpy.types.Operator)
    assert operators
    for each in operators:
        rna = getattr(bpy.ops.maquette, each.bl_idname.partition(".")[2]).get_rna_type()
        assert each.bl_idname.startswith("maquette."), each
        assert rna.name and rna.name[0].isupper(), each
        assert rna.description and rna.description != rna.name, each
        assert not rna.description.endswith("."), f"{each}: Blender adds the full stop itself"


def test_properties_say_what_they_are() -> None:
    for name, rna in _properties():
        if rna.is_hidden:
            continue
        assert rna.name and rna.name[0].isupper(), name
        assert rna.description, name
        assert not rna.description.endswith("."), f"{name}: Blender adds the full stop itself"
        if rna.type == "ENUM" and rna.enum_items:
            for item in rna.enum_items:
                assert item.name, f"{name}: {item.identifier}"


@pytest.mark.parametrize(
    ("word", "units"),
    [("height", {"LENGTH"}), ("seconds", {"TIME", "TIME_ABSOLUTE"}), ("angle", {"ROTATION"})],
)
def test_quantities_have_units(word: str, units: set[str]) -> None:
    for name, rna in _properties():
        if rna.type == "FLOAT" and word in rna.identifier:
            assert rna.unit in units, f"{name} has the unit {rna.unit}"


def test_panels_lie_in_our_tab() -> None:
    for each in _classes(bpy.types.Panel):
        if each.bl_space_type == "VIEW_3D":
            assert each.bl_category == "Maquette", each
            # Blender lists the tab of a panel without a header before its own tabs.
            assert "HIDE_HEADER" not in getattr(each, "bl_options", ()), each


def test_texts_are_literal() -> None:
    """What is put together when it is drawn cannot be found by those who translate."""
    import ast

    for file in addon.folder().rglob("*.py"):
        if "protocol" in file.relative_to(addon.folder()).parts:
            continue
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            for keyword in getattr(node, "keywords", []):
                if keyword.arg in ("name", "description") and _is_property(node):
                    assert not isinstance(keyword.value, ast.JoinedStr | ast.BinOp), (
                        f"{file.name}:{node.lineno}"
                    )


def _is_property(node: Any) -> bool:
    function = getattr(node, "func", None)
    name = getattr(function, "id", getattr(function, "attr", ""))
    return str(name).endswith("Property")
