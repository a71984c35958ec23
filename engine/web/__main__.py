"""`python -m engine.web HOME PORT`: started by the service, and gone when it is."""

import os
import sys
import threading
from pathlib import Path

import uvicorn

from engine import __version__
from engine.pipe.worker_end import streams
from engine.web.app import Web
from protocol.client import EngineClient
from protocol.connection import FILE_NAME, read_connection


def main(home: str, port: str) -> None:
    """Serve at 127.0.0.1 until stdin closes."""
    file = Path(home, FILE_NAME)
    with streams() as (stdin, _):

        def watch() -> None:
            while stdin.read(1024):
                pass
            os._exit(0)

        threading.Thread(target=watch, daemon=True).start()
        web = Web(
            lambda: EngineClient(
                lambda: read_connection(file), name="HTTP", program=f"maquette {__version__}"
            ),
            lambda: read_connection(file).token,
        )
        uvicorn.run(web.app(), host="127.0.0.1", port=int(port), log_level="warning")


if __name__ == "__main__":
    main(*sys.argv[1:3])
