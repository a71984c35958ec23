"""What is told for a while of a job that has ended, to somebody who looks elsewhere in Blender."""

from collections.abc import Callable, Iterable

from .following import Followed
from .snapshot import BannerView, JobState

ENDS: tuple[JobState, ...] = ("done", "failed", "interrupted")
"""States that nobody asked for, as opposed to "cancelled"."""
SECONDS = 30.0
"""That good news stays. What went wrong stays until it is tried again or taken away."""


class Banner:
    """Looks at the jobs after each tick, and keeps what has ended last.

    Args:
        clock: seconds, never backwards.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._states: dict[str, JobState] = {}
        self._shown: BannerView | None = None
        self._since = 0.0

    def look(self, jobs: Iterable[Followed]) -> BannerView | None:
        """What is to be shown now; None: nothing."""
        states = {job.id: job for job in jobs}
        for id, job in states.items():
            before = self._states.get(id)
            if job.state in ENDS and before is not None and before != job.state:
                self._shown, self._since = _view(job), self._clock()
        self._states = {id: job.state for id, job in states.items()}
        if self._shown is not None and not self._holds(states.get(self._shown.job)):
            self._shown = None
        return self._shown

    def dismiss(self) -> None:
        """It was read."""
        self._shown = None

    def file_opened(self) -> None:
        """Another file is open: the object that was told of is not in it."""
        if self._shown is not None and self._shown.object:
            self._shown = None

    def _holds(self, job: Followed | None) -> bool:
        shown = self._shown
        if shown is None:
            return False
        if shown.state == "done":
            return self._clock() - self._since < SECONDS
        return job is not None and job.state == shown.state


def _view(job: Followed) -> BannerView:
    target = job.target
    return BannerView(
        job=job.id,
        state=job.state,
        title=(target.object_name if target else "") or job.title,
        problem=job.problem,
        object=target.object if target else 0,
    )
