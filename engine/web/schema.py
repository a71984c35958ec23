"""The OpenAPI description, made from the dataclasses of the protocol."""

import types
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

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
    }


def _tagged(kind: type[Any]) -> dict[str, Any]:
    name = tag(kind)
    return {"type": "object", "properties": {name: schema_of(kind)}, "required": [name]}
