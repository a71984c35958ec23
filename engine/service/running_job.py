"""A job that runs, and what is known of it: how far it is, and what its stages cost."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from engine.pipe.messages import Started
from engine.service.estimates import (
    TOTAL,
    Estimate,
    fast_or_not,
    general_profile,
    history_with,
    size_of,
)
from engine.service.records import JobRecord
from protocol.events import Done, Progress


@dataclass
class RunningJob:
    """Of a job in two halves, which two workers do, everything is told as of one.

    Attributes:
        record: as it was when it began.
        device: key of estimates.
        fresh: nothing is there of earlier attempts. What they left is not done again, so the
            seconds of a job that has it say nothing of the whole.
        beside: the finisher has it.
        cancelling: somebody has asked it to stop.
        progress: that was told last; None before the first.
    """

    record: JobRecord
    device: str
    fresh: bool
    beside: bool = False
    cancelling: bool = False
    progress: Progress | None = None
    _estimate: Estimate | None = None
    _profile: str = ""
    _general: str = ""
    _first: Mapping[str, float] | None = None
    _before: Progress | None = None

    @property
    def stage(self) -> str:
        """That began last, or empty."""
        return self.progress.stage if self.progress else ""

    def started(
        self, event: Started, history: Callable[[str], Mapping[str, Sequence[float]]]
    ) -> None:
        """What is going to come; that of a second half is known already.

        Args:
            history: seconds by stage of a profile, as the store has them.
        """
        if self._first is not None:
            return
        record = self.record
        profile = "|".join((self.device, record.kind, event.checkpoint, event.route))
        self._profile = profile + fast_or_not(record.spec)
        self._general = general_profile(self.device, event.checkpoint)
        own, others = history(self._profile), history(self._general)
        self._estimate = Estimate(
            event.stages, history_with(own, others, record.spec, record.finish)
        )

    def moved(self, event: Progress) -> Progress:
        """A worker's progress as that of the whole job, with the seconds that are left."""
        if before := self._before:
            rest = 1.0 - before.fraction
            event = replace(
                event,
                fraction=before.fraction + rest * event.fraction,
                elapsed=before.elapsed + event.elapsed,
            )
        eta = self._estimate.update(event) if self._estimate else None
        self.progress = replace(event, eta=eta)
        return self.progress

    def hand_over(self, seconds: Mapping[str, float]) -> None:
        """The first half is over.

        Args:
            seconds: of its stages.
        """
        self._first, self._before, self.beside = seconds, self.progress, True

    def whole(self, event: Done) -> Done:
        """A worker's last event with the seconds of both halves."""
        return replace(event, seconds={**(self._first or {}), **event.seconds})

    def costs(self, seconds: Mapping[str, float]) -> dict[str, dict[str, float]]:
        """What is to be remembered, by profile: the seconds by stage of the whole job."""
        if not self.fresh:
            return {}
        record = self.record
        general = {
            stage: value / size_of(stage, record.spec, record.finish)
            for stage, value in seconds.items()
        }
        return {
            self._profile: dict(seconds),
            self._general: general,
            record.profile: {TOTAL: sum(seconds.values())},
        }
