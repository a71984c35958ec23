"""Where the engine lies on this machine, and what its set-up leaves on the way."""

import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Places:
    """Paths below the folder that the engine keeps everything in.

    Args:
        home: as ``protocol.home.data_folder`` says.
    """

    home: Path

    @property
    def engine(self) -> Path:
        """The environment that works."""
        return self.home / "engine"

    @property
    def new(self) -> Path:
        """One that is being made; never used."""
        return self.home / "engine.new"

    @property
    def old(self) -> Path:
        """The one before, for the moment between two renames, or until it can be deleted."""
        return self.home / "engine.old"

    @property
    def work(self) -> Path:
        """uv, downloads, state: may be deleted whenever no set-up runs."""
        return self.home / "engine.set-up"

    @property
    def downloads(self) -> Path:
        """Of a set-up that is not finished."""
        return self.work / "downloads"

    @property
    def pythons(self) -> Path:
        """Pythons that uv got because this machine has none that fits."""
        return self.home / "engine.python"

    def told(self, token: str) -> Path:
        """Lines of JSON: how far a set-up is, and how it ended.

        Args:
            token: of its order; "*" for a pattern of all. Each writes a file of its own, so that
                nobody takes the end of one for that of another.
        """
        return self.work / f"told-{token}.jsonl"

    @property
    def lock(self) -> Path:
        """Held, and named after the process inside, by the set-up that runs."""
        return self.work / "lock"

    @property
    def set_up_log(self) -> Path:
        return self.home / "logs" / "set-up.log"

    @property
    def process_log(self) -> Path:
        """What the set-up's process says when it cannot even begin."""
        return self.work / "process.log"

    @property
    def serve_log(self) -> Path:
        """What the engine says before its own log is open, and when it falls."""
        return self.home / "logs" / "serve.log"

    @property
    def stop_log(self) -> Path:
        """What asking it to end has said."""
        return self.home / "logs" / "stop.log"

    @property
    def service_log(self) -> Path:
        return self.home / "logs" / "service.log"

    @property
    def connection(self) -> Path:
        """As ``protocol.connection.FILE_NAME``, which would import the wheels."""
        return self.home / "engine.json"


def python_in(environment: Path) -> Path:
    """Where an environment has its Python."""
    if sys.platform == "win32":
        return environment / "Scripts" / "python.exe"
    return environment / "bin" / "python"


def site_packages(environment: Path) -> list[Path]:
    """Where an environment has its packages."""
    if sys.platform == "win32":
        return [environment / "Lib" / "site-packages"]
    return sorted((environment / "lib").glob("python3*/site-packages"))
