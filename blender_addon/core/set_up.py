"""The set-up of the engine: uv, a Python, the packages, a try, and into its place.

Only for a process of its own (set_up_process.py): it waits. It may be killed at any moment: what is
downloaded stays, and the engine that works is replaced by two renames at the very end.
"""

import json
import shutil
import stat
import sys
import time
import zipfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from ..protocol.errors import EngineError
from . import uv
from .commands import Commands
from .disk import disk_full
from .fetch import download, find_on, size_of
from .installed import RECORD, own_engine
from .order import Order
from .places import Places, python_in, site_packages
from .plan import ENGINE, Package, disk_guess, packages_of, unpacked, wheel_identity, wheel_version
from .swap import copy_environment, put_in_place, remove
from .telling import Teller
from .uv_trouble import PYTORCH, unreachable

PYTHONS = ">=3.11,<3.15"
INFO = "*.dist-info"
SPARE = 200_000_000
"""Bytes that stay free on the disk."""
# Where each stage ends, of the whole: about as long as they take.
GOT_UV, GOT_PYTHON, PLANNED, FETCHED, INSTALLED, CHECKED = 0.03, 0.04, 0.07, 0.85, 0.95, 0.99


class Asks(Exception):
    """The user has not agreed to that yet: text, bytes of download, bytes of disk."""


