"""Other extensions and other versions of ours, made of the zip that is tested."""

import io
import os
import re
import tomllib
import zipfile
from collections.abc import Mapping
from pathlib import Path

OURS = Path(os.environ.get("MAQUETTE_ADDON_ZIP", ""))
MANIFEST = "blender_manifest.toml"


def wheels_of(zip_file: Path) -> dict[str, bytes]:
    """File name -> content of the wheels that a zip brings."""
    with zipfile.ZipFile(zip_file) as archive:
        listed = tomllib.loads(archive.read(MANIFEST).decode())["wheels"]
        return {Path(name).name: archive.read(name.removeprefix("./")) for name in listed}


def called(name: str, data: bytes, version: str) -> tuple[str, bytes]:
    """A wheel that says to be another version: its files, its metadata, and its ``__version__``."""
    package, old = name.split("-")[:2]
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as wheel, zipfile.ZipFile(made, "w") as written:
        for entry in wheel.namelist():
            content = wheel.read(entry)
            if entry.endswith((".py", "METADATA", "RECORD")):
                content = content.replace(old.encode(), version.encode())
            renamed = entry.replace(f"{package}-{old}.", f"{package}-{version}.")
            written.writestr(renamed, content)
    return name.replace(f"-{old}-", f"-{version}-"), made.getvalue()


def broken(name: str, data: bytes) -> tuple[str, bytes]:
    """A wheel whose package cannot be imported."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as wheel, zipfile.ZipFile(made, "w") as written:
        for entry in wheel.namelist():
            top = entry.count("/") == 1 and entry.endswith("/__init__.py")
            written.writestr(entry, b"raise OSError('no such thing')" if top else wheel.read(entry))
    return name, made.getvalue()


def with_wheels(zip_file: Path, out: Path, version: str, wheels: Mapping[str, bytes]) -> Path:
    """Our zip as another version, with other wheels."""
    with zipfile.ZipFile(zip_file) as archive, zipfile.ZipFile(out, "w") as written:
        for entry in archive.namelist():
            if entry.startswith("wheels/"):
                continue
            content = archive.read(entry)
            if entry == MANIFEST:
                content = _manifest(content.decode(), version, wheels)
            written.writestr(entry, content)
        for name, data in wheels.items():
            written.writestr(f"wheels/{name}", data)
    return out


def with_engine(zip_file: Path, out: Path, version: str) -> Path:
    """Our zip as another version, with an engine that says to be that version too."""
    with zipfile.ZipFile(zip_file) as archive, zipfile.ZipFile(out, "w") as written:
        for entry in archive.namelist():
            content = archive.read(entry)
            if entry == MANIFEST:
                content = _as_version(content.decode(), version).encode()
            elif entry.startswith("engine/"):
                name, content = called(Path(entry).name, content, version)
                entry = f"engine/{name}"
            written.writestr(entry, content)
    return out


def other_extension(out: Path, wheels: Mapping[str, bytes]) -> Path:
    """An extension of somebody else that brings wheels."""
    text = (
        'schema_version = "1.0.0"\nid = "other"\nversion = "1.0.0"\nname = "Other Thing"\n'
        'tagline = "Something else"\nmaintainer = "Somebody"\ntype = "add-on"\n'
        'blender_version_min = "4.2.0"\nlicense = ["SPDX:GPL-3.0-or-later"]\nwheels = ["x"]\n'
    )
    with zipfile.ZipFile(out, "w") as written:
        written.writestr(MANIFEST, _manifest(text, "1.0.0", wheels))
        written.writestr("__init__.py", "def register(): pass\ndef unregister(): pass\n")
        for name, data in wheels.items():
            written.writestr(f"wheels/{name}", data)
    return out


def _manifest(text: str, version: str, wheels: Mapping[str, bytes]) -> bytes:
    listed = ", ".join(f'"./wheels/{name}"' for name in wheels)
    text = _as_version(text, version)
    return re.sub(r"^wheels = \[[^]]*\]", f"wheels = [{listed}]", text, flags=re.MULTILINE).encode()


def _as_version(manifest: str, version: str) -> str:
    return re.sub(r'^version = ".*"', f'version = "{version}"', manifest, flags=re.MULTILINE)
