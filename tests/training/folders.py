"""Sources and data folders for tests."""

from pathlib import Path

from engine.training.data.build import BuildReport, build
from engine.training.data.index import Entry, open_index
from engine.training.data.make_asset import BuildSettings
from engine.training.data.sources import find_sources

SMALL = BuildSettings((16, 32), views=2, picture=24)


def build_toys(folder: Path, seeds: str = "0-3", processes: int = 1, **more) -> BuildReport:
    return build(find_sources(f"toybox:{seeds}"), folder, SMALL, processes=processes, **more)


def entries_of(folder: Path) -> dict[str, Entry]:
    with open_index(folder) as index:
        return index.entries()


def files_of(folder: Path) -> dict[str, bytes]:
    """Contents of all files but the index, by their place."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".sqlite"]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def assert_whole(folder: Path) -> None:
    """Nothing half-written: what the index has is there with all files, and nothing else is."""
    good = {name for name, entry in entries_of(folder).items() if entry.ok}
    names = {"16.vxz", "32.vxz", "view_0.png", "view_1.png"}
    assert set(files_of(folder)) == {f"assets/{asset}/{name}" for asset in good for name in names}
