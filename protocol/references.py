"""How a job, which is plain data, names a picture, a mesh or an asset.

The engine resolves them (engine/systems/inputs.py).
"""

from dataclasses import dataclass

from .errors import EngineError

LONGEST_PROMPT = 400
"""Characters."""


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


@dataclass(frozen=True)
class Prompt:
    """What something looks like, in words instead of a picture; for checkpoints that know words.

    Args:
        text: a few English words, such as "a red mushroom with white dots".
    """

    text: str

    def __post_init__(self) -> None:
        _check("text", self.text)
        if not self.text.strip() or len(self.text) > LONGEST_PROMPT:
            raise EngineError(
                "prompt_invalid",
                f"A prompt has 1 to {LONGEST_PROMPT} characters, and not spaces alone.",
                'Write a few words, such as "a red mushroom with white dots".',
            )


Reference = File | Attached | Stored | Prompt


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

    Words may take the place of a picture and of nothing else.

    Raises:
        EngineError: ``reference_invalid``.
    """
    if isinstance(value, Prompt) and field != "picture":
        raise EngineError(
            "reference_invalid",
            f"The {field} of a job cannot be made of words.",
            "Name it as File(path), Attached(name) or Stored(job).",
        )
    if not isinstance(value, Reference):
        raise EngineError(
            "reference_invalid",
            f"The {field} of a job cannot be of the kind {type(value).__name__}.",
            "Name it as File(path), Attached(name), Stored(job) or Prompt(text).",
        )
