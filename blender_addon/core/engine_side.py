"""What is known of the engine: of its process, of the connection, and of its networks."""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from ..protocol.errors import EngineError
from ..protocol.events import EngineStatus
from ..protocol.replies import CheckpointDescription, Refused
from ..protocol.requests import DescribeCheckpoint, ReleaseMemory, Shutdown
from .asking import Asking
from .checkpoint import checkpoint_view
from .snapshot import CheckpointView, EngineView, SetupView, Verb

if TYPE_CHECKING:
    from ..protocol.client import Answer, EngineClient

_VERBS: dict[str, Verb] = {
    "version_mismatch": "update",
    "wheels_old": "",
    "wheels_mixed": "",
    "wheels_missing": "",
}


class EngineSide:
    """Keeps what the engine said of itself.

    Args:
        tell: called with a sentence for the user.
        program: name and version of this extension.

    Attributes:
        facts, setup: of the engine's process and its set-up, as somebody else finds them.
        status: the last one that came; None before the first connection.
        description: of the networks in use; None as long as the engine has not told.
        problem: why there can be no connection at all, such as wheels that do not fit; or None.
    """

    def __init__(self, asking: Asking, tell: Callable[[str], None], program: str) -> None:
        self._asking, self._tell, self._program = asking, tell, program
        self.facts, self.setup = EngineView(), SetupView()
        self.status: EngineStatus | None = None
        self.description: CheckpointDescription | None = None
        self.problem: EngineError | None = None

    def view(self) -> EngineView:
        """The engine for panels."""
        client = self._asking.client
        return engine_view(self.facts, client, self.status, self.problem, self._program)

    def checkpoint(self) -> CheckpointView | None:
        """The networks in use for panels."""
        return None if self.description is None else checkpoint_view(self.description)

    def take(self, status: EngineStatus) -> None:
        """How the engine is."""
        if self.status is not None and status.checkpoint != self.status.checkpoint:
            self.describe()
        self.status = status

    def describe(self) -> None:
        """Ask what the networks in use can do."""

        def then(answer: "Answer") -> None:
            if isinstance(answer.reply, CheckpointDescription):
                self.description = answer.reply

        self._asking.ask(DescribeCheckpoint(), then)

    def release_memory(self) -> None:
        """Give the memory of the device back; refused while a job runs."""

        def then(answer: "Answer") -> None:
            self.answered(answer)
            if not isinstance(answer.reply, Refused):
                self._tell("The engine has given its memory back.")

        self._asking.ask(ReleaseMemory(), then)

    def shutdown(self, *, wait: bool) -> None:
        """End the engine."""
        self._asking.ask(Shutdown(wait=wait), self.answered)

    def answered(self, answer: "Answer") -> None:
        """Tell the user what was refused."""
        if isinstance(answer.reply, Refused):
            self._tell(str(answer.reply.error()))


def engine_view(
    facts: EngineView,
    client: "EngineClient | None",
    status: EngineStatus | None,
    problem: EngineError | None,
    program: str,
) -> EngineView:
    """The engine for panels.

    Args:
        facts: of its process: absent, installing, stopped, starting, or its end.
        client: None before the first use.
        status: the last one that came, or None.
        problem: why there can be no connection at all, such as wheels that do not fit.
        program: name and version of this extension.
    """
    if problem is not None:
        return _refused(facts, problem)
    if client is None:
        return facts
    welcome = client.welcome
    engine = welcome.engine if welcome else ""
    facts = replace(facts, versions=", ".join(filter(None, (program, engine))))
    if client.state == "refused" and client.problem is not None:
        return _refused(facts, client.problem)
    if client.state == "alive":
        return _ready(facts, status)
    if facts.state in ("absent", "installing"):
        return facts
    if welcome is not None and client.state == "gone" and facts.state != "starting":
        known = client.problem is None or client.problem.code == "engine_not_running"
        if facts.state == "stopped" and known:
            return facts
        return replace(
            facts,
            state="gone",
            sentence="The engine does not answer any more.",
            hint="Start it again; jobs that were running can be resumed.",
            verb="" if facts.remote else "restart",
        )
    return facts


def _ready(facts: EngineView, status: EngineStatus | None) -> EngineView:
    if status is None:
        return replace(facts, state="ready", sentence="The engine is ready.", hint="", verb="")
    sentence = status.sentence
    if not sentence:
        sentence = {
            "none": "The engine is ready; its networks are not loaded.",
            "starting": "The engine is ready; its networks are being loaded.",
            "warming": "The engine is ready; its networks are being loaded.",
            "warm": "The engine is ready.",
            "busy": "The engine works.",
            "broken": "The engine's worker stopped several times.",
        }[status.worker]
    return replace(
        facts,
        state="ready",
        sentence=sentence,
        hint="Restart the engine." if status.worker == "broken" else "",
        verb="restart" if status.worker == "broken" and not facts.remote else "",
        device="CPU" if status.device == "cpu" else status.device_name or status.device,
        memory_used=status.memory_used,
        memory_total=status.memory_total,
        warm=status.worker in ("warm", "busy"),
    )


def _refused(facts: EngineView, problem: EngineError) -> EngineView:
    verb = _VERBS.get(problem.code)
    if verb is None:
        verb = "pair" if facts.remote else "restart"
    return replace(facts, state="refused", sentence=problem.message, hint=problem.hint, verb=verb)
