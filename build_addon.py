"""Build the Blender extension: a zip for each platform, and the repository that serves them.

    python build_addon.py                        all zips, in dist/
    python build_addon.py linux-x64 macos-arm64  those only
    python build_addon.py --check                and let Blender's own tools look at them
    python build_addon.py --repository FOLDER    all zips, with index.json and index.html, to be
                                                 put on a web server as they are
    python build_addon.py --pin pyzmq==27.3.0 msgpack==1.2.4
                                                 other versions of the wheels

A zip holds blender_addon/, protocol/ as a subpackage, the wheels that blender_addon/wheels.toml
pins, as PyPI has them, and the engine's wheel, which the set-up installs outside of Blender. The
same sources give the same bytes: dates, modes and order are fixed, and nothing is compressed
again (docs/decisions/0045-zips.md).
"""

import argparse
import hashlib
import html
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from urllib.parse import urlencode

ROOT = Path(__file__).resolve().parent
ADDON = ROOT / "blender_addon"
PINS = ADDON / "wheels.toml"
CACHE = ROOT / "build" / "wheels"

PLATFORMS = {
    "linux-x64": ("manylinux_2_28_x86_64", "manylinux_2_26_x86_64", "manylinux2014_x86_64"),
    "windows-x64": ("win_amd64",),
    "windows-arm64": ("win_arm64",),
    "macos-arm64": ("macosx_11_0_arm64", "macosx_10_15_universal2"),
    "macos-x64": ("macosx_11_0_x86_64", "macosx_10_15_universal2"),
}
"""Names of Blender's platforms, and the oldest systems of pip's that they promise to run on."""

PYTHONS = ("3.11", "3.13", "3.14")
"""Of Blender 4.2 to 5.0, of 5.1 to 5.3, and of the builds of distributions."""

LAST_ON_INTEL_MACS = "5.0.0"
"""The first Blender that does not exist for macos-x64; it and its Python 3.11 end there."""

NOT_PACKED = {"blender_manifest.toml", "wheels.toml", "protocol"}
"""Entries of blender_addon that are made otherwise: protocol is a link, which not every system
that clones the repository makes."""

OLDEST_DATE = (1980, 1, 1, 0, 0, 0)


class Refused(Exception):
    """A sentence for the developer; the run ends with status 1."""


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description="Build the Blender extension.")
    parser.add_argument("platforms", nargs="*", help=f"of {', '.join(PLATFORMS)}; else all")
    parser.add_argument("--out", type=Path, default=ROOT / "dist", help="else dist/")
    parser.add_argument("--check", action="store_true", help="validate and build by Blender")
    parser.add_argument("--repository", type=Path, metavar="FOLDER", help="all that is served")
    parser.add_argument("--pin", nargs="+", metavar="NAME==VERSION", help="other wheels")
    options = parser.parse_args(arguments)
    try:
        if options.pin:
            pin(options.pin)
            return 0
        if unknown := set(options.platforms) - set(PLATFORMS):
            raise Refused(f"{', '.join(sorted(unknown))}: the platforms are {', '.join(PLATFORMS)}")
        if options.repository and options.platforms:
            raise Refused("A repository holds all platforms: name none with --repository.")
        out = options.repository or options.out
        zips = build(out, options.platforms or PLATFORMS)
        if options.check:
            check(zips)
        if options.repository:
            write_repository(out, zips)
    except Refused as refusal:
        print(f"build_addon.py: {refusal}", file=sys.stderr)
        return 1
    return 0


# What goes into a zip


def build(out: Path, platforms: Iterable[str]) -> list[Path]:
    """Write the zips of some platforms into a folder; one that is there is replaced when its
    successor is whole."""
    out.mkdir(parents=True, exist_ok=True)
    version = engine_version()
    with tempfile.TemporaryDirectory() as work:
        engine = engine_wheel(Path(work))
        zips = [build_zip(out, platform, version, engine) for platform in platforms]
    for file in zips:
        print(f"{file}  {file.stat().st_size / 1e6:.1f} MB  {sha256(file)}")
    return zips


def build_zip(out: Path, platform: str, version: str, engine: Path) -> Path:
    wheels = pinned_wheels(platform)
    members = {
        "blender_manifest.toml": manifest(platform, version, [wheel.name for wheel in wheels]),
        **{f"wheels/{wheel.name}": wheel.read_bytes() for wheel in wheels},
        f"engine/{engine.name}": engine.read_bytes(),
        **{f"protocol/{name}": data for name, data in source_files(ROOT / "protocol")},
        "protocol/LICENSE": (ROOT / "LICENSE").read_bytes(),
        **dict(source_files(ADDON, NOT_PACKED)),
    }
    file = out / f"maquette-{version}-{platform.replace('-', '_')}.zip"
    write_zip(file, members)
    return file


