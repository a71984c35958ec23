"""How long a job is still going to take, from what its stages took before."""

from collections.abc import Mapping, Sequence
from statistics import median

from protocol.events import Progress
from protocol.finishes import FINISHES, FinishChoice
from protocol.jobs import FinishJob, Job
from protocol.stages import STAGES

NEWEST = 9
"""Measurements of a stage that count."""


class Estimate:
    """Of one job that runs.

    Args:
        stages: that are going to come, in order.
        history: seconds by stage that such jobs took before, the newest first.
    """

    def __init__(self, stages: Sequence[str], history: Mapping[str, Sequence[float]]) -> None:
        self._ahead = list(stages)
        counts = {stage: max(1, self._ahead.count(stage)) for stage in history}
        # A stage that comes several times is measured as a whole.
        self._known = {
            stage: median(seconds[:NEWEST]) / counts[stage] for stage, seconds in history.items()
        }
        self._stage = ""
        self._began = 0.0
        self._eta: float | None = None

    def update(self, progress: Progress) -> float | None:
        """Seconds that are left; never more than before within a stage. None: nobody knows."""
        if progress.stage != self._stage:
            if progress.stage in self._ahead:
                del self._ahead[: self._ahead.index(progress.stage) + 1]
            self._stage, self._began, self._eta = progress.stage, progress.elapsed, None
        here = progress.elapsed - self._began
        done = min(1.0, progress.step / max(1, progress.steps))
        if done >= 1.0:
            self._known[progress.stage] = here
        eta = self._left(progress.stage, here, done)
        if eta is not None and self._eta is not None:
            eta = min(eta, self._eta)
        self._eta = eta if eta is not None else self._eta
        if done >= 1.0:
            self._stage = ""
        return self._eta

    def _left(self, stage: str, here: float, done: float) -> float | None:
        scale = self._scale()
        expected = self._known.get(stage, STAGES[stage].share * scale if scale else None)
        if done > 0:
            # The pace of this very stage counts the more, the more of it is over.
            pace = here / done
            expected = pace if expected is None else done * pace + (1 - done) * expected
            scale = scale or pace / STAGES[stage].share
        if expected is None or not scale:
            return None
        ahead = sum(self._known.get(name, STAGES[name].share * scale) for name in self._ahead)
        return max(0.0, (1 - done) * expected) + ahead

    def _scale(self) -> float:
        """Seconds a share, for stages that were never measured; 0 where nothing was."""
        known = {name: seconds for name, seconds in self._known.items() if name in STAGES}
        shares = sum(STAGES[name].share for name in known)
        return sum(known.values()) / shares if shares else 0.0


def rough_profile(spec: Job, finish: FinishChoice | None, checkpoint: str | None) -> str:
    """What can be said before a worker has looked at a job: the key of its total seconds."""
    settings = [
        str(getattr(spec, name, ""))
        for name in (
            "system",
            "quality",
            "type",
            "resolution",
            "frames",
            "finish",
            "texture_size",
            "levels",
        )
    ]
    after = f"{finish.finish} {finish.levels or ''}".strip() if finish else ""
    key = "|".join((type(spec).__name__, checkpoint or "", *settings, after))
    return key + fast_or_not(spec)


def fast_or_not(spec: Job) -> str:
    """The end of a key: what a fast job takes says little about others."""
    return "|fast" if getattr(spec, "fast", False) else ""


def general_profile(device: str, checkpoint: str) -> str:
    """The key of stages by whatever job they came in, in seconds for the size 1."""
    return "|".join((device, "any", checkpoint))


def size_of(stage: str, spec: Job, finish: FinishChoice | None) -> float:
    """How much a stage has to do in a job, beside the same stage of other jobs: only baking, by
    its texels, is told apart."""
    choice = spec if isinstance(spec, FinishJob) else finish
    if stage != "bake" or choice is None:
        return 1.0
    side = choice.texture_size or FINISHES[choice.finish].texture_size
    return (side / FINISHES["standard"].texture_size) ** 2


def history_with(
    own: Mapping[str, Sequence[float]],
    others: Mapping[str, Sequence[float]],
    spec: Job,
    finish: FinishChoice | None,
) -> dict[str, Sequence[float]]:
    """Seconds by stage: of such jobs, and for stages of which there are none, of other jobs. Of
    those the longest counts: time that is left is better said too high than too low.

    Args:
        own: as ``Estimate`` wants it.
        others: of the ``general_profile``.
    """
    borrowed = {
        stage: [max(seconds[:NEWEST]) * size_of(stage, spec, finish)]
        for stage, seconds in others.items()
    }
    return {**borrowed, **own}


TOTAL = "total"
"""Stands for a stage in the history of a ``rough_profile``."""


def total_seconds(history: Mapping[str, Sequence[float]]) -> float | None:
    """Seconds of a whole job; None where there was none like it."""
    seconds = history.get(TOTAL)
    return median(seconds[:NEWEST]) if seconds else None
