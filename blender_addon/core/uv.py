"""uv, which makes the engine's environment: what is fetched of it, and what it is told."""

from collections.abc import Mapping
from dataclasses import dataclass

from .machine import Machine
from .places import Places

VERSION = "0.13.9"
_STORE = "https://files.pythonhosted.org/packages/"


@dataclass(frozen=True)
class Wheel:
    """A wheel on PyPI that holds uv's binary.

    Attributes:
        url: of it.
        size: bytes.
        sha256: of it, hexadecimal.
    """

    url: str
    size: int
    sha256: str


def _wheel(folder: str, tags: str, size: int, sha256: str) -> Wheel:
    return Wheel(f"{_STORE}{folder}/uv-{VERSION}-py3-none-{tags}.whl", size, sha256)


WHEELS: Mapping[tuple[str, str], Wheel] = {
    ("linux", "x64"): _wheel(
        "3d/aa/26d64642d808de4a652579ef950d7cd2d37f080a8babf9c67c6b75fc4c3f",
        "manylinux_2_17_x86_64.manylinux2014_x86_64",
        17606939,
        "d7f459fe4fd247d830351c75686d3996ace3c6f3f728eb0e85a30b7ada0cef19",
    ),
    ("windows", "x64"): _wheel(
        "dd/ef/ceeabf3631117f7354787d9fb1ffe943899e59ed4b887a696ed547e47e76",
        "win_amd64",
        15662317,
        "6a44b2ed8111d2f60d2b92627c5dccda3f7ed7570b18ce115e569cd68c28246b",
    ),
    ("windows", "arm64"): _wheel(
        "da/d1/d97a5db1f27e077e4d6329223f6b3f719c02c97e4092043f13e628558d05",
        "win_arm64",
        15841844,
        "eeb92051c2123b9730c46b04cc843cfa4bc7d7b0aec56df431a2215ef4cb0273",
    ),
    ("macos", "arm64"): _wheel(
        "f3/a7/a8d7b074798c7fb3b26b37584b8fe2e29df2ccdc24ce7902caab2a53edbf",
        "macosx_11_0_arm64",
        14660755,
        "66c512266d633bef48384a1f53003f41f2a8e7b36fe6e7fbfd3e0fd52d96fa63",
    ),
}
"""By system and processor. Intel Macs are missing: PyTorch has left them."""


def wheel_for(machine: Machine) -> Wheel | None:
    """None: there is no engine for such a machine."""
    return WHEELS.get((machine.system, machine.arch))


def torch_backend(machine: Machine, environment: Mapping[str, str]) -> str:
    """For uv's --torch-backend; empty: PyTorch's packages come from the index as all else.

    On a Mac they have one build only. Who has set it, or has an index of his own, is obeyed.
    """
    if machine.system == "macos" or environment.get("UV_TORCH_BACKEND"):
        return ""
    return "" if own_index(environment) else "auto"


def own_index(environment: Mapping[str, str]) -> str:
    """The index that the user has set instead of PyPI, or empty."""
    for name in ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL"):
        if found := environment.get(name):
            # uv allows a name before it: internal=https://...
            name, _, address = found.partition("=")
            return address if address.startswith("http") and "://" not in name else found
    return ""


def environment_for(given: Mapping[str, str], places: Places) -> dict[str, str]:
    """What uv and the engine's Python run with: the user's settings, but not Blender's Python.

    What was set for pip is told to uv, which does not read it.
    """
    mine = without_python(given)
    translated = {
        "UV_DEFAULT_INDEX": own_index(given),
        "UV_INDEX": given.get("PIP_EXTRA_INDEX_URL", ""),
        "UV_FIND_LINKS": ",".join(given.get("PIP_FIND_LINKS", "").split()),
        "UV_INSECURE_HOST": given.get("PIP_TRUSTED_HOST", ""),
        "SSL_CERT_FILE": given.get("PIP_CERT", "") or given.get("REQUESTS_CA_BUNDLE", ""),
        # Companies that look into TLS put their certificate into the system's store.
        "UV_SYSTEM_CERTS": "1",
    }
    for name, value in translated.items():
        if value:
            mine.setdefault(name, value)
    mine.pop("UV_INDEX_URL", None)
    mine.update(
        UV_CACHE_DIR=str(places.work / "cache"),
        UV_PYTHON_INSTALL_DIR=str(places.pythons),
        UV_NO_PROGRESS="1",
        NO_COLOR="1",
        PYTHONUTF8="1",
    )
    return mine


def without_python(given: Mapping[str, str]) -> dict[str, str]:
    """An environment without what makes another Python than Blender's go wrong."""
    foreign = ("VIRTUAL_ENV", "CONDA_PREFIX", "UV_PROJECT_ENVIRONMENT", "UV_PYTHON")
    return {
        name: value
        for name, value in given.items()
        if name not in foreign and (not name.startswith("PYTHON") or name == "PYTHONUTF8")
    }