def source_files(folder: Path, left_out: Iterable[str] = ()) -> Iterator[tuple[str, bytes]]:
    """Relative names and contents of what belongs to a folder of sources."""
    for file in folder.rglob("*"):
        parts = file.relative_to(folder).parts
        if parts[0] in left_out or not file.is_file():
            continue
        if any(part == "__pycache__" or part.startswith(".") for part in parts):
            continue
        yield "/".join(parts), file.read_bytes()


def manifest(platform: str, version: str, wheels: list[str]) -> bytes:
    """The template in blender_addon with the values of one zip."""
    text = (ADDON / "blender_manifest.toml").read_text(encoding="utf-8")
    listed = "".join(f'\n  "./wheels/{name}",' for name in sorted(wheels))
    ends = f'blender_version_max = "{LAST_ON_INTEL_MACS}"\n' if platform == "macos-x64" else ""
    values = {
        "# build_addon.py fills in what begins with a dollar sign.\n": "",
        "$version": version,
        "# $blender_version_max\n": ends,
        "$platform": platform,
        '["$wheels"]': f"[{listed}\n]",
    }
    for placeholder, value in values.items():
        if text.count(placeholder) != 1:
            raise Refused(f"blender_manifest.toml must say {placeholder!r} once.")
        text = text.replace(placeholder, value)
    return text.encode()


def write_zip(file: Path, members: Mapping[str, bytes], order: Iterable[str] = ()) -> None:
    """A zip whose bytes depend on nothing but names and contents: other versions of zlib
    compress differently, so nothing is compressed."""
    unfinished = file.with_name(f".{file.name}.part")
    with zipfile.ZipFile(unfinished, "w", zipfile.ZIP_STORED) as archive:
        for name in order or sorted(members):
            entry = zipfile.ZipInfo(name, OLDEST_DATE)
            entry.create_system = 3
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, members[name])
    os.replace(unfinished, file)


def engine_version() -> str:
    """``engine.__version__``, without importing anything."""
    text = (ROOT / "engine" / "__init__.py").read_text(encoding="utf-8")
    if found := re.search(r'^__version__ = "([^"]+)"', text, re.MULTILINE):
        return found.group(1)
    raise Refused("engine/__init__.py says no __version__.")


def engine_wheel(work: Path) -> Path:
    """The wheel of this tree: engine, protocol, and the small model.

    It is made from a copy, since setuptools leaves a folder build in the tree, from which files
    that were deleted since would come back.
    """
    tree = work / "tree"
    for name in ("engine", "protocol"):
        shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
    (tree / "blender_addon").mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE", "blender_addon/LICENSE"):
        shutil.copyfile(ROOT / name, tree / name)
    pip("wheel", "--no-deps", "--no-build-isolation", "--no-index", "-w", str(work), str(tree))
    (made,) = work.glob("*.whl")
    with zipfile.ZipFile(made) as archive:
        names = sorted(archive.namelist(), key=lambda name: (".dist-info/" in name, name))
        members = {name: archive.read(name) for name in names}
    write_zip(made, members, names)
    return made


# Wheels of others


def pins() -> dict[str, dict[str, str]]:
    """Platform -> name of wheel -> its SHA-256."""
    return tomllib.loads(PINS.read_text(encoding="utf-8"))


def pinned_wheels(platform: str) -> list[Path]:
    """The wheels of a platform in the cache, downloaded if need be.

    Raises:
        Refused: one has another hash than it is pinned with.
    """
    CACHE.mkdir(parents=True, exist_ok=True)
    found: list[Path] = []
    for name, wanted in pins()[platform].items():
        file = CACHE / name
        if not file.exists():
            name_of, version, python, abi, systems = name.removesuffix(".whl").split("-")
            chosen = [f"--platform={system}" for system in systems.split(".")]
            chosen += [f"--python-version={python.removeprefix('cp')}", f"--abi={abi}"]
            download(chosen, f"{name_of}=={version}", CACHE)
        if not file.exists() or sha256(file) != wanted:
            file.unlink(missing_ok=True)
            raise Refused(f"{name} is not what blender_addon/wheels.toml pins.")
        found.append(file)
    return found


def pin(wanted: list[str]) -> None:
    """Write blender_addon/wheels.toml for other versions."""
    text = "# Written by build_addon.py --pin: wheels of PyPI with their SHA-256.\n"
    for platform, systems in PLATFORMS.items():
        with tempfile.TemporaryDirectory() as work:
            for python in PYTHONS[:1] if platform == "macos-x64" else PYTHONS:
                chosen = [f"--platform={system}" for system in systems]
                for package in wanted:
                    download([*chosen, f"--python-version={python}"], package, Path(work))
            lines = [f'"{file.name}" = "{sha256(file)}"\n' for file in sorted(Path(work).iterdir())]
        text += f"\n[{platform}]\n" + "".join(lines)
    PINS.write_text(text, encoding="utf-8")


