"""How a job, which is plain data, names a picture, a mesh or an asset.

The engine resolves them (engine/systems/inputs.py).
"""

from dataclasses import dataclass

from .errors import EngineError


@dataclass(frozen=True)
class File:
    """A file, or the folder of an asset, on the engine's machine.

    Args:
        path: absolute, or relative to where the engine works.
    """

    path: str

    def __post_init__(self) -> None:
        _check("path", self.path)


@dataclass(frozen=True)
class Attached:
    """Something that travels beside the job.

    Args:
        name: that the sender gave it.
    """

    name: str

    def __post_init__(self) -> None:
        _check("name", self.name)


@dataclass(frozen=True)
class Stored:
    """The result of an earlier job, in the engine's store.

    Args:
        job: its id.
    """

    job: str

    def __post_init__(self) -> None:
        _check("job", self.job)


Reference = File | Attached | Stored


def _check(field: str, value: object) -> None:
    # A path may hold any character but this one, which no system call takes.
    if not isinstance(value, str) or not value or "\0" in value:
        raise EngineError(
            "reference_invalid",
            f"{value!r} cannot be the {field} of anything.",
            "Give a text that is not empty.",
        )


def check_reference(field: str, value: object) -> None:
    """Refuse bytes, paths and objects: they must be attached, or named as a ``File``.

    Raises:
        EngineError: ``reference_invalid``.
    """
    if not isinstance(value, File | Attached | Stored):
        raise EngineError(
            "reference_invalid",
            f"The {field} of a job cannot be of the kind {type(value).__name__}.",
            "Name it as File(path), Attached(name) or Stored(job).",
        )
