"""Bounds and names that both sides know: what a job may ask for."""

import math
from collections.abc import Iterable, Mapping
from typing import Literal, TypeGuard, get_args

from .errors import EngineError

QUALITIES: Mapping[str, str] = {
    "draft": "the checkpoint's lowest resolution",
    "standard": "its usual one",
    "high": "half as fine again",
}
"""How good a shape is wanted, with words for people; what it means is a system's to say."""
WEIGHT_GROUPS = (*QUALITIES, "texture")
"""What weights are downloaded for."""

MatteMethod = Literal["auto", "alpha", "rembg", "plain", "cutout"]
"""How the background is removed; "cutout": it was removed before."""
MATTE_METHODS: tuple[str, ...] = get_args(MatteMethod)

ImageFormat = Literal["png", "jpeg", "webp"]
"""Of a texture in a .glb file; jpeg holds colours without alpha alone, the rest stays png."""
IMAGE_FORMATS: tuple[str, ...] = get_args(ImageFormat)

Origin = Literal["kept", "base", "centre"]
"""Where in a result the origin lies: where it was, in the middle of its foot, or of its box."""
ORIGINS: tuple[str, ...] = get_args(Origin)

Lods = Literal["nodes", "files"]
"""Where levels of detail go: all into one .glb file, or a file each."""
LODS: tuple[str, ...] = get_args(Lods)

DEFAULT_SEED = 42
LARGEST_SEED = 2**63 - 1
LOWEST_RESOLUTION, HIGHEST_RESOLUTION = 16, 2048
"""Voxels an axis of a job; checkpoints have bounds of their own inside of these."""
FEWEST_FACES = 4
SMALLEST_TEXTURE, LARGEST_TEXTURE = 16, 8192
MOST_FRAMES = 720
MOST_GROWN = 64
"""Pixels by which a matte can be made larger or smaller."""
MOST_VARIANTS = 1000


def quality_help() -> str:
    """The qualities with their words, for help texts."""
    return ", ".join(f"{name} ({words})" for name, words in QUALITIES.items())


def check_seed(seed: int) -> int:
    """The seed itself.

    Raises:
        EngineError: ``seed_invalid``.
    """
    if type(seed) is not int or not 0 <= seed <= LARGEST_SEED:
        raise EngineError(
            "seed_invalid",
            f"The seed cannot be {short(seed)}.",
            f"Give a whole number from 0 to {LARGEST_SEED}.",
        )
    return seed


def check_flag(name: str, value: object) -> None:
    """Refuse what is neither true nor false.

    Raises:
        EngineError: ``job_invalid``.
    """
    if type(value) is not bool:
        raise EngineError("job_invalid", f"{name} is true or false.", "Give one of these.")


def check_whole(name: str, value: int | None, low: int, high: int) -> None:
    """Refuse what is not a whole number from ``low`` to ``high``; None leaves it open.

    Raises:
        EngineError: ``job_invalid``.
    """
    if value is not None and (type(value) is not int or not low <= value <= high):
        raise EngineError(
            "job_invalid",
            f"{name} cannot be {short(value)}.",
            f"Give a whole number from {low} to {high}.",
        )


def check_number(name: str, value: float | None, low: float, high: float) -> None:
    """Refuse what is not a number from ``low`` to ``high``; None leaves it open.

    Raises:
        EngineError: ``job_invalid``.
    """
    if value is not None and not (is_number(value) and low <= value <= high):
        raise EngineError(
            "job_invalid",
            f"{name} cannot be {short(value)}.",
            f"Give a number from {low:g} to {high:g}.",
        )


def check_one_of(code: str, what: str, value: str | None, names: Iterable[str]) -> None:
    """Refuse a name that there is not; None leaves it open.

    Raises:
        EngineError: ``code``.
    """
    if value is not None and value not in names:
        raise EngineError(
            code, f"There is no {what} {short(value)}.", f"Choose one of {', '.join(names)}."
        )


def is_number(value: object) -> TypeGuard[int | float]:
    """Whether it is a finite number that a float can hold; true and false are none."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # an int of more than 308 digits
        return False


def short(value: object) -> str:
    """A value as a sentence may hold it: at most 60 characters."""
    try:
        text = repr(value)
    except ValueError:  # Python writes no int of more than 4300 digits
        return "so large a number"
    return text if len(text) <= 60 else f"{text[:57]}..."
