from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.service.local import Local
from tests.service.peer import Server


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Local]]:
    """Starts a service in this process: ``serve(script, **options)``."""
    started: list[Local] = []

    def start(script: dict[str, Any], *, home: Path | None = None, **options: Any) -> Local:
        started.append(Local(home or tmp_path / "home", script, **options))
        return started[-1]

    yield start
    for local in started:
        local.close()


@pytest.fixture
def spawn(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Starts a service in a process of its own: ``spawn(script, *arguments)``."""
    started: list[Server] = []

    def start(script: dict[str, Any], *arguments: str, home: Path | None = None) -> Server:
        started.append(Server(home or tmp_path / "home", script, *arguments))
        return started[-1]

    yield start
    for server in started:
        server.close()
