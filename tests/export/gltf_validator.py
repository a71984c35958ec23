"""The Khronos glTF validator, through Node.js."""

import functools
import json
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest

_SCRIPT = """
const fs = require('fs'), validator = require('gltf-validator');
validator.validateBytes(new Uint8Array(fs.readFileSync(process.argv[1])), {maxIssues: 50})
  .then(report => console.log(JSON.stringify(report)));
"""
VERSION = "2.0.0-dev.3.10"


@functools.cache
def _folder() -> Path:
    """A folder with the package in it, kept between runs; skips without Node.js or registry."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("Node.js is not installed, so there is no glTF validator")
    folder = Path(tempfile.gettempdir()) / f"maquette-gltf-validator-{VERSION}"
    if not (folder / "node_modules" / "gltf-validator").is_dir():
        folder.mkdir(exist_ok=True)
        done = subprocess.run(
            [npm, "install", "--no-audit", "--no-fund", f"gltf-validator@{VERSION}"],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=60,
        )
        if done.returncode != 0:
            pytest.skip(f"npm cannot install gltf-validator: {done.stderr.strip()[-200:]}")
    return folder


def validate(path: Path) -> dict[str, Any]:
    """The validator's report of a .glb file."""
    done = subprocess.run(
        ["node", "-e", _SCRIPT, str(path)],
        cwd=_folder(),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return json.loads(done.stdout)


def assert_valid(path: Path) -> dict[str, Any]:
    """No error and no warning; returns the report."""
    report = validate(path)
    issues = report["issues"]
    assert (issues["numErrors"], issues["numWarnings"]) == (0, 0), issues["messages"]
    return report
