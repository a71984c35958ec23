"""What ticks of the timer cost Blender's main thread during a job with a result of a million faces:
``python run.py python -m benchmarks.blender_ticks 5.2.3``.

A played engine hands out a block-in, a raw mesh, a finished mesh, textures, a hull and a picture,
by its files and in chunks, as from another machine. Milliseconds of the clock and of the processor
of every tick that builds nothing, and what the longest were doing.

A machine that does other work makes ticks longer by the clock: on Linux, as root,
``chrt -R -f 1`` before the command keeps Blender's process from waiting for others.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
INSIDE = "--inside"
FACES = 1_000_000
ROUNDS = 3
LONGEST = 4
STEPS = [
    {"stage": "structure", "steps": 4, "seconds": 0.4},
    {"part": "structure"},
    {"stage": "shape", "steps": 20, "seconds": 1.0},
    {"part": "mesh", "faces": FACES},
    {"stage": "texture", "steps": 20, "seconds": 1.0},
    {"part": "finished", "faces": FACES},
    {"part": "textures", "side": 4096},
    {"part": "hull"},
    {"part": "thumbnail"},
    {"part": "recipe"},
]


def main(versions: list[str]) -> int:
    import build_addon
    from tests.blender.__main__ import this_platform
    from tests.blender.environments import one, usable

    with tempfile.TemporaryDirectory() as folder:
        (zip_file,) = build_addon.build(Path(folder), [this_platform()])
        for version in versions or [one()[0]]:
            user = Path(folder, version)
            user.mkdir()
            done = subprocess.run(
                [str(usable(version)), __file__, INSIDE, str(zip_file)],
                cwd=ROOT,
                env={
                    **os.environ,
                    "BLENDER_USER_RESOURCES": str(user),
                    "MAQUETTE_HOME": str(user / "home"),
                    "MAQUETTE_PYTHON": sys.executable,
                },
                capture_output=True,
                text=True,
            )
            found = [line for line in done.stdout.splitlines() if line.startswith("{")]
            print(version, *(found or [done.stderr[-3000:]]), sep="\n", flush=True)
    return 0


def inside(zip_file: Path) -> None:
    """In Blender."""
    sys.path.insert(0, str(ROOT))
    import bpy  # noqa: F401 - brings addon_utils along

    from tests.blender import addon
    from tests.blender.engines import Engine
    from tests.blender.pump import Pump

    pump = Pump()
    pump.install()
    addon.install(zip_file)
    tick = addon.module("bl.tick")
    home = Path(os.environ["MAQUETTE_HOME"])
    engine = Engine(home, {"jobs": [STEPS]}).start()
    try:
        for by_file in (True, False):
            watched = Watched(tick, by_file)
            for _ in range(ROUNDS):
                generate(pump)
            print(json.dumps(watched.said("files" if by_file else "chunks")))
            watched.end()
    finally:
        engine.kill()
    sys.stdout.flush()
    os._exit(0)  # bpy may hang at its end


class Watched:
    """Every tick is timed, and what it calls.

    Args:
        by_file: parts come by their files.
    """

    def __init__(self, tick: Any, by_file: bool) -> None:
        from tests.blender import addon

        self.ticks: list[tuple[float, float, dict[str, float], int]] = []
        self._parts: dict[str, float] = {}
        self._built = False
        self._replaced: list[tuple[Any, str, Any]] = []
        session = type(tick.session())
        downloads = addon.module("protocol.downloads").Downloads
        for owner, name in (
            (tick, "deliver"),
            (tick, "poll_engine"),
            (tick, "refresh"),
            (session, "tick"),
            (tick.thumbnails, "update"),
            (downloads, "read"),
            (downloads, "take"),
        ):
            self._replace(owner, name, self._timed(name, getattr(owner, name)))
        requests = downloads.requests
        self._replace(
            downloads, "requests", lambda here, *, local: requests(here, local=local and by_file)
        )
        self._replace(tick, "_work", self._whole(tick._work))

    def end(self) -> None:
        for owner, name, before in reversed(self._replaced):
            setattr(owner, name, before)

    def said(self, how: str) -> dict[str, Any]:
        """The longest by the clock and by the processor, in milliseconds."""
        quiet = [each for each in self.ticks if each[2].get("deliver") is None]
        by_clock = sorted(quiet, key=lambda each: -each[0])[:LONGEST]
        by_processor = sorted(quiet, key=lambda each: -each[1])[:LONGEST]
        return {
            "parts": how,
            "ticks": len(quiet),
            "over_50_ms_by_the_clock": sum(each[0] > 50 for each in quiet),
            "clock": [_row(each) for each in by_clock],
            "processor": [_row(each) for each in by_processor],
        }

    def _replace(self, owner: Any, name: str, new: Any) -> None:
        self._replaced.append((owner, name, getattr(owner, name)))
        setattr(owner, name, new)

    def _timed(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*given: Any, **more: Any) -> Any:
            start = time.thread_time()
            try:
                return function(*given, **more)
            finally:
                spent = (time.thread_time() - start) * 1000
                self._parts[name] = self._parts.get(name, 0.0) + spent

        return timed

    def _whole(self, work: Callable[[], float]) -> Callable[[], float]:
        def whole() -> float:
            self._parts = {}
            clock, processor, faults = time.perf_counter(), time.thread_time(), _faults()
            try:
                return work()
            finally:
                spent = time.perf_counter() - clock, time.thread_time() - processor
                row = spent[0] * 1000, spent[1] * 1000, self._parts, _faults() - faults
                self.ticks.append(row)

        return whole


def _faults() -> int:
    """Pages that the system had to bring to this thread so far."""
    used = resource.getrusage(resource.RUSAGE_THREAD)
    return used.ru_minflt + used.ru_majflt


def _row(each: tuple[float, float, dict[str, float], int]) -> dict[str, Any]:
    clock, processor, calls, faults = each
    return {
        "clock": round(clock, 1),
        "processor": round(processor, 1),
        "faults": faults,
        "calls": {name: round(ms, 1) for name, ms in calls.items() if ms >= 0.5},
    }


def generate(pump: Any) -> None:
    """One object, to its end in the scene."""
    import bpy

    from tests.blender import addon, parts

    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
    tick, open_file = addon.module("bl.tick"), addon.module("bl.open_file")
    scene: Any = bpy.context.scene
    target = addon.module("core.deliveries").Target(file=open_file.key(), scene=scene.session_uid)
    settings = addon.module("core.settings").GenerateSettings(seed=0)
    picture = addon.module("core.pictures").PictureIn(title="Toy", data=parts.png(32))
    job = tick.session().generate(settings, target, picture)[0]

    def ended() -> bool:
        rows = [row for row in tick.snapshot().jobs if row.id == job]
        return bool(rows) and rows[0].state in ("done", "failed", "cancelled")

    pump.until(ended, 120)
    made: Any = bpy.data.objects["Toy"].data
    faces = len(made.polygons)
    if faces < 0.9 * FACES:
        raise RuntimeError(f"{faces} faces came")


if __name__ == "__main__":
    if INSIDE in sys.argv:
        inside(Path(sys.argv[-1]))
    else:
        sys.exit(main(sys.argv[1:]))
