"""A small package index for tests of the set-up, with the real uv behind a fake wheel of it."""

import base64
import hashlib
import importlib.util
import json
import os
import random
import subprocess
import sys
import time
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from blender_addon.core.order import Order
from blender_addon.core.uv import VERSION

LARGE = 3_000_000
"""Bytes of a package that the set-up downloads by itself, with progress."""
ENGINE = """
import sys
from engine import __version__
if "--version" in sys.argv:
    print("maquette", __version__)
"""
TORCH = """
class cuda:
    @staticmethod
    def is_available():
        return False
"""


class Index:
    """A server in a process of its own.

    Attributes:
        folder: of its files.
        wheels: folder for the engine's wheels, which no index has.
        hold: as long as this file exists, nothing is installed.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.wheels, self.hold = folder, folder / "wheels", folder / "hold"
        for path in (folder / "files", self.wheels):
            path.mkdir(parents=True)
        self._projects: dict[str, list[dict[str, Any]]] = {}
        self.behave({})
        command = [sys.executable, str(Path(__file__).with_name("index_server.py")), str(folder)]
        self._process = subprocess.Popen(command)
        port = folder / "port"
        while not port.exists():
            assert self._process.poll() is None
            time.sleep(0.02)
        self.address = f"http://127.0.0.1:{port.read_text()}"
        self.add("torch", "2.9", {"torch/__init__.py": TORCH}, size=LARGE)
        self.add("rembg", "2.0", {"rembg.py": ""})
        self.add("sentences", "1.0", {"sentences.py": ""})
        self.uv = self._add_uv()

    def close(self) -> None:
        self._process.kill()
        self._process.wait()

    def behave(self, behaviour: Mapping[str, Any]) -> None:
        """What goes wrong, by name of file; see index_server.py."""
        (self.folder / "behaviour.json").write_text(json.dumps(behaviour))

    def got(self) -> list[tuple[str, str]]:
        """Name and range of every file whose content was asked for since the last call."""
        log = self.folder / "asked.txt"
        lines = log.read_text().splitlines() if log.exists() else []
        log.unlink(missing_ok=True)
        asked = [line.split(" ") for line in lines if line.startswith("GET ")]
        names = [(path.rpartition("/")[2], wanted) for _, path, wanted in asked]
        return [(name, wanted) for name, wanted in names if name.endswith(".whl")]

    def add(
        self,
        name: str,
        version: str,
        files: Mapping[str, str],
        *,
        requires: Sequence[str] = (),
        size: int = 0,
        claimed: int | None = None,
    ) -> Path:
        """A package.

        Args:
            size: about so many bytes, which cannot be compressed.
            claimed: size that the index says it has.
        """
        wheel = make_wheel(
            self.folder / "files", name, version, files, requires=requires, size=size
        )
        self._list(name, wheel, claimed)
        return wheel

    def add_engine(
        self,
        version: str,
        *,
        requires: Sequence[str] = (),
        main: str = ENGINE,
        reads_words: bool = False,
    ) -> Path:
        """The engine's wheel, as an extension brings it.

        Args:
            reads_words: its own networks know words.
        """
        files = {"engine/__init__.py": f'__version__ = "{version}"\n', "engine/__main__.py": main}
        if reads_words:
            files["engine/embedded/ckpts/text_encoder.json"] = "{}"
        wants = (*("torch", 'rembg; extra == "matte"', 'sentences; extra == "text"'), *requires)
        return make_wheel(self.wheels, "maquette", version, files, requires=wants)

    def order(self, home: Path, wheel: Path, **changes: Any) -> Order:
        """A set-up with all from here."""
        url, size, sha256 = self.uv
        given: dict[str, Any] = {
            "uv_url": url,
            "agreed": 10**9,
            "backend": "",
            "extras": ("matte",),
            **changes,
        }
        return Order(home=str(home), wheel=str(wheel), uv_size=size, uv_sha256=sha256, **given)

    def environment(self) -> dict[str, str]:
        """Of a user who has this index and no other setting."""
        kept = ("PATH", "HOME", "TMPDIR", "LANG")
        given = {name: os.environ[name] for name in kept if name in os.environ}
        return {
            **given,
            "UV_DEFAULT_INDEX": f"{self.address}/simple",
            "UV_PYTHON": sys.executable,
            "UV_HTTP_RETRIES": "0",
            "UV_PYTHON_DOWNLOADS": "never",
        }

    def _list(self, name: str, wheel: Path, claimed: int | None = None) -> None:
        data = wheel.read_bytes()
        entry = {
            "filename": wheel.name,
            "url": f"{self.address}/files/{wheel.name}",
            "hashes": {"sha256": hashlib.sha256(data).hexdigest()},
            "size": len(data) if claimed is None else claimed,
            "core-metadata": True,
        }
        with zipfile.ZipFile(wheel) as opened:
            (beside,) = [each for each in opened.namelist() if each.endswith("/METADATA")] or [""]
            if beside:
                metadata = wheel.with_name(f"{wheel.name}.metadata")
                metadata.write_bytes(opened.read(beside))
        self._projects.setdefault(name, []).append(entry)
        (self.folder / "simple.json").write_text(json.dumps(self._projects))

    def _add_uv(self) -> tuple[str, int, str]:
        if importlib.util.find_spec("uv") is None:
            pytest.skip("the package uv is not installed (extra dev)")
        from uv import find_uv_bin

        wait = f'while [ "$2" = install ] && [ -e "{self.hold}" ]; do sleep 0.05; done'
        script = f'#!/bin/sh\n{wait}\nexec "{find_uv_bin()}" "$@"\n'
        wheel = self.folder / "files" / f"uv-{VERSION}-py3-none-any.whl"
        with zipfile.ZipFile(wheel, "w") as opened:
            opened.writestr(f"uv-{VERSION}.data/scripts/uv", script)
            opened.writestr("padding", random.Random(1).randbytes(200_000))
        self._list("uv", wheel)
        data = wheel.read_bytes()
        return f"{self.address}/files/{wheel.name}", len(data), hashlib.sha256(data).hexdigest()


def make_wheel(
    folder: Path,
    name: str,
    version: str,
    files: Mapping[str, str],
    *,
    requires: Sequence[str] = (),
    size: int = 0,
) -> Path:
    """A wheel of pure Python."""
    info = f"{name}-{version}.dist-info"
    metadata = [f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}"]
    metadata += [f"Requires-Dist: {each}" for each in requires]
    extras = [each.split('"')[1] for each in requires if "extra ==" in each]
    metadata += [f"Provides-Extra: {extra}" for extra in extras]
    content = {path: text.encode() for path, text in files.items()}
    if size:
        content[f"{name}/padding"] = random.Random(name + version).randbytes(size)
    content[f"{info}/METADATA"] = "\n".join(metadata).encode() + b"\n"
    content[f"{info}/WHEEL"] = (
        b"Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    )
    record = "".join(
        f"{path},sha256={_digest(data)},{len(data)}\n" for path, data in content.items()
    )
    content[f"{info}/RECORD"] = (record + f"{info}/RECORD,,\n").encode()
    wheel = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as opened:
        for path, data in content.items():
            opened.writestr(path, data)
    return wheel


def _digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
