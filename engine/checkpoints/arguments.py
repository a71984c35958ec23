"""Whether the arguments in a network's JSON are of the kinds and sizes that its dataclass wants."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, get_args, get_origin, get_type_hints

from protocol.limits import is_number

# Levels may be empty, a margin may be nothing; every other number is above 0.
MAY_BE_ZERO = frozenset({"num_blocks", "num_res_blocks", "num_res_blocks_middle", "voxel_margin"})
MOST_BLOCKS = 1000
MOST = 1 << 16
"""No width, head count or grid size of a network is anywhere near."""


def check_arguments(config: Callable[..., Any], args: Mapping[str, Any]) -> None:
    """Look at every argument that ``config``, a dataclass of a network's arguments, knows.

    Raises:
        ValueError: naming the first argument that is wrong, and what it should be.
    """
    for name, kind in get_type_hints(config).items():
        if name in args:
            _check(name, args[name], kind)


def _check(name: str, value: Any, kind: Any) -> None:
    if type(None) in get_args(kind):
        if value is None:
            return
        (kind,) = set(get_args(kind)) - {type(None)}
    inner = get_args(kind)
    if get_origin(kind) is tuple:
        if not _is_list(value) or len(value) != len(inner):
            raise ValueError(f"{name} is {_short(value)}, not {len(inner)} numbers")
        kinds: Sequence[Any] = inner
    elif get_origin(kind) is Sequence:
        if not _is_list(value):
            raise ValueError(f"{name} is {_short(value)}, not a list")
        kinds = inner * len(value)
    else:
        _check_one(name, value, kind)
        return
    for item, wanted in zip(value, kinds, strict=True):
        _check_one(name, item, wanted)


def _check_one(name: str, value: Any, kind: Any) -> None:
    if get_origin(kind) is Mapping:
        if not isinstance(value, Mapping):
            raise ValueError(f"{name} has {_short(value)}, not an object")
        if not is_number(ratio := value.get("mlp_ratio", 4.0)) or not 0 < ratio <= MOST:
            raise ValueError(f"mlp_ratio in {name} is {_short(ratio)}, not a number above 0")
    elif kind in (bool, str):
        if not isinstance(value, kind):
            word = "true or false" if kind is bool else "text"
            raise ValueError(f"{name} is {_short(value)}, not {word}")
    else:
        low = "from 0" if name in MAY_BE_ZERO else "above 0"
        most = MOST_BLOCKS if "blocks" in name else MOST
        whole = kind is int
        fits = is_number(value) and value <= most and (isinstance(value, int) or not whole)
        if not fits or value < 0 or (value == 0 and name not in MAY_BE_ZERO):
            word = "whole number" if whole else "number"
            raise ValueError(f"{name} is {_short(value)}, not a {word} {low} and up to {most}")


def _is_list(value: Any) -> bool:
    return isinstance(value, list | tuple)


def _short(value: Any) -> str:
    text = ascii(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
