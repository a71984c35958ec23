"""What can be saved by giving up a little exactness, and how little: as measured, by whom it is
asked for. The figures: docs/decisions/0066-weights-of-one-byte.md and 0069-fast-mode.md."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Saving:
    """A line of the table.

    Attributes:
        way: how it is asked for.
        saves: what, and what is not known of that.
        error: how far results go off, relative, and of what.
    """

    way: str
    saves: str
    error: str


SAVINGS = (
    Saving(
        "--fast",
        "30 % of the passes of a 1024 cascade (time not measured on a GPU)",
        "latents 0.03 to 0.11; small model's structure 0.02 to 0.06",
    ),
    Saving(
        "models quantise --to int8",
        "half of the flows' memory and disk (no time)",
        "velocities 0.006 to 0.008; small model: none",
    ),
    Saving(
        "models quantise --to fp8",
        "as int8",
        "velocities 0.022 to 0.032; small model's structure 0.02 to 0.03",
    ),
)
