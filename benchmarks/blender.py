"""What deliveries cost Blender's main thread: ``python run.py python benchmarks/blender.py 5.2.3``.

Runs itself in an environment of tests/blender/environments.py, with the extension installed.
Milliseconds of the clock, best and median of several, and of the processor.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
ROUNDS = 5
FACES = 1_000_000
INSIDE = "--inside"


def main(versions: list[str]) -> int:
    sys.path.insert(0, str(ROOT))
    import build_addon
    from tests.blender.__main__ import this_platform
    from tests.blender.environments import PYTHONS, usable

    with tempfile.TemporaryDirectory() as folder:
        (zip_file,) = build_addon.build(Path(folder), [this_platform()])
        for version in versions or list(PYTHONS):
            user = Path(folder, version)
            user.mkdir()
            done = subprocess.run(
                [str(usable(version)), __file__, INSIDE, str(zip_file)],
                cwd=ROOT,
                env={**os.environ, "BLENDER_USER_RESOURCES": str(user)},
                capture_output=True,
                text=True,
            )
            lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
            print(version, lines[-1] if lines else done.stderr[-2000:], flush=True)
    return 0


def inside(zip_file: Path) -> None:
    """In Blender."""
    sys.path.insert(0, str(ROOT))
    import bpy  # noqa: F401 - brings addon_utils along

    from tests.blender import addon

    addon.install(zip_file)
    print(json.dumps(measure()))
    sys.stdout.flush()
    os._exit(0)  # bpy may hang at its end


def measure() -> dict[str, Any]:
    import bpy

    from tests.blender import addon, parts

    place = addon.module("bl.place")
    large = {
        "finished": parts.mesh_part(faces=FACES),
        "textures": _large_textures(parts),
    }
    raw = {"mesh": parts.mesh_part("mesh", faces=FACES)}
    cells = {"structure": parts.structure_part(64)}
    figures: dict[str, Any] = {}

    def clean() -> None:
        bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
        bpy.ops.ed.undo_push(message="Empty")

    def built(stage: str, given: dict[str, Any]) -> Callable[[], None]:
        return lambda: _assert_placed(place.deliver(parts.delivery(stage, parts=given)))

    figures["finished, two 4096 textures, undo step"] = _timed(built("finished", large), clean)
    figures["raw mesh with colours, undo step"] = _timed(built("mesh", raw), clean)
    figures["block-in of 64^3, undo step"] = _timed(built("structure", cells), clean)
    clean()
    built("finished", large)()
    gather = addon.module("bl.mesh_out").gather
    thing = bpy.data.objects["Chair"]
    figures["mesh out, with check of UVs"] = _timed(lambda: gather(thing), lambda: None)
    figures["undo"] = _timed(bpy.ops.ed.undo, lambda: None, rounds=1)
    figures["redo"] = _timed(bpy.ops.ed.redo, lambda: None, rounds=1)
    return figures


def _large_textures(parts: Any) -> Any:
    """Two 4096 px PNG files of 17 MB each, as large as those of real assets."""
    import numpy as np

    from tests.blender import addon

    rows = np.zeros((4096, 4096, 3), np.uint8)
    rows[::3] = np.random.default_rng(7).integers(0, 256, (1366, 4096, 3))
    data = parts.png_of(rows)
    pictures = {"base_color": (data, False), "metallic_roughness": (data, False)}
    return parts.fetched("textures", addon.module("protocol.parts").pack_images(pictures))


def _assert_placed(placed: Any) -> None:
    if placed.outcome != "placed":
        raise RuntimeError(placed.sentence)


def _timed(
    what: Callable[[], Any], before: Callable[[], Any], rounds: int = ROUNDS
) -> dict[str, float]:
    clock: list[float] = []
    processor: list[float] = []
    for _ in range(rounds):
        before()
        start = time.perf_counter(), time.thread_time()
        what()
        clock.append((time.perf_counter() - start[0]) * 1000)
        processor.append((time.thread_time() - start[1]) * 1000)
    return {
        "ms": round(min(clock)),
        "median": round(statistics.median(clock)),
        "processor": round(statistics.median(processor)),
    }


if __name__ == "__main__":
    if INSIDE in sys.argv:
        inside(Path(sys.argv[-1]))
    else:
        sys.exit(main(sys.argv[1:]))
