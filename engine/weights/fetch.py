"""One file from the hub, or from an address, to disk: resumable and checked.

huggingface_hub 2.x starts a file over after a stop (its temporary names are unique to a process),
so partial files are kept here, under a name that says which contents they belong to. Transfers are
plain HTTP with ranges, by huggingface_hub's own client; its Xet transfers cannot be resumed.
"""

import errno
import hashlib
import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import huggingface_hub
from huggingface_hub.file_download import http_get
from huggingface_hub.utils import build_hf_headers

from engine.weights.hub import HUB, Origin, check_name, token_for
from engine.weights.hub_errors import SIGN_IN, explained
from engine.weights.hub_names import KNOWN_MIRRORS
from engine.weights.weight import Weight, WeightFile
from protocol.errors import EngineError

CHUNK = 1 << 22
PIECE = 1 << 20
"""Bytes that are downloaded between two looks at whether to stop."""

OnBytes = Callable[[int], None]
"""Called with how many bytes of the file are on disk; may raise to stop."""


def fetch(
    weight: Weight, file: WeightFile, target: Path, origin: Origin, on_bytes: OnBytes
) -> None:
    """Get a file; what an earlier try left behind is resumed.

    Args:
        target: path of the whole file; its folder exists. The partial file lies beside it.
        on_bytes: see ``OnBytes``.

    Raises:
        EngineError: ``hub_*`` and ``file_missing``, see ``engine.weights.hub``; ``disk_full``;
            ``weights_differ`` when what is offered, or what came, is not the published file.
    """
    repository, revision = origin.place(weight.repository, weight.revision)
    try:
        with explained(repository, file.name):
            _fetch(file, target, repository, revision, origin.endpoint, on_bytes)
    except EngineError as error:
        if isinstance(error.__cause__, OSError) and error.__cause__.errno == errno.ENOSPC:
            raise EngineError(
                "disk_full",
                f"The disk is full: {target.parent} cannot hold the rest of {file.name}.",
                "Free some space and download again; what has arrived is kept.",
            ) from error
        mirror = KNOWN_MIRRORS.get(repository)
        if error.code == "hub_gated" and mirror:
            raise EngineError(
                error.code,
                error.message,
                f"Accept them at {HUB}/{repository} and sign in ({SIGN_IN}), or use a copy by "
                f"--mirror {repository}={mirror} (the {weight.licence} applies to it too).",
            ) from error
        raise


def _fetch(
    file: WeightFile,
    target: Path,
    repository: str,
    revision: str | None,
    endpoint: str | None,
    on_bytes: OnBytes,
) -> None:
    check_name(file.name)
    size, tag, headers = file.bytes if file.exact else None, file.sha256, {}
    url = file.url
    if url is None:
        token = token_for(endpoint)
        url = huggingface_hub.hf_hub_url(
            repository, file.name, revision=revision, endpoint=endpoint
        )
        offered = huggingface_hub.get_hf_file_metadata(url, token=token)
        if None not in (size, offered.size) and size != offered.size:
            raise _differs(file, repository, f"is {offered.size:,} bytes instead of {size:,}")
        size, tag = offered.size, tag or offered.etag
        headers = build_hf_headers(token=token)
    # The library's own pieces of 10 MiB take many seconds on a slow line.
    huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE = PIECE
    part = part_path(target, tag)
    part.touch()
    with part.open("r+b") as stream:
        done = stream.seek(0, 2)
        if size is not None and done > size:
            done = stream.seek(0)
            stream.truncate()
        on_bytes(done)
        # Without this, text files come compressed and their sizes mean something else.
        headers["Accept-Encoding"] = "identity"
        http_get(
            url,
            stream,
            resume_size=done,
            headers=headers,
            expected_size=size,
            **_progress(on_bytes, done),
        )
    if file.sha256 is not None and sha256_of(part) != file.sha256:
        part.unlink()
        raise _differs(file, repository, "does not have the published SHA-256")
    part.replace(target)


def part_path(target: Path, tag: str | None) -> Path:
    """The partial file of ``target``; ``tag`` stands for its contents."""
    short = re.sub(r"\W", "", tag or "")[:16] or "unknown"
    return target.with_name(f".{target.name}.{short}.part")


def parts_of(target: Path) -> list[Path]:
    """Partial files beside ``target``, of whatever contents."""
    return sorted(
        path
        for path in target.parent.glob(".*.part")
        if path.name.startswith(f".{target.name}.") and path.is_file()
    )


def sha256_of(path: Path, on_bytes: OnBytes = lambda done: None) -> str:
    """SHA-256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    done = 0
    with path.open("rb") as stream:
        while chunk := stream.read(CHUNK):
            digest.update(chunk)
            done += len(chunk)
            on_bytes(done)
    return digest.hexdigest()


def _progress(on_bytes: OnBytes, done: int) -> dict[str, Any]:
    """How http_get takes its progress bar: as a class, or an object (huggingface_hub 0.x)."""
    bars = _listener(on_bytes)
    if "tqdm_class" in inspect.signature(http_get).parameters:
        return {"tqdm_class": bars}
    return {"_tqdm_bar": bars(initial=done)}


def _listener(on_bytes: OnBytes) -> Any:
    """A class of progress bars, as far as http_get uses them."""

    class Listener:
        def __init__(self, *, initial: int = 0, **_: Any) -> None:
            self.done = initial
            on_bytes(initial)

        def __enter__(self) -> Self:
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def update(self, count: float = 1) -> None:
            self.done += int(count)
            on_bytes(self.done)

        def close(self) -> None:
            pass

    return Listener


def _differs(file: WeightFile, repository: str, how: str) -> EngineError:
    return EngineError(
        "weights_differ",
        f"{file.name} of {repository} {how}.",
        "Download it again; if it happens twice, use another mirror or none.",
    )
