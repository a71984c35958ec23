"""The OpenAPI description, made from the dataclasses of the protocol."""

import types
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from difflib import get_close_matches
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from protocol.errors import EngineError
from protocol.limits import short
from protocol.plain import tag

_SIMPLE = {int: "integer", float: "number", str: "string", bool: "boolean"}


def schema_of(kind: Any) -> dict[str, Any]:
    """JSON schema of what ``protocol.plain.to_dict`` makes of a type."""
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        choices = [choice for choice in inner if choice is not type(None)]
        if len(choices) > 1:
            return {"oneOf": [_tagged(choice) for choice in choices]}
        return {"oneOf": [schema_of(choices[0]), {"type": "null"}]}
    if is_dataclass(kind) and isinstance(kind, type):
        return _object(kind)
    if origin is Literal:
        return {"enum": list(inner)}
    if origin is not None and issubclass(origin, Mapping):
        return {"type": "object", "additionalProperties": schema_of(inner[1])}
    if origin is not None and issubclass(origin, Sequence):
        return {"type": "array", "items": schema_of(inner[0])}
    return {"type": _SIMPLE[kind]} if kind in _SIMPLE else {}


def _object(kind: type[Any]) -> dict[str, Any]:
    hints = get_type_hints(kind)
    required = [
        field.name
        for field in fields(kind)
        if field.default is MISSING and field.default_factory is MISSING
    ]
    return {
        "type": "object",
        "description": (kind.__doc__ or "").strip(),
        "properties": {field.name: schema_of(hints[field.name]) for field in fields(kind)},
        "required": required,
        "additionalProperties": False,
    }


def _tagged(kind: type[Any]) -> dict[str, Any]:
    name = tag(kind)
    return {"type": "object", "properties": {name: schema_of(kind)}, "required": [name]}


def check_known(schema: Mapping[str, Any], data: Any, path: str = "") -> None:
    """Refuse fields that a schema of ``schema_of`` does not have: somebody mistyped them.

    The protocol ignores them, so that a newer sender is understood; over HTTP people write them.
    What else is wrong with ``data`` is for ``protocol.plain.from_dict`` to say.

    Raises:
        EngineError: ``field_unknown``, naming the field and the one that is most like it.
    """
    if isinstance(data, list):
        for i, item in enumerate(data):
            check_known(schema.get("items", {}), item, f"{path}[{i}]")
    if not isinstance(data, dict):
        return
    known: dict[str, Any] = schema.get("properties", {})
    others: Any = schema.get("additionalProperties", False)
    for name, value in data.items():
        where = f"{path}.{name}" if path else name
        if name in known:
            check_known(known[name], value, where)
        elif others:
            check_known(others, value, where)
        elif known:
            raise _unknown(where, name, known)
    for choice in schema.get("oneOf", ()):
        inner = choice.get("properties", {})
        # Several choices are told apart by their one entry; where there is one, it is not tagged.
        if "additionalProperties" in choice or data.keys() == inner.keys():
            check_known(choice, data, path)


def _unknown(where: str, name: str, known: Mapping[str, Any]) -> EngineError:
    near = get_close_matches(name, known, 1)
    hint = f"Do you mean {near[0]}?" if near else f"Known are {', '.join(known)}."
    return EngineError("field_unknown", f"There is no field {short(where)}.", hint)
