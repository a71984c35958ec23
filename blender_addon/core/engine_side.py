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
from .language import said, whole
from .settings import UpscaleSettings
from .snapshot import CheckpointView, EngineView, SetupView, Verb

if TYPE_CHECKING:
    from ..protocol.client import Answer, EngineClient

_VERBS: dict[str, Verb] = {
    "wheels_unusable": "",
    "wheels_mixed": "",
    "wheels_missing": "",
}


STOPPED = EngineView(
    state="stopped", sentence="The engine is asleep: a job wakes it.", verb="start"
)
"""What is assumed as long as nobody has looked for its process."""


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
        self.facts, self.setup = STOPPED, SetupView()
        self.status: EngineStatus | None = None
        self.description: CheckpointDescription | None = None
        self.problem: EngineError | None = None

    @property
    def expected(self) -> bool:
        """Whether there is an engine to speak to. Without one, no wheel is loaded."""
        return (
            self._asking.client is not None or self.facts is STOPPED or self.facts.state == "ready"
        )

    @property
    def died(self) -> bool:
        """Whether its process on this machine has ended, as opposed to one that is only silent."""
        client, facts = self._asking.client, self.facts
        if facts is STOPPED or facts.remote or facts.state not in ("gone", "stopped", "absent"):
            return False
        return client is not None and client.state != "alive"

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

    def renew(self) -> None:
        """Another engine is used from here on."""
        self.status = self.description = None

    def describe(self) -> None:
        """Ask what the networks in use can do."""

        def then(answer: "Answer") -> None:
            if isinstance(answer.reply, CheckpointDescription):
                self.description = answer.reply

        upscaled = UpscaleSettings().finish
        request = DescribeCheckpoint(upscale_finish=upscaled.choice() if upscaled else None)
        self._asking.ask(request, then)

    def release_memory(self) -> None:
        """Give the memory of the device back; refused while a job runs."""

        def then(answer: "Answer") -> None:
            self.answered(answer)
            if not isinstance(answer.reply, Refused):
                self._tell("The engine has given its memory back.")

        self._asking.ask(ReleaseMemory(), then)

    def shutdown(self, *, wait: bool) -> None:
        """End the engine."""

        def then(answer: "Answer") -> None:
            self.answered(answer)
            if self.status is not None and not isinstance(answer.reply, Refused):
                self.status = replace(self.status, leaving=True)

        self._asking.ask(Shutdown(wait=wait), then)

    def answered(self, answer: "Answer") -> None:
        """Tell the user what was refused."""
        if isinstance(answer.reply, Refused):
            self._tell(whole(answer.reply.message, answer.reply.hint))


def engine_view(
    facts: EngineView,
    client: "EngineClient | None",
    status: EngineStatus | None,
    problem: EngineError | None,
    program: str,
) -> EngineView:
    """The engine for panels.

    Args:
        facts: of its process; "ready" means no more than that it lives, or is on another machine.
        client: None before the first use.
        status: the last one that came, or None.
        problem: why there can be no connection at all, or None.
        program: name and version of this extension.
    """
    welcome = client.welcome if client else None
    versions = ", ".join(filter(None, (program, welcome.engine if welcome else "")))
    # Whoever looks for the process knows that it has ended well: nothing is missed then.
    missed = ("ready",) if facts is not STOPPED else ("ready", "stopped")
    facts = replace(facts, versions=facts.versions or versions)
    if problem is not None:
        return _refused(facts, problem)
    if client is not None:
        if client.state == "refused" and client.problem is not None:
            return _refused(facts, client.problem)
        left = status is not None and status.leaving
        if client.state == "alive" and not (left and facts.state == "stopped"):
            return _ready(facts, status)
        if client.state == "gone" and welcome is not None and not left:
            if facts.state in missed:
                return _gone(facts)
        elif client.state == "gone" and facts.state == "ready" and _silent(client.problem):
            return _gone(facts)
    if facts.state == "ready":
        sentence = (
            said("Connecting to {place}.", place=facts.place)
            if facts.remote
            else "The engine is starting."
        )
        return replace(facts, state="starting", sentence=sentence, hint="", verb="")
    return facts


def _silent(problem: EngineError | None) -> bool:
    return problem is not None and problem.code == "engine_silent"


def _gone(facts: EngineView) -> EngineView:
    sentence = "The engine does not answer any more."
    if facts.remote:
        sentence = said("The engine on {place} does not answer any more.", place=facts.place)
    hint = (
        "It is tried again by itself; look whether that machine is on."
        if facts.remote
        else "Restart the engine: jobs that were running can be resumed then."
    )
    return replace(
        facts,
        state="gone",
        sentence=sentence,
        hint=hint,
        verb="" if facts.remote else "restart",
    )


def _ready(facts: EngineView, status: EngineStatus | None) -> EngineView:
    if facts.state == "ready" and facts.verb:
        return replace(
            _usable(facts, status), sentence=facts.sentence, hint=facts.hint, verb=facts.verb
        )
    return _usable(facts, status)


def _usable(facts: EngineView, status: EngineStatus | None) -> EngineView:
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
    if problem.code == "version_mismatch":
        return _of_another_version(facts)
    verb = _VERBS.get(problem.code)
    if verb is None:
        verb = "pair" if facts.remote else "restart"
    return replace(facts, state="refused", sentence=problem.message, hint=problem.hint, verb=verb)


def _of_another_version(facts: EngineView) -> EngineView:
    if facts.remote:
        return replace(
            facts,
            state="refused",
            sentence=said(
                "The engine on {place} is of another version than this extension.",
                place=facts.place,
            ),
            hint="Bring Maquette to the same version there and here.",
            verb="",
        )
    return replace(
        facts,
        state="refused",
        sentence="The engine is of another version than this extension.",
        hint="Update the engine: results and weights stay.",
        verb="update",
    )
