"""Frozen dataclasses to JSON values and back, for everything that is sent or kept.

A dataclass becomes an object of its fields. Where a field's type leaves a choice of dataclasses, as
``File | Attached``, the object says which: ``{"file": {"path": "chair.png"}}``.
"""

import re
import types
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from typing import Any, Literal, TypeGuard, TypeVar, Union, get_args, get_origin, get_type_hints

from .errors import EngineError
from .limits import is_number, short

Value = TypeVar("Value")


def to_dict(value: Any, kind: Any = None) -> Any:
    """JSON values of a dataclass, and of everything in it.

    Args:
        kind: the type it is declared as; a union of dataclasses is tagged. None: its own.
    """
    if kind is not None:
        choices = _dataclasses_in(kind)
        if len(choices) > 1 and value is not None:
            return {tag(value.__class__): to_dict(value)}
    if is_dataclass(value) and not isinstance(value, type):
        hints = _hints(type(value))
        return {f.name: to_dict(getattr(value, f.name), hints[f.name]) for f in fields(value)}
    inner = get_args(kind)
    if _is_object(value):
        return {
            key: to_dict(item, inner[1] if len(inner) == 2 else None) for key, item in value.items()
        }
    if _is_list(value):
        return [to_dict(item, inner[0] if inner else None) for item in value]
    return value


def from_dict(kind: type[Value], data: Any, path: str = "") -> Value:
    """The dataclass (or the union of some) that JSON values describe.

    Fields that are not known are ignored, so that a newer sender is understood.

    Args:
        kind: what is expected.
        data: as ``to_dict`` gave it.
        path: of ``data`` in what was received, for errors.

    Raises:
        EngineError: ``field_invalid``, naming the path of the bad field and what it should be; and
            what a dataclass's own checks raise, with the path before its message.
    """
    return _read(kind, data, path)


def _read(kind: Any, data: Any, path: str) -> Any:
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return _read_union(kind, data, path)
    if is_dataclass(kind):
        return _read_dataclass(kind, data, path)
    if origin is Literal:
        if not any(type(data) is type(choice) and data == choice for choice in inner):
            raise _invalid(path, data, f"one of {', '.join(map(str, inner))}")
        return data
    if origin is not None and issubclass(origin, Mapping):
        return _read_mapping(inner[1], data, path)
    if origin is not None and issubclass(origin, Sequence):
        return _read_sequence(origin, inner, data, path)
    return _read_one(kind, data, path)


def _read_dataclass(kind: Any, data: Any, path: str) -> Any:
    if not _is_object(data):
        raise _invalid(path, data, "an object")
    hints, values = _hints(kind), {}
    for field in fields(kind):
        where = f"{path}.{field.name}" if path else field.name
        if field.name in data:
            values[field.name] = _read(hints[field.name], data[field.name], where)
        elif field.default is MISSING and field.default_factory is MISSING:
            raise EngineError(
                "field_invalid", f"{where} is missing.", f"It belongs to every {kind.__name__}."
            )
    try:
        return kind(**values)
    except EngineError as error:
        message = f"{path}: {error.message}" if path else error.message
        raise EngineError(error.code, message, error.hint) from error


def _read_union(kind: Any, data: Any, path: str) -> Any:
    others = [choice for choice in get_args(kind) if not is_dataclass(choice)]
    if data is None and type(None) in others:
        return None
    choices = _dataclasses_in(kind)
    if len(choices) > 1:
        names = {tag(choice): choice for choice in choices}
        if _is_object(data) and len(data) == 1:
            name, inner = next(iter(data.items()))
            if name in names:
                return _read(names[name], inner, f"{path}.{name}" if path else name)
        raise _invalid(path, data, f"an object of one entry, {' or '.join(names)}")
    rest = [choice for choice in get_args(kind) if choice is not type(None)]
    if len(rest) == 1:
        return _read(rest[0], data, path)
    raise TypeError(f"{kind} is a union that cannot be told apart in plain data")


def _read_mapping(kind: Any, data: Any, path: str) -> dict[str, Any]:
    if not _is_object(data):
        raise _invalid(path, data, "an object")
    return {key: _read(kind, item, f"{path}.{key}") for key, item in data.items()}


def _read_sequence(origin: Any, inner: tuple[Any, ...], data: Any, path: str) -> Any:
    if not _is_list(data):
        raise _invalid(path, data, "a list")
    if origin is tuple and inner[-1] is not Ellipsis:
        if len(data) != len(inner):
            raise _invalid(path, data, f"a list of {len(inner)}")
        kinds = inner
    else:
        kinds = (inner[0],) * len(data)
    items = [
        _read(kind, item, f"{path}[{i}]")
        for i, (kind, item) in enumerate(zip(kinds, data, strict=True))
    ]
    return tuple(items) if origin is tuple else items


_WORDS = {int: "a whole number", str: "a text", bool: "true or false", bytes: "bytes"}


def _read_one(kind: Any, data: Any, path: str) -> Any:
    if kind is Any or kind is object:
        return data
    if kind is float:
        if not is_number(data):
            raise _invalid(path, data, "a finite number")
        return float(data)
    if kind not in _WORDS:
        raise TypeError(f"{kind} cannot be read from plain data")
    if type(data) is not kind:
        raise _invalid(path, data, _WORDS[kind])
    return data


def _is_object(value: Any) -> TypeGuard[Mapping[str, Any]]:
    return isinstance(value, Mapping) and all(isinstance(key, str) for key in value)  # pyright: ignore[reportUnknownVariableType]


def _is_list(value: Any) -> TypeGuard[Sequence[Any]]:
    return isinstance(value, list | tuple)


def _dataclasses_in(kind: Any) -> list[Any]:
    if get_origin(kind) in (Union, types.UnionType):
        return [choice for choice in get_args(kind) if is_dataclass(choice)]
    return []


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


def tag(kind: type) -> str:
    """The name of a dataclass in plain data: ``FinishJob`` is finish_job."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", kind.__name__).lower()


def _invalid(path: str, data: Any, wanted: str) -> EngineError:
    return EngineError(
        "field_invalid", f"{path or 'The whole'} cannot be {short(data)}.", f"Give {wanted}."
    )
