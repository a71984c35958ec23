"""What has become of jobs, a sentence each: the same in the panel and in the status bar.

The status bar, for somebody who looks elsewhere, shows good news for a while and bad news until
something is done about it; the panel keeps the last word until there is another one.
"""

from collections.abc import Callable, Iterable

from .following import ACTIVE, Followed
from .language import said
from .snapshot import ENDED_BADLY, BannerView, JobState

ENDS: tuple[JobState, ...] = ("done", *ENDED_BADLY, "cancelled")
Holds = Callable[[int, str], bool]
"""Whether an object, by ``session_uid``, has the result of a job."""
SECONDS = 30.0
"""That good news stays. What went wrong stays until it is tried again or taken away."""


class Banner:
    """Looks at the jobs after each tick, and keeps what was told last.

    Args:
        clock: seconds, never backwards.

    Attributes:
        message: the last word, about a job or about something else; or empty.
        news: the job that ``message`` tells of, or None.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._states: dict[str, tuple[JobState, bool]] = {}
        self._shown: BannerView | None = None
        self._since = 0.0
        self.message = ""
        self.news: BannerView | None = None

    def say(self, sentence: str) -> None:
        """The last word is about something else than a job."""
        self.message, self.news = sentence, None

    def look(self, jobs: Iterable[Followed]) -> BannerView | None:
        """What the status bar shows now; None: nothing."""
        by_id = {job.id: job for job in jobs}
        for id, job in by_id.items():
            before = self._states.get(id)
            if before is None or before == (job.state, bool(job.gone)):
                continue
            ended = job.state in ENDS and before[0] != job.state
            if ended or (job.gone and not before[1]):
                view = _view(job)
                self._shown, self._since = view, self._clock()
                if ended:
                    self.message, self.news = view.sentence, view
        self._states = {id: (job.state, bool(job.gone)) for id, job in by_id.items()}
        shown, news = self._shown, self.news
        if shown is not None and not self._holds(shown, by_id.get(shown.job)):
            self._shown = None
        if news is not None and news.state in ENDED_BADLY and not _lasts(news, by_id.get(news.job)):
            self.say("")
        return self._shown

    def dismiss(self) -> None:
        """It was read."""
        self._shown = None

    def file_opened(self) -> None:
        """Another file is open: the object that was told of is not in it."""
        self.objects_seen(lambda uid: False)

    def objects_seen(self, there: Callable[[int], bool], holds: Holds | None = None) -> None:
        """Nothing is said any more of an object that is gone, or of a result that it has no longer.

        Args:
            there: whether an object is in a scene, by ``session_uid``.
            holds: after an undo, else None: whether an object has the result of a job.
        """

        def gone(told: BannerView | None) -> bool:
            if told is None or not told.object:
                return False
            undone = holds is not None and told.state == "done" and not holds(told.object, told.job)
            return undone or not there(told.object)

        if gone(self._shown):
            self._shown = None
        if gone(self.news):
            self.say("")

    def _holds(self, shown: BannerView, job: Followed | None) -> bool:
        if shown.state in ("done", "cancelled"):
            return self._clock() - self._since < SECONDS
        return _lasts(shown, job)


def _lasts(told: BannerView, job: Followed | None) -> bool:
    """Whether it is still so."""
    if job is None:
        return False
    return job.state == told.state if told.state in ENDED_BADLY else bool(job.gone)


def _view(job: Followed) -> BannerView:
    target = job.target
    object = target.object if target is not None and not job.deleted else 0
    match job.state:
        case "failed" | "interrupted":
            sentence = said("{title}: {problem}", title=job.name, problem=said(job.problem))
            verb = "resume" if job.state == "interrupted" else "retry"
            return BannerView(job=job.id, state=job.state, sentence=sentence, verb=verb)
        case "cancelled" if object and target is not None and target.purpose == "new":
            sentence = said("{name} was cancelled: what was made so far stays.", name=job.name)
            return BannerView(
                job=job.id, state=job.state, sentence=sentence, verb="show", object=object
            )
        case "cancelled":
            sentence = said("{name} was cancelled.", name=job.name)
            return BannerView(job=job.id, state=job.state, sentence=sentence)
        case "done":
            word = job.word or said("{title} waits in the history.", title=job.name)
            verb = "show" if object else "insert"
            return BannerView(job=job.id, state=job.state, sentence=word, verb=verb, object=object)
        case _:
            assert job.state in ACTIVE
            return BannerView(job=job.id, state=job.state, sentence=job.gone, verb="cancel")
