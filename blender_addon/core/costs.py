"""What something costs, in words. What nobody measured is said to be unknown, never guessed."""

from collections.abc import Mapping

from .language import said
from .settings import StageSettings
from .snapshot import CheckpointView, QualityView

UNKNOWN = "not measured on this machine yet"
_UNITS = ("bytes", "KB", "MB", "GB", "TB")


def seconds_in_words(seconds: float) -> str:
    """A duration as people say it: "8 s", "40 s", "3 min", "1 h 20 min"."""
    if seconds < 10:
        return f"{max(1, round(seconds))} s"
    if seconds < 57.5:
        return f"{5 * round(seconds / 5)} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(5 * round(minutes / 5), 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def bytes_in_words(count: int) -> str:
    """A size in decimal units, as disks and downloads have them: "950 MB", "1.2 GB"."""
    value, unit = float(count), 0
    while value >= 999.5 and unit + 1 < len(_UNITS):
        value, unit = value / 1000, unit + 1
    digits = 1 if unit >= 3 and value < 99.95 else 0
    text = f"{value:.{digits}f}".removesuffix(".0")
    return f"{text} {_UNITS[unit]}"


def cost_in_words(
    seconds: float | None, memory: int | None, *, times: int = 1, missing: int = 0
) -> str:
    """Expected time and memory of so many jobs: "about 40 s, 1 GB of memory".

    Args:
        missing: bytes that have to be downloaded first.
    """
    if seconds is None:
        words = [said(UNKNOWN)]
    else:
        words = [said("about {time}", time=seconds_in_words(times * seconds))]
    if memory is not None:
        words.append(said("{memory} of memory", memory=bytes_in_words(memory)))
    if missing:
        words.append(said("{missing} to download first", missing=bytes_in_words(missing)))
    return ", ".join(words)


def quality_of(checkpoint: CheckpointView | None, quality: str) -> QualityView | None:
    """A quality of the networks in use; empty: their default."""
    if checkpoint is None:
        return None
    name = quality or checkpoint.default_quality
    return next((row for row in checkpoint.qualities if row.name == name), None)


def cost_of_generating(
    checkpoint: CheckpointView | None, quality: str = "", variants: int = 1
) -> str:
    """Of objects from a picture."""
    row = quality_of(checkpoint, quality)
    if row is None:
        return said(UNKNOWN)
    return cost_in_words(row.seconds, row.memory, times=variants, missing=row.missing)


def upscaled(checkpoint: CheckpointView | None) -> QualityView | None:
    """The quality whose networks an upscale uses; None: nobody knows."""
    side = checkpoint.upscale_resolution if checkpoint else 0
    rows = checkpoint.qualities if checkpoint else ()
    return next((row for row in rows if row.resolution == side), None)


def cost_of_upscaling(checkpoint: CheckpointView | None, objects: int = 1) -> str:
    """Of so many upscales to the resolution of the networks in use."""
    row, seconds = upscaled(checkpoint), checkpoint.upscale_seconds if checkpoint else None
    memory, missing = (row.memory, row.missing) if row else (None, 0)
    return cost_in_words(seconds, memory, times=objects, missing=missing)


def cost_of_game_ready(checkpoint: CheckpointView | None, objects: int = 1) -> str:
    """Of so many objects made ready for games."""
    return cost_in_words(checkpoint.game_seconds if checkpoint else None, None, times=objects)


def cost_of_texturing(checkpoint: CheckpointView | None, objects: int = 1) -> str:
    """Of new materials for so many objects."""
    return cost_in_words(checkpoint.texture_seconds if checkpoint else None, None, times=objects)


def saved_by_fast(checkpoint: CheckpointView, changes: Mapping[str, StageSettings]) -> str:
    """Of which stages of a generation a fast job saves steps, and how many; empty: of none.

    Args:
        changes: to samplers, which may have more steps, or fewer.
    """
    from ..protocol.samplers import SamplerParams

    found: list[str] = []
    for stage in checkpoint.stages:
        steps = changes.get(stage.name, StageSettings()).steps or stage.steps
        saved = len(SamplerParams(steps=steps, reuse_after=stage.reuse_after).saved_steps)
        if saved:
            label = said(stage.label)
            found.append(said("{stage} {saved} of {steps}", stage=label, saved=saved, steps=steps))
    return ", ".join(found)
