"""Writing files so that a reader never sees half of one."""

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from protocol.errors import EngineError


def _read_umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


# It can only be read by setting it, for the whole process: once, before threads write files.
_UMASK = _read_umask()


_DISK_FULL = (errno.ENOSPC, errno.EDQUOT)


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """A temporary path beside ``path`` that replaces it when the block succeeds.

    Where ``path`` is a symbolic link, the file behind it is replaced and the link stays. When the
    block raises, the temporary file is removed and ``path`` is as it was before. An
    OSError of the block that is not about the temporary file (of a file that is read meanwhile,
    say) is passed on unchanged.

    Raises:
        EngineError: ``disk_full``; ``unwritable`` when the folder is missing or the disk refuses.
    """
    path = Path(os.path.realpath(path))
    try:
        # The suffix stays last, since mesh libraries choose a format by it. The name is short,
        # since that of the file may be as long as the disk allows.
        handle, name = tempfile.mkstemp(
            dir=path.parent, prefix=".maquette.", suffix=f".part{path.suffix[-16:]}"
        )
        os.close(handle)
    except OSError as error:
        raise unwritable(path, error) from error
    temporary = Path(name)
    try:
        try:
            yield temporary
        except OSError as error:
            # A full disk is noticed by a write, whose error names no file.
            if error.errno in _DISK_FULL or error.filename in (name, temporary):
                raise unwritable(path, error) from error
            raise
        _put(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _put(temporary: Path, path: Path) -> None:
    try:
        default_permissions(temporary)
        flush(temporary)
        temporary.replace(path)
    except OSError as error:
        raise unwritable(path, error) from error


def default_permissions(path: Path) -> None:
    """Give a file that was made private the permissions of any other new file."""
    path.chmod(0o666 & ~_UMASK)


def write_bytes_atomic(path: str | Path, data: "bytes | memoryview[int]") -> None:
    """Replace the contents of ``path`` by ``data``, all or nothing."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


def flush(path: Path) -> None:
    """Wait until a file's contents are on the disk itself, so that a power cut cannot take them."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def settle(file: Path) -> None:
    """Leave a file of a folder that is being made as files usually are, and on the disk."""
    default_permissions(file)  # safetensors makes its files private
    flush(file)


def link_or_copy(source: Path, target: Path) -> None:
    """Give a file one more name where the disk can; elsewhere copy it, and wait for the disk.

    Args:
        source: will never change; of a symbolic link the file behind it is meant.
        target: is not there yet.

    Raises:
        OSError: what copying raises.
    """
    try:
        os.link(source.resolve(), target)
    except OSError:
        shutil.copyfile(source, target)
        flush(target)


@contextmanager
def made_beside(folder: Path) -> Iterator[Path]:
    """A temporary folder beside ``folder``, which gets its name when the block succeeds: the last
    step is only a new name (``put_folder``).

    Raises:
        OSError: what making it raises.
    """
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".maquette.") as room:
        made = Path(room) / "made"
        made.mkdir()
        yield made
        put_folder(made, folder)


def put_folder(made: Path, folder: Path) -> None:
    """Give a finished folder its name; the one that had it is deleted when that is done.

    What is replaced stays beside it meanwhile, so that at any moment one of the two is whole. Where
    ``folder`` is a symbolic link, the folder behind it is replaced.

    Raises:
        EngineError: ``asset_set_aside`` when the old one has to stay under its other name.
        OSError: nothing has changed.
    """
    folder = Path(os.path.realpath(folder))
    if not folder.exists():
        made.rename(folder)
        return
    # Cut where a name is as long as the disk allows; the user may have to read it.
    old = folder.with_name(f".{folder.name[:40]}.old")
    if old.exists():  # left behind by a process that was ended; ``folder`` is newer
        shutil.rmtree(old)
    folder.rename(old)
    try:
        made.rename(folder)
    except OSError as error:
        try:
            old.rename(folder)
        except OSError:
            raise EngineError(
                "asset_set_aside",
                f"Cannot write {folder}: {error.strerror or error}. The asset that was there is "
                f"now {old}.",
                f"Close what uses the folder, and rename {old.name} to {folder.name}.",
            ) from None
        raise
    shutil.rmtree(old, ignore_errors=True)


def check_place(path: Path) -> None:
    """Refuse a path that cannot be written: better now than after minutes of work.

    Folders that are missing are made.

    Raises:
        EngineError: ``unwritable``, ``name_too_long``.
    """
    check_name(path)
    path = Path(os.path.realpath(path))
    try:
        path.absolute().parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(path, error) from error
    if path.is_dir():
        raise EngineError(
            "unwritable", f"Cannot write {path}: it is a folder.", "Give the name of a file."
        )
    try:  # what the system says about permissions is not always true; only trying tells
        with tempfile.TemporaryFile(dir=path.absolute().parent):
            pass
    except OSError as error:
        raise unwritable(path, error) from error


def check_name(path: Path) -> None:
    """Refuse a name that the disk cannot hold.

    Raises:
        EngineError: ``name_too_long``.
    """
    try:
        path.lstat()
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise EngineError(
                "name_too_long",
                f"The name {path.name[:24]}...{path.suffix} is too long for its disk "
                f"({len(os.fsencode(path.name))} bytes; most allow 255).",
                "Give a shorter one.",
            ) from error


def unwritable(path: Path, error: BaseException) -> EngineError:
    """The error for a file or folder that cannot be written: ``disk_full`` or ``unwritable``.

    Args:
        error: what the system said, or a library (safetensors tells it as text only).
    """
    full = isinstance(error, OSError) and error.errno in _DISK_FULL
    if full or os.strerror(errno.ENOSPC) in str(error):
        return EngineError(
            "disk_full",
            f"The disk is full: {path} was not written.",
            "Make room, or choose a folder on another disk.",
        )
    reason = error.strerror if isinstance(error, OSError) and error.strerror else error
    return EngineError(
        "unwritable",
        f"Cannot write {path}: {reason}.",
        "Choose a folder that exists and that you may write to.",
    )
