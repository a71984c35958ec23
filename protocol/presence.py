"""Whether the engine is there: found, connected to, greeted, and listened for."""

import time
from collections.abc import Callable, Sequence
from typing import Literal

from .connection import Connection
from .errors import EngineError
from .link import Link
from .messages import OLDEST_VERSION, PROTOCOL_VERSION, Message
from .replies import Refused, Welcome
from .requests import Hello, Leave, Ping
from .wire import Buffer, encode

PING_EVERY = 1.0
GONE_AFTER = 3.0
FAREWELL_SECONDS = 0.1
"""For the last word, where the engine takes nothing in; usually it takes a millisecond."""
LOOK_EVERY = 0.5
"""Seconds between looks for the engine while it is not there."""

State = Literal["connecting", "alive", "gone", "refused"]
"""Of the engine: "gone" is silent for 3 s, or does not run; "refused" does not want this client.
Both change by themselves when an engine appears that answers."""


class Presence:
    """The engine as one client sees it.

    Args:
        find: gives the connection, or an ``EngineError`` that becomes ``problem``.
        client, program: as in ``Hello``.
        clock: seconds, never backwards.
        next_id: gives ids for requests.

    Attributes:
        state: whether the engine is there.
        problem: why not, for the user; None while it is, or is being connected to.
        welcome: what the engine said of itself; None before the first time.
        connection: where it is; None while nobody knows.
        losses: how often what was sent may have been lost.
    """

    def __init__(
        self,
        find: Callable[[], Connection],
        client: str,
        program: str,
        clock: Callable[[], float],
        next_id: Callable[[], int],
    ) -> None:
        self.state: State = "connecting"
        self.problem: EngineError | None = None
        self.welcome: Welcome | None = None
        self.connection: Connection | None = None
        self.losses = 0
        self._find, self._client, self._program = find, client, program
        self._clock, self._next_id = clock, next_id
        self._link: Link | None = None
        self._up = self._hello_due = False
        self._hello_id = 0
        now = clock()
        self._heard = self._visited = self._pinged = now
        self._looked = now - LOOK_EVERY

    def visit(self) -> None:
        """Look where the engine is, and what became of the connection. Call it often."""
        now = self._clock()
        if now - self._visited > PING_EVERY:
            # Nobody listened meanwhile: that was no silence of the engine's.
            self._heard = now
        self._visited = now
        if self.state != "alive" and now - self._looked >= LOOK_EVERY:
            self._looked = now
            self._look()
        if self._link is None:
            return
        for change in self._link.changes():
            if change == "refused":
                self._refuse(
                    EngineError(
                        "not_admitted",
                        "The engine does not know the keys of this client.",
                        "Restart the engine on this machine, or pair again with another one.",
                    )
                )
            else:
                self._lose()
                self._up = self._hello_due = change == "up"

    def judge(self, patience: float) -> None:
        """After all that came was received: greet, ask for a sign of life, or give up.

        Args:
            patience: seconds of silence to bear beyond the usual, while much is being sent.
        """
        now = self._clock()
        if self._hello_due:
            self._greet()
        if self.state == "alive" and now - max(self._heard, self._pinged) >= PING_EVERY:
            self._pinged = now
            self.send(encode(Ping(), self._next_id()))
        silent = now - self._heard > GONE_AFTER + patience
        if silent and self.state in ("alive", "connecting"):
            self._lose()
            self._hello_due = self._up
            self.state = "gone"
            self.problem = EngineError(
                "engine_silent",
                "The engine does not answer.",
                "It is tried again by itself; if that lasts, restart the engine.",
            )

    def take(self, id: int, message: Message) -> bool:
        """Whether a message was about the greeting; then nobody else needs it."""
        if isinstance(message, Refused) and message.code == "hello_first":
            if self.state == "alive":
                self._lose()
                self._hello_due = True
            return True
        if id != self._hello_id or not id:
            return False
        if isinstance(message, Welcome):
            self.state, self.problem, self.welcome = "alive", None, message
        elif isinstance(message, Refused):
            self._refuse(message.error())
        return True

    def send(self, frames: Sequence[Buffer]) -> bool:
        """Whether the frames are on their way; False: not now, try later."""
        return self._link is not None and self._link.send(frames)

    def receive(self) -> "list[memoryview[int]] | None":
        """The frames of the next message; None: there is none now."""
        frames = None if self._link is None else self._link.receive()
        if frames is not None:
            self._heard = self._clock()
        return frames

    def wait(self, seconds: float) -> None:
        """Return when something came or changed, at the latest after so many seconds."""
        if self._link is None:
            time.sleep(seconds)
        else:
            self._link.wait(seconds)

    def close(self) -> None:
        """End, within ``FAREWELL_SECONDS``; an engine that is there is told."""
        if self._link is not None:
            told = self.state == "alive" and self.send(encode(Leave(), self._next_id()))
            self._link.close(FAREWELL_SECONDS if told else 0.0)
            self._link = None
        self._up = self._hello_due = False

    def _look(self) -> None:
        try:
            connection = self._find()
        except EngineError as error:
            self._lose()
            self.close()
            self.connection = None
            self.state, self.problem = "gone", error
            return
        if connection == self.connection:
            return
        self._lose()
        self.close()
        self.connection = connection
        self._link = Link(
            connection.endpoint,
            connection.server_key,
            connection.client_public,
            connection.client_secret,
        )
        self.state, self.problem = "connecting", None
        self._heard = self._clock()

    def _lose(self) -> None:
        """What was sent may never be answered."""
        self.losses += 1
        if self.state == "alive":
            self.state = "connecting"
            self._heard = self._clock()

    def _refuse(self, problem: EngineError) -> None:
        self._lose()
        self.state, self.problem, self._hello_due = "refused", problem, False

    def _greet(self) -> None:
        if self.connection is None:
            return
        hello = Hello(
            oldest=OLDEST_VERSION,
            newest=PROTOCOL_VERSION,
            token=self.connection.token,
            client=self._client,
            program=self._program,
        )
        id = self._next_id()
        if self.send(encode(hello, id)):
            self._hello_id, self._hello_due = id, False
