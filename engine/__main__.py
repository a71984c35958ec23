"""`python -m engine` and `maquette`: the command line, which a Ctrl-C ends from the beginning."""

import os
import signal

INTERRUPTED = 130
"""Exit status, as shells have it for Ctrl-C."""


def main() -> None:
    """Run the command line.

    While modules are imported a Ctrl-C ends the process at once: as an exception it would show a
    traceback, or be lost where a library catches everything. Nothing has been begun by then.
    """
    before = signal.getsignal(signal.SIGINT)
    # Where it is ignored (nohup, a job of a script) it stays so.
    if before is signal.default_int_handler:
        signal.signal(signal.SIGINT, lambda *_: os._exit(INTERRUPTED))
    from engine.cli import main as run

    signal.signal(signal.SIGINT, before)
    run()


if __name__ == "__main__":
    main()
