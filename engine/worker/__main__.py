"""``python -m engine.worker``: nothing heavy is imported before the pipe is watched."""

import logging
import os
import sys

from engine.pipe.messages import Run, Setup, Warm
from engine.pipe.worker_end import worker_end
from engine.worker.tokens import Tokens


def main() -> None:
    """Serve one front process until it ends, or until the device fails."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    tokens = Tokens()
    with worker_end(tokens.cancel) as end:
        setup = end.next()
        if not isinstance(setup, Setup):
            return
        if not setup.networks:
            # Not even by mistake: a context alone takes hundreds of megabytes of a device. (An
            # empty text would mean nothing on Windows.)
            os.environ |= {"CUDA_VISIBLE_DEVICES": "-1", "HIP_VISIBLE_DEVICES": "-1"}
        # torch and numba take seconds, during which the front process may go away.
        from engine.worker.worker import Worker

        worker = Worker(setup, end, tokens)
        end.send(worker.ready())
        while worker.usable and (command := end.next()) is not None:
            match command:
                case Run():
                    worker.run(command)
                case Warm(checkpoint=checkpoint):
                    worker.warm(checkpoint)
                case _:
                    logging.warning("a command that a worker does not know: %s", command)


if __name__ == "__main__":
    main()
    sys.stderr.flush()
    # The device's memory is free at once; threads of libraries are not waited for.
    os._exit(0)
