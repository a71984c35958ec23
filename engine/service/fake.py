"""A worker that plays jobs from a script, for tests and for the add-on: ``serve --fake SCRIPT``.

A script is a JSON file::

    {"device_name": "Fake", "start_seconds": 0.1, "start": "ok",
     "jobs": [[{"stage": "shape", "steps": 12, "seconds": 1.5},
               {"part": "mesh", "faces": 2000},
               {"note": "The picture is small."}],
              [{"crash": 9, "attempts": 1}, {"stage": "shape"}]]}

``start`` may be "crash" or "hang"; ``device``, such as "cuda:0", is what it pretends to work on,
else the processor; ``device_problem`` is a sentence on a device that cannot be
used; ``protocol`` is the only version of the protocol that the
service then claims to speak; ``answers`` and ``download`` are for
``engine/service/fake_helper.py``. A job plays ``jobs[seed % len(jobs)]``, with seed 0 where it has
none, so that every attempt at it plays the same. Its steps, one after the other:

- ``stage``: a name of ``protocol.stages``, with ``steps`` and ``seconds``; one that was done by an
  earlier attempt is not done again.
- ``part``: as ``engine/service/fake_parts.py`` makes them: "source", "structure", "mesh",
  "finished" and "finished_lod1" (with ``faces``, about, up to 2,000,000), "hull", "textures" (with
  ``side`` in pixels, up to 4096, ``normal`` and ``alpha``), "thumbnail", "recipe", "model" or
  "asset" (with ``bytes``); ``cut``: its file is shorter than it says.
- ``saved``: what came before is what needs networks; another worker may do what comes after.
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
from pathlib import Path
from typing import Any

from engine.assets.names import RECIPE, asset_of_job, is_asset_folder
from engine.host.files import write_bytes_atomic
from engine.pipe.messages import (
    NEEDS_NETWORKS,
    HandOver,
    Memory,
    PartFile,
    Ready,
    Run,
    Saved,
    Setup,
    Started,
    Warm,
    Warmed,
)
from engine.pipe.worker_end import WorkerEnd, worker_end, write_part
from protocol.errors import EngineError
from protocol.events import Cancelled, Done, Failed, Note, Progress
from protocol.stages import Overall


class _Stopped(Exception):
    """The job is to stop."""


class _HandedOver(Exception):
    """Another worker does the rest."""


def main(script_file: str) -> None:
    """Play until the front process is gone."""
    script: dict[str, Any] = json.loads(Path(script_file).read_text(encoding="utf-8"))
    with worker_end() as end:
        setup = end.next()
        networks = not isinstance(setup, Setup) or setup.networks
        time.sleep(script.get("start_seconds", 0.0))
        start = script.get("start", "ok")
        if start == "crash":
            os._exit(3)
        if start == "hang":
            time.sleep(3600)
        name, problem = script.get("device_name", "Fake"), script.get("device_problem", "")
        device = script.get("device", "cpu")
        end.send(Ready(device=device, device_name=name, problem=problem))
        while (command := end.next()) is not None:
            if isinstance(command, Warm):
                end.send(Warmed(checkpoint="fake"))
            elif isinstance(command, Run):
                jobs = script.get("jobs") or [[]]
                seed = getattr(command.spec, "seed", None) or 0
                _Play(end, command, jobs[seed % len(jobs)], networks).play()


class _Play:
    """One job."""

    def __init__(
        self, end: WorkerEnd, run: Run, steps: list[dict[str, Any]], networks: bool
    ) -> None:
        self._end, self._run, self._steps, self._networks = end, run, steps, networks
        self._asset = asset_of_job(Path(run.folder))
        saved = [number for number, step in enumerate(steps) if "saved" in step]
        self._second = saved[0] + 1 if saved and is_asset_folder(self._asset) else 0
        steps = steps[self._second :]
        self._start = time.perf_counter()
        self._seconds: dict[str, float] = {}
        stages = tuple(step["stage"] for step in steps if "stage" in step)
        self._overall = Overall(stages)
        end.send(Started(job=run.job, checkpoint="fake", route="fake", stages=stages))

    def play(self) -> None:
        job = self._run.job
        try:
            for number, step in enumerate(self._steps):
                if number < self._second:
                    continue
                self._check()
                if self._run.attempt <= step.get("attempts", sys.maxsize):
                    self._step(number, step)
            self._check()
        except _Stopped:
            self._end.send(Cancelled(job=job))
        except _HandedOver:
            return
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
            case {"saved": _}:
                self._saved()
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

    def _saved(self) -> None:
        if not self._networks:
            raise EngineError(NEEDS_NETWORKS, "Nothing was saved.", "")
        self._asset.mkdir(exist_ok=True)
        write_bytes_atomic(self._asset / RECIPE, b"{}")
        if self._run.half == "first":
            self._end.send(Saved(job=self._run.job, seconds=self._seconds))
            answer = self._end.next()
            if answer is None:
                raise _Stopped
            if isinstance(answer, HandOver) and answer.accepted:
                raise _HandedOver

    def _part(self, name: str, step: dict[str, Any]) -> PartFile:
        from engine.service.fake_parts import packed_part

        return write_part(self._run, name, packed_part(name, step, self._run))

    def _check(self) -> None:
        if self._run.job in self._end.cancelled:
            raise _Stopped


def _die(number: int) -> None:
    if sys.platform == "win32":
        os._exit(number)
    os.kill(os.getpid(), signal.Signals(number))
    time.sleep(60)


if __name__ == "__main__":
    main(sys.argv[1])
