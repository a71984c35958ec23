"""A service in a thread of this process, with the fake worker in a process of its own."""

import json
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine.service.options import Options
from engine.service.service import Service
from engine.service.workers import Patience
from engine.settings import Settings
from tests.service.peer import PATIENCE, Peer


class Local:
    """Attributes: service; peers."""

    def __init__(
        self,
        home: Path,
        script: Mapping[str, Any],
        *,
        patience: Patience | None = None,
        **options: Any,
    ) -> None:
        home.parent.mkdir(parents=True, exist_ok=True)
        file = home.parent / "script.json"
        file.write_text(json.dumps(script), encoding="utf-8")
        python = (sys.executable, "-m")
        self.home = home
        self._options = Options(
            settings=Settings(home=home, models=home / "models"),
            worker=(*python, "engine.service.fake", str(file)),
            helper=(*python, "engine.helper"),
            patience=patience or Patience(),
            engine="maquette test",
            **options,
        )
        self.peers: list[Peer] = []
        self.error: BaseException | None = None
        self._ready = threading.Event()
        self.thread = threading.Thread(target=self._serve)
        self.thread.start()
        self._ready.wait(PATIENCE)
        if self.error is not None:
            raise self.error

    def _serve(self) -> None:
        # All of it in this thread, to which SQLite keeps.
        try:
            self.service = Service(self._options)
            self._ready.set()
            self.service.run()
        except BaseException as error:
            self.error = error
            raise
        finally:
            self._ready.set()

    def peer(self, **arguments: Any) -> Peer:
        self.peers.append(Peer(self.service.connection, **arguments))
        return self.peers[-1]

    def close(self) -> None:
        if self.error is not None:
            return
        self.service.leave(wait=False)
        self.thread.join(PATIENCE)
        for peer in self.peers:
            peer.close()
