"""What a job is made from: a picture with or without its background, or words."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..protocol.errors import EngineError
from ..protocol.limits import MatteMethod
from ..protocol.references import Attached, Prompt, Reference
from .pictures import PictureIn

if TYPE_CHECKING:
    from ..protocol.wire import Shaped

PICTURE = "picture"
"""Name under which a picture is attached."""
LONGEST_TITLE = 40


@dataclass(frozen=True, kw_only=True)
class Given:
    """See above.

    Attributes:
        title: name for people; names the object.
        reference: that stands in the job.
        buffers: that travel beside it.
        sha256: of the picture or of the words, so that results of the same are found together.
        matte: how the background is removed; None: as the settings say.
    """

    title: str
    reference: Reference
    buffers: "Mapping[str, Shaped]" = field(default_factory=dict[str, "Shaped"])
    sha256: str = ""
    matte: MatteMethod | None = None


def of_picture(picture: PictureIn, matte: MatteMethod | None = None) -> Given:
    """
    Raises:
        EngineError: ``picture_unusable``.
    """
    return Given(
        title=picture.title,
        reference=Attached(PICTURE),
        buffers={PICTURE: picture.buffer()},
        sha256=picture.sha256,
        matte=matte,
    )


def of_words(text: str) -> Given:
    """
    Args:
        text: what the object looks like, in English.

    Raises:
        EngineError: ``prompt_none``, ``prompt_invalid``.
    """
    words = " ".join(text.split())
    if not words:
        raise EngineError(
            "prompt_none", "No words are written yet.", "Write what the object looks like."
        )
    return Given(
        title=title_of(words),
        reference=Prompt(words),
        sha256=hashlib.sha256(words.encode()).hexdigest(),
        matte="auto",
    )


def title_of(words: str) -> str:
    """A name for an object that was made from words: the first of them."""
    if len(words) <= LONGEST_TITLE:
        return words
    return words[: LONGEST_TITLE + 1].rpartition(" ")[0] or words[:LONGEST_TITLE]