class SetUp:
    """One set-up.

    Args:
        order: what is wanted.
        teller: hears how far it is.
        log: gets what uv says.
    """

    def __init__(self, order: Order, teller: Teller, log: BinaryIO) -> None:
        self._order, self._teller = order, teller
        self._places = Places(Path(order.home))
        self._downloads = self._places.downloads
        self._list = self._places.work / "pylock.toml"
        self._commands = Commands(self._places, log)
        self._notes: list[str] = []

    def run(self) -> None:
        """All of it.

        Raises:
            EngineError: the sentence for the user.
            Asks: it has to be agreed to.
            OSError: of the disk.
        """
        order, places = self._order, self._places
        if 0 < order.longest_home < len(str(places.home)):
            raise EngineError(
                "path_too_long",
                f"The path of {places.home} has {len(str(places.home))} characters; Windows leaves "
                f"room for {order.longest_home}.",
                "Set MAQUETTE_HOME to a shorter folder, such as C:\\Maquette, and restart Blender.",
            )
        self._downloads.mkdir(parents=True, exist_ok=True)
        identity = wheel_identity(Path(order.wheel))
        self._get_uv()
        self._make_environment()
        packages = self._plan()
        before = {} if order.fresh else self._before(packages)
        wanted = [p for p in packages if before.get(p.name) != p.identity]
        gone = sorted(before.keys() - {package.name for package in packages})
        self._install(self._fetch(wanted), gone)
        self._check()
        record = {
            "wheel": identity,
            "version": wheel_version(Path(order.wheel)),
            "notes": self._notes,
            "extras": order.extras,
            "packages": {package.name: package.identity for package in packages},
        }
        (places.new / RECORD).write_text(json.dumps(record), encoding="utf-8")
        shutil.copyfile(self._list, places.new / self._list.name)
        put_in_place(places, lambda text: self._teller.step(text, CHECKED))
        for folder in (self._downloads, places.work / "cache", places.work / "uv"):
            remove(folder)
        self._list.unlink(missing_ok=True)

    def _get_uv(self) -> None:
        text, order = "Downloading uv, which sets up the engine", self._order
        folder = self._places.work / "uv" / uv.VERSION
        self._commands.uv = folder / ("uv.exe" if sys.platform == "win32" else "uv")
        if self._commands.uv.exists():
            return
        name = order.uv_url.rpartition("/")[2]
        url = find_on(order.index, "uv", name) if order.index else order.uv_url
        total = order.uv_size
        wheel = self._downloads / name
        download(
            url,
            wheel,
            order.uv_sha256,
            lambda here: self._teller.step(text, GOT_UV * here / max(here, total, 1), here, total),
            pause=self._pause,
        )
        folder.mkdir(parents=True, exist_ok=True)
        part = folder / "part"
        with zipfile.ZipFile(wheel) as opened:
            (member,) = (
                n for n in opened.namelist() if n.endswith(f"scripts/{self._commands.uv.name}")
            )
            with opened.open(member) as source, part.open("wb") as target:
                shutil.copyfileobj(source, target)
        part.chmod(part.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
        part.replace(self._commands.uv)

    def _make_environment(self) -> None:
        """With a Python that is there, else with one that uv gets."""
        self._teller.step("Looking for a Python", GOT_UV)
        venv = ("venv", "--relocatable", "--no-project", "--python", PYTHONS)
        new = self._places.new
        remove(new)
        status, text = self._commands.run_uv(*venv, str(new))
        if status == 0 and self._fits():
            return
        remove(new)
        self._teller.step("Downloading a Python", GOT_UV)
        status, text = self._commands.run_uv(*venv, "--managed-python", str(new))
        if status != 0:
            raise self._commands.trouble(text, "make an environment")

    def _fits(self) -> bool:
        """Whether the environment's Python is one for this processor, and whole."""
        script = "import ctypes, ssl, sys; print(sys.maxsize > 2**32)"
        status, text = self._commands.run([str(python_in(self._places.new)), "-I", "-c", script])
        return status == 0 and "True" in text

    def _plan(self) -> list[Package]:
        """Ask the index what is to be installed."""
        self._teller.step("Asking what has to be downloaded", GOT_PYTHON)
        wanted = self._places.work / "engine.in"
        wanted.write_text(self._order.requirement + "\n", encoding="utf-8")
        known = self._places.engine / self._list.name
        if known.exists() and not self._order.fresh:
            # What is installed stays as it is where the new engine allows it.
            shutil.copyfile(known, self._list)
        command = (
            *("pip", "compile", str(wanted), "--output-file", str(self._list)),
            *("--format", "pylock.toml", "--only-binary", ":all:", "--no-header"),
            *("--python", str(python_in(self._places.new)), "--quiet"),
        )
        backend = self._order.backend
        right_torch = ("--torch-backend", backend) if backend else ()
        status, text = self._commands.run_uv(*command, *right_torch)
        elsewhere = status != 0 and bool(backend) and PYTORCH in text and unreachable(text)
        if elsewhere:
            self._teller.note(f"{PYTORCH} cannot be reached: PyTorch comes from the package index.")
            status, text = self._commands.run_uv(*command)
        if status != 0:
            raise self._commands.trouble(text, "find out what has to be downloaded")
        packages = packages_of(self._list.read_text(encoding="utf-8"))
        if elsewhere and (note := self._other_torch(packages)):
            self._notes.append(note)
            self._teller.note(note)
        return packages

    def _other_torch(self, packages: Sequence[Package]) -> str:
        """What is not as it should be with a PyTorch that comes from elsewhere, or empty."""
        why = f"{PYTORCH} cannot be reached, so PyTorch comes from the package index: "
        if sys.platform == "win32" and self._order.nvidia:
            return why + "its build for Windows does not use the graphics card."
        if not self._order.nvidia and any(p.name.startswith("nvidia-") for p in packages):
            return why + "its build for Linux brings CUDA along, which this machine cannot use."
        return ""

    def _before(self, packages: Sequence[Package]) -> dict[str, str]:
        """Start from the engine that is there, where that saves a download.

        Returns:
            What the new environment holds by that, as ``Installed.packages``.
        """
        there = own_engine(self._places)
        if there is None or not any(there.packages.get(p.name) == p.identity for p in packages):
            return {}
        self._teller.step("Taking over what stays the same", PLANNED)
        remove(self._places.new)
        copy_environment(there.python.parent.parent, self._places.new)
        if not self._fits():  # its Python has gone meanwhile
            remove(self._places.new)
            self._make_environment()
            return {}
        return dict(there.packages)

    def _fetch(self, wanted: Sequence[Package]) -> list[Package]:
        """Download what is large.

        Returns:
            All that is wanted; what ``ours`` says is here, the rest is left to uv.
        """
        wanted = [p if p.size or p.local else replace(p, size=size_of(p.url)) for p in wanted]
        ours = sorted((p for p in wanted if p.ours), key=lambda p: p.size)
        total = sum(package.size for package in ours)
        here = {package.name: self._here(package) for package in ours}
        missing = sum(package.size for package in wanted) - sum(here.values())
        self._agree(missing, disk_guess(wanted))
        left: set[str] = set()
        for package in ours:
            text = f"Downloading {package.name} {package.version}"

            def told(count: int, text: str = text, name: str = package.name) -> None:
                here[name] = count
                done = sum(here.values())  # what a cut left of the others counts too
                fraction = PLANNED + (FETCHED - PLANNED) * done / total
                self._teller.step(text, fraction, done, total)

            try:
                file = self._downloads / package.file
                download(package.url, file, package.sha256, told, pause=self._pause)
            except EngineError as error:
                if error.code != "login_needed":
                    raise
                left.add(package.name)  # uv has more ways to find a login
        wanted = [replace(p, size=0) if p.name in left else p for p in wanted]
        self._room(unpacked(self._downloads / p.file for p in wanted if p.ours))
        return wanted

    def _pause(self, seconds: float) -> None:
        self._teller.step("The connection was lost: trying again", 0.0)
        time.sleep(seconds)

    def _here(self, package: Package) -> int:
        file = self._downloads / package.file
        for place in (file, file.with_name(file.name + ".part")):
            with suppress(OSError):
                return place.stat().st_size
        return 0

    def _agree(self, download: int, disk: int) -> None:
        self._room(download + disk)
        if self._order.accepted:
            return
        why = self._notes[-1] if self._notes else ""
        if download > self._order.agreed * 1.2 + 50_000_000:
            raise Asks(f"{why} The download is {download / 1e9:.1f} GB.".strip(), download, disk)
        if why and self._order.nvidia and sys.platform == "win32":
            raise Asks(f"{why} Generating will take hours.", download, disk)

    def _room(self, need: int) -> None:
        if shutil.disk_usage(self._places.home).free < need + SPARE:
            raise disk_full(self._places.home, need + SPARE)

    def _install(self, wanted: Sequence[Package], gone: Sequence[str]) -> None:
        text = f"Installing {len(wanted) + 1} packages"
        lines = [package.line(self._downloads) for package in wanted]
        file = self._places.work / "packages.txt"
        file.write_text("\n".join([*lines, self._order.requirement]) + "\n", encoding="utf-8")
        python = ("--python", str(python_in(self._places.new)))
        if gone:
            status, said = self._commands.run_uv("pip", "uninstall", *python, *gone)
            if status != 0:
                raise self._commands.trouble(said, "remove packages")
        begun = self._count()

        def progress() -> None:
            share = min(1.0, (self._count() - begun) / (len(wanted) + 1))
            self._teller.step(text, FETCHED + (INSTALLED - FETCHED) * share)

        progress()
        command = ("pip", "install", *python, "--no-deps", "--only-binary", ":all:")
        # The engine's wheel may have the version that is there, and other content.
        again = ("--reinstall-package", ENGINE)
        status, said = self._commands.run_uv(
            *command, *again, "--requirement", str(file), each=progress
        )
        if status != 0:
            raise self._commands.trouble(said, "install the engine")

    def _count(self) -> int:
        """Packages that are in the environment."""
        return sum(1 for folder in site_packages(self._places.new) for _ in folder.glob(INFO))

    def _check(self) -> None:
        """An engine that cannot answer never replaces one that can."""
        self._teller.step("Trying the engine", INSTALLED)
        python = [str(python_in(self._places.new)), "-I"]
        version = wheel_version(Path(self._order.wheel))
        status, text = self._commands.run([*python, "-m", "engine", "--version"])
        if status != 0 or version not in text:
            raise self._commands.trouble(text, f"start the engine (it should be {version})")
        script = "import torch; print('cuda', torch.cuda.is_available())"
        self._teller.step("Trying PyTorch", INSTALLED + 0.01)
        status, text = self._commands.run([*python, "-c", script])
        if status != 0:
            if sys.platform == "win32" and "DLL" in text:
                raise EngineError(
                    "runtime_missing",
                    "PyTorch does not start: Windows lacks the Visual C++ runtime.",
                    "Install it from https://aka.ms/vs/17/release/vc_redist.x64.exe and try again.",
                )
            raise self._commands.trouble(text, "start PyTorch")
        if self._order.nvidia and "cuda True" not in text:
            self._notes.append(
                "There is an NVIDIA card, but PyTorch does not reach it: update its driver, then "
                "set up the engine again."
            )