def download(chosen: list[str], package: str, folder: Path) -> None:
    fixed = ("--no-deps", "--only-binary=:all:", "--implementation=cp")
    pip("download", *fixed, *chosen, "-d", str(folder), package)


def pip(*arguments: str) -> None:
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise Refused(
            f"pip {arguments[0]} failed:\n{done.stderr.strip()}\n"
            "In the project's own environment everything that it needs is installed: "
            "python run.py python build_addon.py"
        )


def sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


# Blender's own tools


def check(zips: Iterable[Path]) -> None:
    """Blender's ``extension validate`` and ``extension build`` accept every zip, and build it of
    the same files. (``validate`` alone overlooks a missing wheel.)"""
    from tests.blender.environments import extension_tool

    tool = extension_tool()
    for file in zips:
        with tempfile.TemporaryDirectory() as work, zipfile.ZipFile(file) as archive:
            source, made = Path(work, "source"), Path(work, "made.zip")
            archive.extractall(source)
            run_tool(*tool, "validate", str(file))
            run_tool(*tool, "validate", str(source))
            run_tool(*tool, "build", f"--source-dir={source}", f"--output-filepath={made}")
            with zipfile.ZipFile(made) as rebuilt:
                ours, theirs = set(archive.namelist()), set(rebuilt.namelist())
        if ours != theirs:
            raise Refused(f"Blender would pack other files into {file.name}: {ours ^ theirs}")
        print(f"{file.name}: Blender validates it and builds the same")


def run_tool(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise Refused(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")


# The repository


def write_repository(folder: Path, zips: Iterable[Path]) -> None:
    """index.json, as Blender's ``extension server-generate`` writes it, and index.html with the
    links that are dragged into Blender. Zips of earlier versions are left out of both."""
    entries = [entry(file) for file in sorted(zips)]
    index = {"version": "v1", "blocklist": [], "data": entries}
    (folder / "index.json").write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8")
    rows = "".join(f"<li>{drag_link(each)}</li>\n" for each in entries)
    page = PAGE.format(version=entries[0]["version"], rows=rows)
    (folder / "index.html").write_text(page, encoding="utf-8")
    print(f"{folder / 'index.html'}")


def entry(file: Path) -> dict[str, object]:
    """What index.json says about a zip: its manifest, without the names of wheels."""
    with zipfile.ZipFile(file) as archive:
        said = tomllib.loads(archive.read("blender_manifest.toml").decode())
    return {
        **{name: value for name, value in said.items() if name != "wheels"},
        "python_versions": exact_pythons(said["wheels"]),
        "archive_url": f"./{file.name}",
        "archive_size": file.stat().st_size,
        "archive_hash": f"sha256:{sha256(file)}",
    }


def exact_pythons(wheels: Iterable[str]) -> list[str]:
    """The Pythons that wheels are made for, as Blender counts them: an abi3 wheel counts for
    none, although it fits many, which is why msgpack's exact ones must be there."""
    exact = re.findall(r"-cp3(\d+)-cp3\d+-", " ".join(wheels))
    return [f"3.{minor}" for minor in sorted(set(map(int, exact)))]


def drag_link(each: Mapping[str, object]) -> str:
    """A link that Blender understands when it is dropped: it adds the repository and installs."""
    names = ("blender_version_min", "blender_version_max")
    query = {"repository": "./index.json", **{n: str(each[n]) for n in names if n in each}}
    for name in ("platforms", "python_versions"):
        values = each[name]
        query[name] = ",".join(values) if isinstance(values, list) else str(values)
    href = html.escape(f"{each['archive_url']}?{urlencode(query)}")
    return f'<a href="{href}">Maquette {each["version"]} for {query["platforms"]}</a>'


PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Maquette for Blender</title>
<style>
body {{ font: 16px/1.6 system-ui, sans-serif; max-width: 40em; margin: 3em auto; padding: 0 1em; }}
a {{ font-weight: 600; }}
</style>
</head>
<body>
<h1>Maquette {version} for Blender</h1>
<p>Drag the link of your system into a window of Blender 4.2 or newer. Blender then asks to add
this repository, which is how updates reach you, and installs the extension.</p>
<ul>
{rows}</ul>
<p>On a machine without a network: save the file behind the link, and choose it in Blender in
Preferences, Get Extensions, Install from Disk.</p>
</body>
</html>
"""

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
