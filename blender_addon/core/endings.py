"""What an engine's end means: its exit status and last words as a sentence; too many in a row."""

import re
from collections import deque
from collections.abc import Callable, Sequence

from ..protocol.errors import EngineError
from .language import said

FEW, SOON = 3, 300.0
"""So many crashes within so many seconds are too many."""
_WINDOWS = {
    0xC0000005: "it used memory that is not its own",
    0xC0000017: "the memory of this machine is full",
    0xC000012D: "the memory of this machine is full",
    0xC0000135: "a DLL is missing; set up the engine again",
    0xC0000142: "a DLL could not be started; restart Windows",
    0xC000013A: "it was stopped from outside",
}
_SIGNALS = {4: "an instruction that this processor lacks", 7: "a fault of memory", 6: "an abort",
            8: "a fault of arithmetic", 11: "a fault of memory"}  # fmt: skip
_EVERYDAY = re.compile(
    r"(\d{4}-\d\d-\d\d [\d:,]+ )?(DEBUG|INFO) "
    "|The engine serves at |HTTP at |Each request carries |Interrupted when |To resume one: "
)
"""How lines begin that say nothing of an end: of the logs, and what it prints when all is well."""


def ending(status: int | None, last: Sequence[str]) -> EngineError | None:
    """
    Args:
        status: as ``Popen.returncode``; None: somebody else's process, nobody knows.
        last: lines that it wrote, see ``telling.last_lines``.

    Returns:
        None: it ended by itself, as it should.
    """
    if status == 0:
        return None
    if status == 2 and (told := _told(last)):
        return told
    last_words = _last_words(last)
    if status in (-9, 137):
        return EngineError(
            "engine_killed",
            "The engine was ended by the system.",
            # The memory that is free now says nothing of that moment: its own is free again.
            "Restart the engine. Full memory is one frequent reason: if it happens again, close "
            "other programs or choose a lower quality.",
        )
    if status in (-15, -2, 130, 143) or status == 0xC000013A:
        return EngineError(
            "engine_stopped", "The engine was stopped from outside.", "Restart the engine."
        )
    if status is None:
        return EngineError(
            "engine_gone",
            said("The engine has ended without a word.") + last_words,
            "Restart the engine.",
        )
    if status & 0xFFFFFFFF in _WINDOWS:
        why = _WINDOWS[status & 0xFFFFFFFF]
    elif status < 0 or 128 < status < 160:
        number = -status if status < 0 else status - 128
        why = _SIGNALS.get(number, said("signal {number}", number=number))
    else:
        why = said("exit status {status}", status=status)
    return EngineError(
        "engine_crashed",
        said("The engine has crashed: {why}.", why=said(why)) + last_words,
        "Restart the engine; if it happens again, copy the diagnosis and report it.",
    )


def _told(last: Sequence[str]) -> EngineError | None:
    """The engine's own sentence and remedy, which it writes as two lines."""
    for number, line in enumerate(last):
        if line.startswith("Error: "):
            hint = " ".join(last[number + 1 :])
            return EngineError("engine_refuses", line.removeprefix("Error: "), hint)
    return None


def _last_words(last: Sequence[str]) -> str:
    """What it said of itself at the end; the log of its everyday work says nothing of that."""
    words = [line for line in last if not _EVERYDAY.match(line)]
    return " " + said("Its last words: {words}", words=words[-1]) if words else ""


class Breaker:
    """Stops starting again what falls again and again.

    Args:
        clock: seconds, never backwards.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._crashes: deque[float] = deque(maxlen=FEW)

    def crashed(self) -> None:
        self._crashes.append(self._clock())

    def forgive(self) -> None:
        """The user has asked for another try."""
        self._crashes.clear()

    @property
    def open(self) -> bool:
        """Whether it crashed too often."""
        return len(self._crashes) == FEW and self._clock() - self._crashes[0] < SOON
