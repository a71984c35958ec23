"""Download a file whose SHA-256 is known; what a cut left is continued.

Only for the set-up's own process: it waits for the network.
"""

import hashlib
import http.client
import re
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

from ..protocol.errors import EngineError
from .disk import lacks_room, unwritable

CHUNK = 1 << 18
SILENCE = 30.0
"""Seconds without a byte after which the connection counts as lost."""
TRIES = 5
"""In a row that brought nothing; a try that brought bytes starts the count again."""


def download(
    url: str,
    file: Path,
    sha256: str,
    told: Callable[[int], None],
    *,
    pause: Callable[[float], None] = time.sleep,
) -> None:
    """Get ``url`` into ``file``, unless it is there.

    Args:
        url: of it.
        file: appears whole or not at all; until then the bytes lie beside it as .part.
        sha256: hexadecimal.
        told: called with the bytes that are here.
        pause: waits so many seconds.

    Raises:
        EngineError: ``offline``, ``download_cut``, ``download_refused``, ``download_wrong``,
            ``login_needed``, ``proxy_login``, ``disk_full``, ``unwritable``.
    """
    if file.exists():
        told(file.stat().st_size)
        return
    part = file.with_name(file.name + ".part")
    failures = wrong = 0
    while True:
        before = _size(part)
        try:
            _continue(url, part, told)
        except (OSError, http.client.HTTPException) as error:
            if isinstance(error, urllib.error.HTTPError):
                error.close()
            failures = 0 if _size(part) > before else failures + 1
            _raise_final(url, file, error, last=failures >= TRIES)
            pause(min(2.0**failures, 20.0))
            continue
        if _sha256(part) == sha256:
            part.replace(file)
            return
        part.unlink()
        wrong += 1
        if wrong == 2:
            raise EngineError(
                "download_wrong",
                f"What {_host(url)} sent as {file.name} is not what was published.",
                "Something between this machine and the server changes downloads, such as a proxy "
                "or a virus scanner: let it pass this server, or try another network.",
            )


def find_on(index: str, project: str, name: str) -> str:
    """The address of a file on an index of the user's.

    Args:
        index: such as https://host/simple.
        project: whose page lists the file.
        name: of the file.

    Raises:
        EngineError: ``not_on_index``, and as ``download``.
    """
    page = f"{index.rstrip('/')}/{project}/"
    try:
        with _open(urllib.request.Request(page)) as answer:
            text = answer.read().decode("utf-8", "replace")
    except (OSError, http.client.HTTPException) as error:
        _raise_final(page, Path(name), error, last=True)
        raise
    for link in re.findall(r'href="([^"#]+)', text):
        if link.rpartition("/")[2] == name:
            return urljoin(page, link)
    raise EngineError(
        "not_on_index",
        f"Your package index {_host(index)} has no {name}.",
        "Let it mirror that file from PyPI, or unset UV_DEFAULT_INDEX and PIP_INDEX_URL.",
    )


def size_of(url: str) -> int:
    """Bytes, where the server says so without sending them; else 0."""
    try:
        with _open(urllib.request.Request(url, method="HEAD")) as answer:
            return int(answer.headers.get("Content-Length") or 0)
    except (OSError, http.client.HTTPException, ValueError):
        return 0


def _continue(url: str, part: Path, told: Callable[[int], None]) -> None:
    here = _size(part)
    request = urllib.request.Request(url)
    if here:
        request.add_header("Range", f"bytes={here}-")
    try:
        answer = _open(request)
    except urllib.error.HTTPError as error:
        if error.code == 416:  # all of it is here, or more than all: the hash will tell
            return
        raise
    with answer, part.open("ab" if here and answer.status == 206 else "wb") as opened:
        here = opened.tell()
        expected = answer.length
        told(here)
        while data := answer.read(CHUNK):
            opened.write(data)
            here += len(data)
            told(here)
        if expected and answer.length:
            # A connection that ends early is no error to read(size).
            raise http.client.IncompleteRead(b"", answer.length)


def _open(request: urllib.request.Request) -> Any:
    if not request.full_url.startswith(("https://", "http://")):
        raise EngineError("address_invalid", f"{request.full_url} is no address.", "Correct it.")
    handler = urllib.request.HTTPSHandler(context=_certificates())
    request.add_header("User-Agent", "maquette")
    request.add_header("Accept-Encoding", "identity")
    # The opener's own ProxyHandler asks the environment, on Windows and macOS also the system.
    return urllib.request.build_opener(handler).open(request, timeout=SILENCE)


def _certificates() -> ssl.SSLContext:
    """The system's; Blender's Python does not know where all systems keep them."""
    context = ssl.create_default_context()
    if not context.get_ca_certs():
        for file in (
            "/etc/ssl/certs/ca-certificates.crt",
            "/etc/pki/tls/certs/ca-bundle.crt",
            "/etc/ssl/ca-bundle.pem",
            "/etc/ssl/cert.pem",
            _certifi(),
        ):
            if file and Path(file).is_file():
                context.load_verify_locations(file)
                break
    return context


def _certifi() -> str:
    try:
        import certifi  # Blender's own  # pyright: ignore[reportMissingImports]

        return str(certifi.where())  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]
    except ImportError:
        return ""


def _raise_final(url: str, file: Path, error: Exception, *, last: bool) -> None:
    """Raise what trying again does not help, or has not helped."""
    host = _host(url)
    if isinstance(error, urllib.error.HTTPError):
        if error.code in (408, 425, 429) or error.code >= 500:
            if not last:
                return
        elif error.code == 407:
            raise _proxy_login() from error
        elif error.code in (401, 403):
            raise EngineError(
                "login_needed",
                f"{host} refuses to send {file.name} (HTTP {error.code}).",
                "Give the login of your package index in UV_DEFAULT_INDEX or ~/.netrc.",
            ) from error
        raise EngineError(
            "download_refused",
            f"{host} does not send {file.name}: HTTP {error.code} {error.reason}.",
            "Try again later; if it stays so, look whether your index or proxy lets it pass.",
        ) from error
    refused = PermissionError | IsADirectoryError | NotADirectoryError
    if isinstance(error, OSError) and (lacks_room(error) or isinstance(error, refused)):
        raise unwritable(file.parent, error) from error
    if "407" in str(error):
        raise _proxy_login() from error
    reason = getattr(error, "reason", error)
    if isinstance(reason, ssl.SSLCertVerificationError):
        raise EngineError(
            "certificate_unknown",
            f"The certificate of {host} is not trusted: {reason.verify_message}.",
            "If your company looks into TLS, name its certificate in SSL_CERT_FILE and restart "
            "Blender; else look at the clock of this machine.",
        ) from error
    if not last:
        return
    if isinstance(error, urllib.error.URLError):
        raise EngineError(
            "offline",
            f"{host} cannot be reached ({reason}).",
            "Look at the network, or name your proxy in HTTPS_PROXY and restart Blender; then try "
            "again, what was downloaded is kept.",
        ) from error
    raise EngineError(
        "download_cut",
        f"The connection to {host} was lost while {file.name} was downloaded.",
        "Try again: what is here already is kept.",
    ) from error


def _proxy_login() -> EngineError:
    return EngineError(
        "proxy_login",
        "The proxy wants a login.",
        "Write it into HTTPS_PROXY as http://name:password@host:port and restart Blender.",
    )


def _host(url: str) -> str:
    """Without the login that it may carry."""
    return urlsplit(url).hostname or url


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return 0


def _sha256(file: Path) -> str:
    if not file.exists():
        return ""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
