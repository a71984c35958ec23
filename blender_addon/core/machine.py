"""What a set-up costs on this machine, before anything is asked of the network."""

import os
import sys
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass
from typing import Literal

from .plan import WORDS

System = Literal["linux", "windows", "macos"]
MEGABYTE = 1_000_000
UV = 18
"""Megabytes of uv's wheel."""
SPEED = 50e6 / 8
"""Bytes a second that minutes are counted with: 50 Mbit/s."""
ASKING = 10.0
"""Seconds that finding a Python and asking for the list of packages take, about."""
UNPACKING = 40e6
"""Bytes of disk a second that unpacking, trying and putting in place take, about."""


@dataclass(frozen=True)
class Machine:
    """
    Attributes:
        system: of it.
        arch: "x64" or "arm64".
        nvidia: it has the driver of an NVIDIA card.
    """

    system: System
    arch: str
    nvidia: bool


@dataclass(frozen=True)
class Costs:
    """
    Attributes:
        download, disk: bytes; disk is what stays, a set-up needs both for a while.
        minutes: at 50 Mbit/s, unpacking included.
    """

    download: int
    disk: int
    minutes: float

    @classmethod
    def of(cls, download: int, disk: int) -> "Costs":
        """With minutes at ``SPEED``, and what unpacking takes."""
        return cls(download, disk, (ASKING + download / SPEED + disk / UNPACKING) / 60)


# Megabytes of download and of disk. Linux was measured on 28 November 2026. The others are sums of
# what the indexes list, their disk by ``plan.disk_guess``; Windows with a card is a guess.
_COSTS: Mapping[tuple[System, bool], tuple[int, int]] = {
    ("linux", False): (440, 1510),
    ("linux", True): (2960, 5530),
    ("windows", False): (310, 1030),
    ("windows", True): (2900, 5500),
    ("macos", False): (256, 850),
}


def this_machine(
    platform: str, machine: str, exists: Callable[[str], bool] = os.path.exists
) -> Machine:
    """
    Args:
        platform: ``sys.platform``.
        machine: ``platform.machine()``.
        exists: whether there is a file.
    """
    system: System = {"win32": "windows", "darwin": "macos"}.get(platform, "linux")  # type: ignore[assignment]
    arch = "arm64" if machine.lower() in ("arm64", "aarch64") else "x64"
    signs = (
        r"C:\Windows\System32\nvcuda.dll" if system == "windows" else "/proc/driver/nvidia/version"
    )
    return Machine(system, arch, system != "macos" and exists(signs))


_WORDS = (95, 130)
"""The same of the extra ``plan.WORDS``, which has one wheel for all systems."""


def costs(machine: Machine, extras: Container[str] = ()) -> Costs:
    """Estimates; the set-up knows better as soon as it has asked.

    Args:
        extras: of the engine; the figures of a machine count ``plan.CUT_OUT``.
    """
    download, disk = _COSTS[machine.system, machine.nvidia]
    if WORDS in extras:
        download, disk = download + _WORDS[0], disk + _WORDS[1]
    return Costs.of(download * MEGABYTE, disk * MEGABYTE)


def cost_of_words() -> int:
    """Bytes of download that add ``plan.WORDS`` to an engine that is there; uv comes again."""
    return (_WORDS[0] + UV) * MEGABYTE


def longest_home(platform: str = sys.platform) -> int | None:
    """Characters that the path of the home may have; None: no bound.

    Windows allows 260 in all, unless it was told otherwise, and torch's headers take 150 of them.
    """
    return 100 if platform == "win32" and not _long_paths() else None


def _long_paths() -> bool:
    if sys.platform != "win32":
        return True
    import winreg

    try:
        key = r"SYSTEM\CurrentControlSet\Control\FileSystem"
        with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, key) as opened:
            return bool(winreg.QueryValueEx(opened, "LongPathsEnabled")[0])
    except OSError:
        return False
