from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.addon.core.engine import Desk
from tests.service.peer import Server


@pytest.fixture
def spawn(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Starts a service in a process of its own: ``spawn(script, *arguments)``."""
    started: list[Server] = []

    def start(script: dict[str, Any], *arguments: str) -> Server:
        started.append(Server(tmp_path / "home", script, *arguments))
        return started[-1]

    yield start
    for server in started:
        server.close()


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Callable[..., Desk]]:
    """Makes a session: ``desk()``; another one of the same user with the same folder."""
    made: list[Desk] = []

    def make(**others: Any) -> Desk:
        made.append(Desk(tmp_path / "home", tmp_path / "user", **others))
        return made[-1]

    yield make
    for one in made:
        one.session.close()
