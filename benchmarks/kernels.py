"""Record which kernels jobs use, for `engine.warm_up`.

    python -m benchmarks.kernels

Runs each job's commands twice, the second time with all kernels compiled: only then is every kernel
that Python calls seen by itself. Writes engine/warm_up.json. To be run when a test says that a job
uses a kernel that is not recorded.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from engine.warm_up import RECORDED

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES, SCENE = ROOT / "examples", ROOT / "tests" / "data" / "scene"
JOBS = {
    "generate": [f"generate {EXAMPLES}/mushroom.png -o made.glb"],
    "render": ["render made.glb -o m.webp --frames 2", f"render {EXAMPLES}/lantern.glb -o l.png"],
    "read": [
        *(f"render {SCENE}/scene.{kind} -o {kind}.png" for kind in ("obj", "ply", "stl")),
        *(f"render text.{kind} -o text.png" for kind in ("ply", "stl")),
    ],
}
"""Commands in a folder where those of the jobs before were run."""

_TEXTS = {
    "text.ply": "ply\nformat ascii 1.0\nelement vertex 3\nproperty float x\nproperty float y\n"
    "property float z\nelement face 1\nproperty list uchar int vertex_indices\nend_header\n"
    "0 0 0\n1 0 0\n0 1 0\n3 0 1 2\n",
    "text.stl": "solid\nfacet normal 0 0 1\nouter loop\nvertex 0 0 0\nvertex 1 0 0\nvertex 0 1 0\n"
    "endloop\nendfacet\nendsolid\n",
}
"""Files of which no example is kept."""

_RUN = """
import json, sys
from engine.cli import app
app(sys.argv[2:], standalone_mode=False)
from engine.kernel_cache import spelled, used
rows = [[f"{k.py_func.__module__}.{k.py_func.__qualname__}", [spelled(t) for t in kinds]]
        for k, kinds in used()]
open(sys.argv[1], "w").write(json.dumps(rows))
"""


def used_by(command: str, folder: Path) -> list[list]:
    """Names of kernels and spelled types, in order of first use by a command of Maquette."""
    written = folder / "used.json"
    path = f"import sys; sys.path[:] = {sys.path!r}\n"
    arguments = [sys.executable, "-c", path + _RUN, str(written), *command.split()]
    subprocess.run(arguments, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    return json.loads(written.read_text(encoding="utf-8"))


def main() -> None:
    # What was recorded may name kernels that are gone; nothing is warmed up while this runs.
    table: dict[str, list[list]] = {job: [] for job in JOBS}
    RECORDED.write_text(json.dumps(table), encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder:
        for name, text in _TEXTS.items():
            (Path(folder) / name).write_text(text)
        for job, commands in JOBS.items():
            rows = []
            for command in commands:
                used_by(command, Path(folder))
                rows += [row for row in used_by(command, Path(folder)) if row not in rows]
            table[job] = rows
            lines = [
                f" {json.dumps(name)}: [\n  " + ",\n  ".join(map(json.dumps, rows)) + "\n ]"
                for name, rows in table.items()
            ]
            RECORDED.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
