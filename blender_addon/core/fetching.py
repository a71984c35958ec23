"""Parts of jobs on their way into the scene: what to fetch, and what is whole and due."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from ..protocol.layout import views
from ..protocol.replies import Refused
from .asking import Asking
from .deliveries import Delivery, Placed, Stage
from .following import Followed
from .language import said
from .recipes import recipe_of

if TYPE_CHECKING:
    from ..protocol.client import Fetched

ORDER: tuple[Stage, ...] = ("structure", "mesh", "finished")
RECIPE, THUMBNAIL = "recipe", "thumbnail"
OPTIONAL = (RECIPE, THUMBNAIL)
"""Parts without which an object is built all the same."""
TRY_AGAIN = 0.5
"""Seconds until a delivery that the scene could not take is offered again."""


@dataclass(eq=False)
class _Load:
    """The parts of one stage of one job.

    Attributes:
        wanted: names of the parts.
        here: that have come.
        not_before: on the clock; the scene could not take it until then.
    """

    job: Followed
    stage: Stage
    wanted: tuple[str, ...]
    here: "dict[str, Fetched]" = field(default_factory=dict[str, Any])
    not_before: float = 0.0

    def recipe(self) -> dict[str, Any]:
        """For the object's property, with what the engine says of how it was made."""
        if self.stage != "finished":
            return {}
        told = self.here.get(RECIPE)
        if told is None:
            return recipe_of(self.job)
        return recipe_of(self.job, views(told.head.layout, told.data).get("data", b""))

    @property
    def whole(self) -> bool:
        return len(self.here) == len(self.wanted)


def final_parts(names: Iterable[str], *, as_asset: bool = False) -> tuple[str, ...]:
    """The parts that the finished object is built from, of those that a job has.

    Args:
        as_asset: it becomes an asset, with a preview.
    """
    wanted = ("hull", RECIPE, THUMBNAIL) if as_asset else ("hull", RECIPE)
    kept = [n for n in names if n.startswith(("finished", "textures")) or n in wanted]
    if "finished" in kept:
        return tuple(kept)
    return ("mesh", *(name for name in kept if name in OPTIONAL))


class Fetching:
    """Fetches what the scene will take, and says what is due.

    Args:
        clock: seconds, never backwards.
        on_end: called with a job and whether its result is in the scene; else it is offered.
    """

    def __init__(
        self,
        asking: Asking,
        clock: Callable[[], float],
        on_end: Callable[[Followed, bool], None],
    ) -> None:
        self._asking, self._clock, self._on_end = asking, clock, on_end
        self._loads: list[_Load] = []
        self.file: str | None = None
        """Key of the open file; None: whoever places it looks at it."""

    def part(self, job: Followed, name: str) -> None:
        """A part is there: fetch it if the scene shows it before the job is done."""
        if job.target is None or job.target.purpose != "new" or job.state in ("fetching", "done"):
            return
        if job.finish is None and name == "mesh":
            return  # it is the result itself, which comes in a moment
        if name == "mesh" or (name == "structure" and job.target.block_in):
            self._fetch(job, name, (name,))

    def ended(self, job: Followed) -> None:
        """A job is done: fetch its result, if it belongs into a scene."""
        if job.target is None:
            self._finish(job, placed=False)
            return
        wanted = final_parts(job.parts, as_asset=job.target.as_asset)
        if not set(wanted) <= set(job.parts):
            job.fail("The engine made nothing that can be shown.", "Generate it again.")
            self.drop(job)
            return
        self._fetch(job, "finished", wanted)

    def drop(self, job: Followed) -> None:
        """Nothing of it is wanted any more."""
        self._loads = [load for load in self._loads if load.job is not job]

    def give_up(self, job: Followed) -> None:
        """The user does not want a result that is done in the scene."""
        self._lost(job, "")

    def due(self) -> Delivery | None:
        """The next delivery; it stays due until ``placed`` says otherwise. Of a job only the last
        stage that is whole counts, and one of another file is never given out."""
        now = self._clock()
        for job in {id(load.job): load.job for load in self._loads}.values():
            if job.target is not None and self.file is not None and job.target.file != self.file:
                why = said("its file was closed")
                self._lost(
                    job, said("{title} waits in the history, since {why}.", title=job.name, why=why)
                )
                continue
            whole = [load for load in self._loads if load.job is job and load.whole]
            if not whole:
                continue
            newest = max(whole, key=lambda load: ORDER.index(load.stage))
            if job.deleted and newest.stage != "finished":
                continue  # an undo may bring its object back
            at = ORDER.index(newest.stage)
            self._loads = [
                load for load in self._loads if load.job is not job or ORDER.index(load.stage) >= at
            ]
            if now >= newest.not_before and job.target is not None:
                return Delivery(
                    job=job.id,
                    stage=newest.stage,
                    title=job.title,
                    target=job.target,
                    parts=newest.here,
                    recipe=newest.recipe(),
                )
        return None

    def placed(self, delivery: Delivery, placed: Placed) -> None:
        """What became of a delivery that was due."""
        load = next(
            (x for x in self._loads if (x.job.id, x.stage) == (delivery.job, delivery.stage)), None
        )
        if load is None:
            return
        job = load.job
        if placed.outcome == "later":
            load.not_before = self._clock() + TRY_AGAIN
            if job.state in ("fetching", "waiting"):
                job.state, job.waiting_for = "waiting", placed.sentence
            return
        if placed.outcome == "lost" and load.stage == "finished":
            self._lost(job, placed.sentence)
            return
        self._loads.remove(load)
        if placed.outcome == "lost":
            return
        job.waiting_for = ""
        if job.target is not None and placed.object:
            job.target = replace(job.target, object=placed.object, object_name=placed.object_name)
        if load.stage == "finished":
            job.word = placed.sentence
            self._finish(job, placed=True)

    def _fetch(self, job: Followed, stage: Stage, wanted: tuple[str, ...]) -> None:
        known = next((x for x in self._loads if x.job is job and x.stage == stage), None)
        if known is not None:
            return
        load = _Load(job, stage, wanted)
        self._loads.append(load)
        # The raw surface may be here already, as the stage before.
        earlier = {n: x for other in self._loads if other.job is job for n, x in other.here.items()}
        for name in wanted:
            if name in earlier:
                load.here[name] = earlier[name]
            else:
                self._asking.fetch(
                    job.id, name, lambda told, name=name: self._take(load, name, told)
                )

    def _take(self, load: _Load, name: str, told: "Fetched | Refused") -> None:
        if load not in self._loads:
            return
        if not isinstance(told, Refused):
            load.here[name] = told
            return
        if name in OPTIONAL:
            load.wanted = tuple(other for other in load.wanted if other != name)
            return
        self._loads.remove(load)
        if load.stage == "finished":
            load.job.fail(told.message, told.hint)

    def _lost(self, job: Followed, sentence: str) -> None:
        """Its place is gone: the job continues, and its result is offered in the history."""
        self.drop(job)
        job.target = None
        job.waiting_for, job.word = "", sentence
        if job.state in ("fetching", "waiting"):
            self._finish(job, placed=False)

    def _finish(self, job: Followed, *, placed: bool) -> None:
        job.state = "done"
        self._on_end(job, placed)
