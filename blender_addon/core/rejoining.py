"""Jobs whose events were missed: after a lost connection, and of a Blender before this one."""

from typing import TYPE_CHECKING

from ..protocol.replies import JobSnapshot, Refused
from ..protocol.requests import Attach
from .asking import Asking
from .following import Followed, Following
from .snapshot import ENDED_BADLY
from .unplaced import Unplaced

if TYPE_CHECKING:
    from ..protocol.client import Answer


class Rejoining:
    """Asks the engine what has become of jobs, and follows them from there."""

    def __init__(self, asking: Asking, jobs: Following, unplaced: Unplaced) -> None:
        self._asking, self._jobs, self._unplaced = asking, jobs, unplaced
        self._recalled: set[str] = set()

    def recall(self) -> None:
        """What a Blender before this one knew to have ended badly is shown before there is an
        engine to ask."""
        for id in self._unplaced:
            noted = self._unplaced[id]
            if noted.state not in ENDED_BADLY or id in self._jobs:
                continue
            self._recalled.add(id)
            self._jobs.add(
                Followed(
                    id=id,
                    title=noted.title,
                    target=None,
                    state=noted.state,
                    kind=noted.kind,
                    problem=noted.problem,
                    hint=noted.hint,
                )
            )

    def forget(self) -> None:
        """Another engine is used from here on: what was recalled is none of its."""
        for id in self._recalled:
            self._jobs.remove(id)
        self._recalled.clear()

    def greeted(self) -> None:
        """A connection begins."""
        for job in self._jobs:
            if job.state in ("queued", "running", "interrupted") or job.id in self._recalled:
                self.attach(job.id)
        for id in self._unplaced:
            if id not in self._jobs:
                self._adopt(id)

    def attach(self, job: str) -> None:
        """What has become of a job that is followed."""

        asked = self._jobs.get(job)

        def then(answer: "Answer") -> None:
            reply = answer.reply
            recalled = job in self._recalled
            self._recalled.discard(job)
            if self._jobs.get(job) is not asked:
                return  # it was resumed meanwhile
            if isinstance(reply, JobSnapshot):
                self._jobs.take_snapshot(reply)
            elif isinstance(reply, Refused) and (lost := self._jobs.get(job)):
                lost.fail(reply.message, reply.hint)
                self._unplaced.remove(job)
                if recalled:  # nothing can be done about it, and its failure is known
                    self._jobs.remove(job)

        self._asking.ask(Attach(job=job), then)

    def _adopt(self, id: str) -> None:
        """A job of a Blender that was closed, or crashed: followed unless it is done. If it is, the
        history offers it."""

        def then(answer: "Answer") -> None:
            reply = answer.reply
            if isinstance(reply, Refused):
                self._unplaced.remove(id)
            elif isinstance(reply, JobSnapshot) and reply.row.state != "done":
                if reply.row.state == "cancelled":
                    self._unplaced.remove(id)
                elif id not in self._jobs:
                    self._jobs.add(Followed(id=id, title=reply.row.title, target=None))
                    self._jobs.take_snapshot(reply)

        self._asking.ask(Attach(job=id), then)
