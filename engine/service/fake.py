"""A worker that plays jobs from a script, for tests and for the add-on: ``serve --fake SCRIPT``.

A script is a JSON file::

    {"device_name": "Fake", "start_seconds": 0.1, "start": "ok",
     "jobs": [[{"stage": "shape", "steps": 12, "seconds": 1.5},
               {"part": "mesh", "faces": 2000},
               {"note": "The picture is small."}],
              [{"crash": 9, "attempts": 1}, {"stage": "shape"}]]}

``start`` may be "crash" or "hang"; ``protocol`` is the only version of the protocol that the
service then claims to speak. A job plays ``jobs[seed % len(jobs)]``, with seed 0 where it has none,
so that every attempt at it plays the same. Its steps, one after the other:

- ``stage``: a name of ``protocol.stages``, with ``steps`` and ``seconds``; one that was done by an
  earlier attempt is not done again.
- ``part``: "structure", "mesh" (with ``faces``, about), "textures" or "thumbnail" (with ``side`` in
  pixels), or "asset" (with ``bytes``); ``cut``: its file is shorter than it says.
- ``note``, ``memory`` (bytes), ``print`` (a text on stdout, which must disturb nobody).
- ``fail``: code, message and hint.
- ``crash``: a signal's number, or ``exit``: a status; ``hang``: does not even hear a cancel.
- ``garbage``: sends what is no frame; ``torn``: dies in the middle of one.
- ``attempts``: with any of these: only in the first so many attempts.
"""

import json
import os
import signal
import struct
import sys
import time
import zlib
from pathlib import Path
from typing import Any

from engine.host.files import write_bytes_atomic
from engine.pipe.messages import Memory, PartFile, Ready, Run, Started, Warm, Warmed
from engine.pipe.worker_end import WorkerEnd, worker_end, write_part
from protocol.errors import EngineError
from protocol.events import Cancelled, Done, Failed, Note, Progress
from protocol.parts import Packed, pack_file, pack_images, pack_mesh, pack_structure
from protocol.stages import Overall
from protocol.wire import Shaped


class _Stopped(Exception):
    """The job is to stop."""


def main(script_file: str) -> None:
    """Play until the front process is gone."""
    script: dict[str, Any] = json.loads(Path(script_file).read_text(encoding="utf-8"))
    with worker_end() as end:
        end.next()
        time.sleep(script.get("start_seconds", 0.0))
        start = script.get("start", "ok")
        if start == "crash":
            os._exit(3)
        if start == "hang":
            time.sleep(3600)
        end.send(Ready(device="cpu", device_name=script.get("device_name", "Fake")))
        while (command := end.next()) is not None:
            if isinstance(command, Warm):
                end.send(Warmed(checkpoint="fake"))
            elif isinstance(command, Run):
                jobs = script.get("jobs") or [[]]
                seed = getattr(command.spec, "seed", None) or 0
                _Play(end, command, jobs[seed % len(jobs)]).play()


class _Play:
    """One job."""

    def __init__(self, end: WorkerEnd, run: Run, steps: list[dict[str, Any]]) -> None:
        self._end, self._run, self._steps = end, run, steps
        self._start = time.perf_counter()
        self._seconds: dict[str, float] = {}
        stages = tuple(step["stage"] for step in steps if "stage" in step)
        self._overall = Overall(stages)
        end.send(Started(job=run.job, checkpoint="fake", route="fake", stages=stages))

    def play(self) -> None:
        job = self._run.job
        try:
            for number, step in enumerate(self._steps):
                self._check()
                if self._run.attempt <= step.get("attempts", sys.maxsize):
                    self._step(number, step)
            self._check()
        except _Stopped:
            self._end.send(Cancelled(job=job))
        except EngineError as error:
            self._end.send(Failed(job=job, code=error.code, message=error.message, hint=error.hint))
        else:
            self._end.send(Done(job=job, seconds=self._seconds))

    def _step(self, number: int, step: dict[str, Any]) -> None:
        job = self._run.job
        match step:
            case {"stage": stage}:
                self._stage(number, stage, step.get("steps", 1), step.get("seconds", 0.0))
            case {"part": name}:
                part = self._part(name, step)
                if step.get("cut"):
                    os.truncate(Path(self._run.folder, part.file), part.bytes // 2)
                self._end.send(part)
            case {"note": sentence}:
                self._end.send(Note(job=job, sentence=sentence))
            case {"memory": used}:
                self._end.send(Memory(used=used))
            case {"print": text}:
                os.write(1, text.encode())
            case {"fail": failure}:
                raise EngineError(failure["code"], failure["message"], failure.get("hint", ""))
            case {"crash": number}:
                _die(number)
            case {"exit": status}:
                os._exit(status)
            case {"hang": seconds}:
                time.sleep(seconds)
            case {"garbage": text}:
                self._end.send_raw(struct.pack(">I", len(text)) + text.encode())
                time.sleep(60)
            case {"torn": _}:
                self._end.send_raw(struct.pack(">I", 1000) + b"half")
                os._exit(1)
            case _:
                return

    def _stage(self, number: int, stage: str, steps: int, seconds: float) -> None:
        kept = Path(self._run.folder, f"kept.{number}")
        if kept.exists():
            return
        begin = time.perf_counter()
        for done in range(steps + 1):
            self._check()
            if done:
                time.sleep(seconds / steps)
            self._end.send(
                Progress(
                    job=self._run.job,
                    stage=stage,
                    step=done,
                    steps=steps,
                    fraction=self._overall.update(stage, done, steps),
                    elapsed=time.perf_counter() - self._start,
                )
            )
        spent = time.perf_counter() - begin
        self._seconds[stage] = self._seconds.get(stage, 0.0) + spent
        write_bytes_atomic(kept, b"")

    def _part(self, name: str, step: dict[str, Any]) -> PartFile:
        side = step.get("side", 64)
        if name == "mesh":
            packed = _grid(step.get("faces", 200))
        elif name == "structure":
            import numpy as np

            packed = pack_structure(np.indices((4, 4, 4)).reshape(3, -1).T, 16)
        elif name == "textures":
            packed = pack_images({"base_color": (_png(side), False)})
        elif name == "thumbnail":
            rgba = Shaped(bytes((200, 120, 40, 255)) * (128 * 128), "uint8", (128, 128, 4))
            packed = pack_images({"thumbnail": (_png(128), False)}, thumbnail_rgba=rgba)
        else:
            packed = pack_file("asset.glb", os.urandom(step.get("bytes", 1000)))
        return write_part(self._run, name, packed)

    def _check(self) -> None:
        if self._run.job in self._end.cancelled:
            raise _Stopped


def _grid(faces: int) -> Packed:
    """A square sheet of about so many triangles."""
    import numpy as np

    n = max(1, round((faces / 2) ** 0.5))
    x, y = np.meshgrid(np.linspace(-0.5, 0.5, n + 1), np.linspace(-0.5, 0.5, n + 1))
    position = np.stack([x, y, np.zeros_like(x)], axis=-1).reshape(-1, 3)
    corner = (np.arange(n)[:, None] * (n + 1) + np.arange(n)).reshape(-1)
    a, b, c, d = corner, corner + 1, corner + n + 2, corner + n + 1
    return pack_mesh(position, np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)]))


def _png(side: int) -> bytes:
    """A square of one colour."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + check

    rows = (b"\0" + bytes((200, 120, 40)) * side) * side
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    parts = (chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def _die(number: int) -> None:
    if sys.platform == "win32":
        os._exit(number)
    os.kill(os.getpid(), signal.Signals(number))
    time.sleep(60)


if __name__ == "__main__":
    main(sys.argv[1])
