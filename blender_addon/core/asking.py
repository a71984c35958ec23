"""The one client of the engine: who asked for something gets the answer."""

import logging
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from ..protocol.errors import EngineError
from ..protocol.replies import Refused, Reply
from ..protocol.requests import Request
from .wheels import check_wheels

if TYPE_CHECKING:
    from ..protocol.client import Answer, EngineClient, Fetched, Told
    from ..protocol.connection import Connection
    from ..protocol.events import Event
    from ..protocol.wire import Shaped

    Then = Callable[[Answer], None]
    ThenFetched = Callable[[Fetched | Refused], None]

logger = logging.getLogger(__name__)


class Asking:
    """Requests with what is to happen then. Nothing waits.

    Args:
        find: gives the connection, as for ``EngineClient``.
        client: name of this client for people.
        program: name and version of the program.
        clock: seconds, never backwards.
    """

    def __init__(
        self,
        find: "Callable[[], Connection]",
        client: str,
        program: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._find, self._name, self._program, self._clock = find, client, program, clock
        self._client: EngineClient | None = None
        self._then: dict[int, Then] = {}
        self._then_fetched: dict[int, ThenFetched] = {}
        self._wheels: EngineError | None = None
        self._closed = False

    @property
    def client(self) -> "EngineClient | None":
        """None before the first use: its wheels are not loaded before."""
        return self._client

    def open(self) -> "EngineClient":
        """The client, whose wheels are loaded now at the latest.

        Raises:
            EngineError: ``wheels_*``; ``session_closed``.
        """
        if self._closed:
            raise EngineError("session_closed", "The extension was switched off.", "Try again.")
        if self._wheels is not None:
            raise self._wheels  # only a restart of Blender changes that
        if self._client is None:
            try:
                check_wheels()
            except EngineError as error:
                self._wheels = error
                raise
            from ..protocol.client import EngineClient

            self._client = EngineClient(
                self._find, name=self._name, program=self._program, clock=self._clock
            )
        return self._client

    def ask(
        self,
        message: Request,
        then: "Then | None" = None,
        buffers: "Mapping[str, Shaped] | None" = None,
    ) -> int:
        """Send a request as soon as the engine is there.

        Args:
            then: gets the answer, ``Refused`` included, from a later ``poll``.

        Returns:
            Its id, which ``ModelProgress`` names.

        Raises:
            EngineError: as ``open``; ``too_many_requests``, ``message_too_large``.
        """
        id = self.open().request(message, buffers)
        if then is not None:
            self._then[id] = then
        return id

    def fetch(self, job: str, name: str, then: "ThenFetched") -> None:
        """Get a part of a job; ``then`` gets it from a later ``poll``, whole and checked.

        Raises:
            EngineError: as ``open``.
        """
        self._then_fetched[self.open().fetch(job, name)] = then

    def poll(self, budget_s: float) -> "list[Event | Reply]":
        """Send, receive, hand out the answers.

        Returns:
            Events, and answers that nobody of us asked for: the client itself asks again about
            jobs that it follows after a lost connection.

        Raises:
            EngineError: as ``open``.
        """
        events: list[Event | Reply] = []
        for told in self.open().poll(budget_s):
            try:
                self._hand_out(told, events)
            except EngineError as error:
                # Whoever got it could not ask further; the others get theirs all the same.
                logger.warning("Too much was asked of the engine: %s", error)
        return events

    def _hand_out(self, told: "Told", events: "list[Event | Reply]") -> None:
        from ..protocol.client import Answer, Fetched

        if isinstance(told, Fetched):
            if (fetched := self._then_fetched.pop(told.id, None)) is not None:
                fetched(told)
        elif isinstance(told, Answer):
            fetched = self._then_fetched.pop(told.id, None)
            then = self._then.pop(told.id, None)
            if fetched is not None and isinstance(told.reply, Refused):
                fetched(told.reply)
            elif then is not None:
                then(told)
            else:
                events.append(told.reply)
        else:
            events.append(told)

    def renew(self) -> None:
        """Another engine is used from here on: what the one before was asked has no answer."""
        self._then.clear()
        self._then_fetched.clear()
        if self._client is not None:
            self._client.close()
        self._client = None

    def close(self) -> None:
        """End at once, whatever was not sent."""
        self._closed = True
        self.renew()
