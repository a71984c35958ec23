"""Readers in a process of their own, for libraries in C++ that a damaged file may take down.

A crash, a hang or hunger for memory in there is a sentence here. Nothing of such a library is
loaded before a file wants it, nor stays afterwards.
"""

import importlib
import logging
import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from engine.mesh import Material
from engine.meshing.parts import Part
from engine.readers.libraries import check_library
from engine.readers.source import Broken, Source
from protocol.errors import EngineError

log = logging.getLogger(__name__)

Parts = tuple[list[Part], list[Material]]

_SECONDS = 60.0
_SECONDS_PER_MB = 3.0
"""What a file may take: far more than any sound one was seen to."""
_BYTES = 6 << 30
_BYTES_PER_BYTE = 300
"""Of memory; Linux keeps to it."""


def read_apart(reader: str) -> Callable[[Source], Parts]:
    """A reader that runs ``reader``, "module:function", in a process of its own.

    It raises ``EngineError`` ``reader_missing`` where its library is not installed, and what the
    reader raises.
    """

    def read(source: Source) -> Parts:
        check_library(source.path)
        said = _ask(source, reader)
        if isinstance(said, Exception):
            raise said
        parts, materials, source.notes, source.left_out, source.unit = said
        return parts, materials

    return read


def _ask(source: Source, reader: str) -> tuple | Exception:
    megabytes = len(source.data) / 1e6
    seconds = _SECONDS + _SECONDS_PER_MB * megabytes
    code = f"import sys; sys.path[:] = {sys.path!r}; from engine.readers.apart import answer; "
    code += "answer()"
    task = (str(source.path.absolute()), source.requires_textures, reader, len(source.data))
    flags = subprocess.CREATE_NO_WINDOW if sys.platform == "win32" else 0
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        creationflags=flags,
    )
    assert process.stdin is not None and process.stdout is not None
    timer = threading.Timer(seconds, process.kill)
    timer.start()
    try:
        with suppress(OSError):
            pickle.dump(task, process.stdin)
            process.stdin.flush()
        # The pipe stays open: when this process is gone, the other one ends too.
        data = process.stdout.read()
    finally:
        late = not timer.is_alive()
        timer.cancel()
        process.kill()
        with suppress(OSError):
            process.stdin.close()
        process.stdout.close()
        status = process.wait()
    try:
        return pickle.loads(data)
    except (EOFError, pickle.UnpicklingError):
        log.debug("%s: the reader ended with %d, late: %s", source.path, status, late)
        if late:
            return Broken(f"it was not read within {seconds:.0f} seconds")
        return Broken("its reader broke down over it")


def answer() -> None:
    """The other process: read the file that the standard input names, and write what came of it.

    Writes a pickled tuple, or the exception that was raised, and ends the process.
    """
    # Libraries that write to the terminal must not write into the answer.
    with os.fdopen(os.dup(1), "wb") as pipe:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        path, require_textures, reader, size = pickle.load(sys.stdin.buffer)
        threading.Thread(target=_end_with_parent, daemon=True).start()
        _limit_memory(size)
        said = _read(Source(Path(path), b"", require_textures=require_textures), reader)
        pickle.dump(said, pipe, protocol=pickle.HIGHEST_PROTOCOL)
    # No clearing up: libraries may fail at it, and the answer is given.
    os._exit(0)


def _read(source: Source, reader: str) -> tuple | Exception:
    module, _, name = reader.partition(":")
    try:
        parts, materials = getattr(importlib.import_module(module), name)(source)
    except (EngineError, Broken) as error:
        return error
    except MemoryError:
        return Broken("it wants more memory than a file of its size should")
    except Exception as error:  # noqa: BLE001
        return ValueError(f"{type(error).__name__}: {error}")
    return parts, materials, source.notes, source.left_out, source.unit


def _end_with_parent() -> None:
    with suppress(OSError):
        os.read(0, 1)
    os._exit(1)


def _limit_memory(size: int) -> None:
    if sys.platform != "linux":
        return
    import resource

    most = _BYTES + _BYTES_PER_BYTE * size
    with suppress(ValueError, OSError):
        # Not of addresses, which threads reserve by the gigabyte without using them.
        hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
        resource.setrlimit(resource.RLIMIT_DATA, (most, hard))
