"""Every kernel becomes machine code for a GPU that is not here, and fits into it."""

import ast
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from engine.sparse import triton_kernels

AMPERE = "80"
"""The oldest generation that we use Triton on, with the least of everything."""
SHARED_BYTES = 99 << 10
"""What a program may have on GPUs for consumers, from Ampere to Blackwell."""


def kernels() -> set[str]:
    """Functions of the folder that are launched, rather than called by another kernel."""
    names: set[str] = set()
    for file in Path(triton_kernels.__path__[0]).glob("*.py"):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        launched = {
            node.func.value.id
            for node in ast.walk(tree)
            if isinstance(node, ast.Call)
            and isinstance(node.func, ast.Subscript)
            and isinstance(node.func.value, ast.Name)
        }
        defined = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
        names |= launched & defined
    return names


@pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="triton is not installed")
@pytest.mark.skipif(sys.platform != "linux", reason="Triton's compiler is for Linux")
def test_every_kernel_compiles_and_keeps_its_numbers_in_registers(tmp_path: Path) -> None:
    environment = {k: v for k, v in os.environ.items() if k != "TRITON_INTERPRET"}
    environment |= {"TRITON_CACHE_DIR": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-m", "tests.sparse.triton_kernels.compiling", AMPERE],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert {line["kernel"] for line in lines} == kernels() != set()
    for line in lines:
        assert line["spilled"] == 0, line
        assert line["shared"] <= SHARED_BYTES, line
    widest = [line for line in lines if "'BLOCK_OUT': 128" in line["compiled for"]]
    assert widest, "no launch has the largest tile"
