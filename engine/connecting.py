"""``from engine import connect``: the engine of this user, for Python programs.

As the command line does, it asks the environment for ``MAQUETTE_HOME``.
"""

import os
import sys
from pathlib import Path

from engine.remote import Engine
from engine.settings import read_settings


def connect(home: str | Path | None = None, *, name: str = "") -> Engine:
    """The engine that runs for this user.

    Args:
        home: folder of everything that Maquette keeps; None: that of the command line.
        name: of this client for people, who see it in lists of jobs.

    Raises:
        EngineError: ``engine_not_running``, and why it does not let this client in.
    """
    if home is None:
        home = read_settings(os.environ, sys.platform, Path.home()).home
    return Engine(Path(home), name=name)
