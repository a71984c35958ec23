"""What has to be installed: uv's answer (pylock.toml) as a list with bytes and hashes."""

import re
import tomllib
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from ..protocol.errors import EngineError

ENGINE = "maquette"
CUT_OUT, WORDS = "matte", "text"
"""Extras of the engine: what cuts objects out of photographs, and what reads words."""
_READS_WORDS = "engine/embedded/ckpts/text_encoder.json"
SMALL = 2_000_000
"""Bytes below which a wheel is left to uv, which gets several at once."""
UNPACKED, UNPACKED_CUDA = 3.5, 1.4
"""Bytes on disk for a byte of wheel, and of NVIDIA's libraries; measured on Linux."""


@dataclass(frozen=True)
class Package:
    """A wheel to install.

    Attributes:
        name, version: of the package.
        url: http, https or file.
        size: bytes; 0: the index does not say.
        sha256: hexadecimal; empty: the index does not say.
    """

    name: str
    version: str
    url: str
    size: int = 0
    sha256: str = ""

    @property
    def file(self) -> str:
        """Name of the wheel."""
        return unquote(self.url.partition("#")[0].rpartition("/")[2])

    @property
    def local(self) -> bool:
        """Whether it lies on this machine already."""
        return not self.url.startswith("http")

    @property
    def ours(self) -> bool:
        """Whether we download it ourselves, with progress: only what can be checked."""
        return not self.local and bool(self.sha256) and self.size >= SMALL

    @property
    def identity(self) -> str:
        """What tells that an installed one is the same."""
        return self.sha256 or self.url

    def line(self, folder: Path) -> str:
        """Of uv's list of requirements; ``folder`` holds what was downloaded."""
        url = (folder / self.file).as_uri() if self.ours else self.url
        return f"{self.name} @ {url}" + (f" --hash=sha256:{self.sha256}" if self.sha256 else "")


def packages_of(text: str) -> list[Package]:
    """The packages of a pylock.toml, without the engine itself.

    Raises:
        EngineError: ``list_invalid``.
    """
    try:
        return [
            _package(entry) for entry in tomllib.loads(text)["packages"] if entry["name"] != ENGINE
        ]
    except (ValueError, LookupError, TypeError) as error:
        raise EngineError(
            "list_invalid",
            f"uv's list of packages cannot be read: {error!r}.",
            "Send the log of the set-up with a report.",
        ) from error


def _package(entry: Mapping[str, Any]) -> Package:
    # All that are listed fit this machine; uv puts the best one first.
    wheel: Mapping[str, Any] = entry["wheels"][0]
    url = wheel.get("url") or Path(wheel["path"]).absolute().as_uri()
    return Package(
        name=entry["name"],
        version=entry.get("version", ""),
        url=url,
        size=wheel.get("size", 0),
        sha256=wheel.get("hashes", {}).get("sha256", ""),
    )


def disk_guess(packages: Sequence[Package]) -> int:
    """Bytes that they will take, before their wheels are here."""
    all_of = sum(package.size for package in packages)
    cuda = sum(package.size for package in packages if package.name.startswith("nvidia-"))
    return int(cuda * UNPACKED_CUDA + (all_of - cuda) * UNPACKED)


def unpacked(wheels: Iterable[Path]) -> int:
    """Bytes that wheels take when they are installed."""
    total = 0
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as opened:
            total += sum(entry.file_size for entry in opened.infolist())
    return total


def wheel_version(wheel: Path) -> str:
    """Of its file's name."""
    return wheel.name.split("-")[1] if wheel.name.count("-") >= 4 else ""


def wheel_identity(wheel: Path) -> str:
    """Another one for every other content; takes milliseconds, since only the index is read.

    Raises:
        EngineError: ``wheel_broken``.
    """
    try:
        with zipfile.ZipFile(wheel) as opened:
            content = [f"{e.filename} {e.CRC:08x} {e.file_size}" for e in opened.infolist()]
    except (OSError, zipfile.BadZipFile) as error:
        raise EngineError(
            "wheel_broken",
            f"The engine that came with this extension cannot be read: {error}.",
            "Install the extension again.",
        ) from error
    return sha256("\n".join(sorted(content)).encode()).hexdigest()


def extras_of(wheel: Path) -> frozenset[str]:
    """The extras that an engine cannot do without, for all that the extension shows of it.

    Words are read by 94 MB, which only an engine needs whose own networks know some. FBX and USD
    are read by Blender, so that their readers are left out.
    """
    try:
        with zipfile.ZipFile(wheel) as opened:
            words = _READS_WORDS in opened.namelist()
    except (OSError, zipfile.BadZipFile):  # ``wheel_identity`` says so
        words = False
    return frozenset({CUT_OUT, WORDS} if words else {CUT_OUT})


def newer(one: str, other: str) -> bool:
    """Whether a version is newer than another: by their numbers, 0.10 after 0.9."""
    return _numbers(one) > _numbers(other)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version.partition("+")[0]))
