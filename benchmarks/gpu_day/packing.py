"""Files into few archives, each small enough to be carried back."""

import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path

MOST = 15 << 20
"""Bytes of an archive: 16 MiB travel."""
ARCHIVES = 4
"""Eight files travel; the others are the JSON, the table, the sheet and a log."""


def pack(
    files: Iterable[Path], base: Path, folder: Path, name: str, most: int = MOST
) -> tuple[list[Path], list[Path]]:
    """Write ``<name>_1.zip`` and so on.

    Args:
        files: small ones come first, since a training cannot go on without them, then the oldest.
        base: their paths in the archives are relative to it.
        folder: gets the archives; those of an earlier call go.
        most: bytes of an archive.

    Returns:
        The archives, and the files that found no room.
    """
    for old in folder.glob(f"{name}_*.zip"):
        old.unlink()
    plan: list[list[Path]] = []
    sizes: list[int] = []
    left: list[Path] = []
    for path in sorted(
        files, key=lambda path: (path.stat().st_size > 1 << 16, path.stat().st_mtime)
    ):
        size = len(zlib.compress(path.read_bytes(), 6)) + 2 * len(str(path)) + 200
        at = next((n for n, taken in enumerate(sizes) if taken + size <= most), None)
        if at is None and size <= most and len(plan) < ARCHIVES:
            plan.append([])
            sizes.append(0)
            at = len(plan) - 1
        if at is None:
            left.append(path)
            continue
        plan[at].append(path)
        sizes[at] += size
    archives = [folder / f"{name}_{number}.zip" for number in range(1, len(plan) + 1)]
    for archive, members in zip(archives, plan, strict=True):
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as whole:
            for path in members:
                whole.write(path, path.relative_to(base))
    return archives, left
