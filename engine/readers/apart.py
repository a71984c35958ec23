"""Readers in a process of their own, for libraries in C++ that a damaged file may take down.

A crash, a hang or hunger for memory in there is a sentence here. Nothing of such a library is
loaded before a file wants it, nor stays afterwards.
"""

import importlib
import logging
import math
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Hashable
from contextlib import suppress
from pathlib import Path

from engine.mesh import Material, Texture
from engine.meshing.parts import Part
from engine.readers.libraries import check_library
from engine.readers.source import Broken, Source
from protocol.errors import EngineError

log = logging.getLogger(__name__)

Parts = tuple[list[Part], list[Material]]

_SECONDS = 60.0
_SECONDS_PER_MB = 3.0
"""What a file may take, far more than any sound one was seen to: on the clock,"""
_CPU_SECONDS = 5.0
_CPU_SECONDS_PER_MB = 5.0
"""and of the processor, without decoding pictures; not on Windows."""
_BYTES = 1 << 30
_BYTES_OF_PICTURE = 6 << 30
_BYTES_PER_BYTE = 300
"""Of memory, and while a picture is decoded; Linux keeps to it."""


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
    seconds = _SECONDS + _SECONDS_PER_MB * source.path.stat().st_size / 1e6
    code = f"import sys; sys.path[:] = {sys.path!r}; from engine.readers.apart import answer; "
    code += "answer()"
    task = (str(source.path.absolute()), source.requires_textures, reader, _CPU_SECONDS)
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
        if status == -getattr(signal, "SIGXCPU", 0):
            return Broken("reading it takes far longer than a file of its size should")
        return Broken("its reader broke down over it")


def answer() -> None:
    """The other process: read the file that the standard input names, and write what came of it.

    Writes a pickled tuple, or the exception that was raised, and ends the process.
    """
    # Libraries that write to the terminal must not write into the answer.
    with os.fdopen(os.dup(1), "wb") as pipe:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        path, require_textures, reader, seconds = pickle.load(sys.stdin.buffer)
        threading.Thread(target=_end_with_parent, daemon=True).start()
        said = _read(_Limited(Path(path), require_textures, seconds), reader)
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


class _Limited(Source):
    """A file in whose process time and memory are limited by its size, but for its pictures."""

    def __init__(self, path: Path, require_textures: bool, seconds: float) -> None:
        super().__init__(path, b"", require_textures=require_textures)
        self._seconds = seconds
        self._size = self._pixels = 0
        self.allow(path.stat().st_size)

    def allow(self, size: int) -> None:
        self._size += size
        self._limit(_BYTES)

    def once(self, key: Hashable, read: Callable[[], Texture]) -> Texture | None:
        # Pixels have a limit of their own, which lies far above what a file of so many bytes wants.
        begin = time.process_time()
        self._limit(_BYTES_OF_PICTURE)
        texture = super().once(key, read)
        self._seconds += time.process_time() - begin
        if texture is not None:
            self._pixels += texture.pixels.nbytes
        self._limit(_BYTES)
        return texture

    def _limit(self, most: int) -> None:
        if sys.platform == "win32":
            return
        import resource

        seconds = self._seconds + _CPU_SECONDS_PER_MB * self._size / 1e6
        limits = {resource.RLIMIT_CPU: math.ceil(seconds)}
        if sys.platform == "linux":
            # Not of addresses, which threads reserve by the gigabyte without using them.
            limits[resource.RLIMIT_DATA] = most + _BYTES_PER_BYTE * self._size + self._pixels
        for kind, limit in limits.items():
            with suppress(ValueError, OSError):
                resource.setrlimit(kind, (limit, resource.getrlimit(kind)[1]))
