"""What travels to a bare machine beside the checkout: wheels that it lacks, and recordings.

Everything together, checkout included, must stay under what such a machine takes (64 MiB).
"""

import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CARRIED, WHEELS, TRAINING = ROOT / ".gpu", ROOT / ".whl", ROOT / ".whl_train"
"""Recordings and states; wheels for every command; more for trainings. Git ignores them."""
GOLDENS = "goldens.zip"
LIMIT = 64 << 20
MARGIN = 256 << 10
NEEDED = {WHEELS: ("pyzmq>=26,<28", "mapbox-earcut>=2,<3"), TRAINING: ("zstandard>=0.23,<0.26",)}
"""Of the project's dependencies, those that the commands import and that an image with torch,
numba, transformers, typer, psutil and msgpack may lack."""
PLATFORMS = (
    "manylinux_2_28",
    "manylinux_2_27",
    "manylinux_2_26",
    "manylinux_2_17",
    "manylinux2014",
)
PYTHON = "3.12"
CASES = (
    *("ss_flow_rope_sharemod", "slat_flow_shape", "slat_flow_tex", "shape_vae", "tex_vae"),
    *("end_to_end", "sampler_sparse", "ss_vae", "sampler_dense", "sampler_sparse_concat"),
    *("ss_flow_rope_adaln_noqknorm", "ss_flow_ape_adaln", "slat_flow_ape_adaln"),
)
"""In order of worth: with the arguments of the published networks, the whole pipeline, the rest."""


def prepare(goldens: Path) -> None:
    """Fill the folders and print what is in them.

    Args:
        goldens: folder of recorded cases; may be absent.
    """
    _ignore()
    for folder, wanted in NEEDED.items():
        folder.mkdir(exist_ok=True)
        subprocess.run([*_download(folder), *wanted], check=True)
    room = LIMIT - MARGIN - _tracked() - _size(WHEELS)
    taken, left = pack_goldens(goldens, CARRIED / GOLDENS, room)
    for folder in (WHEELS, TRAINING, CARRIED):
        print(f"{folder.name}: {_size(folder) / 2**20:.1f} MiB")
    print(f"checkout: {_tracked() / 2**20:.1f} MiB; all that one call takes: {LIMIT >> 20} MiB")
    print(f"recordings: {', '.join(taken) or 'none'}")
    if left:
        print(f"no room for: {', '.join(left)}")


def pack_goldens(goldens: Path, archive: Path, room: int) -> tuple[list[str], list[str]]:
    """Zip as many cases as fit into ``room`` bytes, in the order of ``CASES``.

    Returns:
        The names of those that are in, and of those that found no room.
    """
    archive.parent.mkdir(exist_ok=True)
    taken: list[str] = []
    left: list[str] = []
    part = archive.with_suffix(".part")
    archive.unlink(missing_ok=True)
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as whole:
        for name in CASES:
            files = sorted(path for path in (goldens / name).rglob("*") if path.is_file())
            if not files:
                continue
            with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as alone:
                for path in files:
                    alone.write(path, path.relative_to(goldens))
            if archive.stat().st_size + part.stat().st_size > room:
                left.append(name)
                continue
            for path in files:
                whole.write(path, path.relative_to(goldens))
            whole.fp.flush()  # pyright: ignore[reportOptionalMemberAccess] - its size is asked
            taken.append(name)
    part.unlink(missing_ok=True)
    return taken, left


def unpack(archive: Path, folder: Path) -> Path:
    """The folder with an archive's contents, unpacked once."""
    if not folder.is_dir():
        with zipfile.ZipFile(archive) as whole:
            whole.extractall(folder)
    return folder


def _download(folder: Path) -> list[str]:
    platforms = [word for name in PLATFORMS for word in ("--platform", f"{name}_x86_64")]
    return [
        sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:",
        "--python-version", PYTHON, "--implementation", "cp", *platforms, "-d", str(folder),
    ]  # fmt: skip


def _ignore() -> None:
    """Keep git from seeing the folders, in this clone alone."""
    found = subprocess.run(
        ["git", "rev-parse", "--git-path", "info/exclude"],
        cwd=ROOT, check=True, capture_output=True, text=True,
    )  # fmt: skip
    path = ROOT / found.stdout.strip()
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = path.read_text().splitlines() if path.exists() else []
    wanted = [f"/{folder.name}/" for folder in (CARRIED, WHEELS, TRAINING)]
    missing = [line for line in wanted if line not in lines]
    path.write_text("\n".join([*lines, *missing]) + "\n")


def _tracked() -> int:
    """Bytes of what git would send."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, check=True, capture_output=True, text=True,
    )  # fmt: skip
    paths = [ROOT / name for name in listed.stdout.split("\0") if name]
    return sum(path.lstat().st_size for path in paths if path.is_symlink() or path.is_file())


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
