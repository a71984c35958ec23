"""What a process without torch may import: names, recipes and the catalogue."""

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize(
    "module",
    [
        "engine.systems.table",
        "engine.systems.catalogue",
        "engine.assets.recipe",
        "engine.systems.describing",
    ],
)
def test_it_loads_no_networks(module: str) -> None:
    script = f"import sys, {module}\nprint(*sorted(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert module in done.stdout.split()
    assert not {"torch", "numba", "numpy"} & {
        name.partition(".")[0] for name in done.stdout.split()
    }
