"""Blenders of their own, for what only a new process can show: one start after the other."""

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]

BEFORE = """
import json, os, sys, time, traceback
import bpy
from pathlib import Path
from tests.blender import addon
said = {}
try:
"""
AFTER = """
except BaseException:
    traceback.print_exc()
sys.stderr.flush()
sys.stdout.flush()
print("\\nSAID" + json.dumps(said), flush=True)
os._exit(0)
"""


def blender(resources: Path, *code: str, seconds: float = 120, **values: object) -> dict[str, Any]:
    """Run statements in a Blender that has just started, and return what they put into ``said``.

    Args:
        resources: folder of the user's files, where extensions are.
        seconds: that it may take.
        code: statements, which know bpy, addon, Path, time, sys, and the ``values``.

    Returns:
        ``said``; its item "console" is all that was printed.
    """
    resources.mkdir(parents=True, exist_ok=True)
    given = "".join(f"{name} = {_literal(value)}\n" for name, value in values.items())
    body = textwrap.indent(given + "\n".join(map(textwrap.dedent, code)), "    ")
    environment = {**os.environ, "BLENDER_USER_RESOURCES": str(resources), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", BEFORE + body + AFTER],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=seconds,
    )
    printed, _, answer = done.stdout.rpartition("\nSAID")
    if not answer or "Traceback (most recent call last)" in printed:
        raise AssertionError(f"Blender ended with {done.returncode}:\n{done.stdout}")
    return {**json.loads(answer), "console": printed}


def _literal(value: object) -> str:
    return f"Path({str(value)!r})" if isinstance(value, Path) else repr(value)
