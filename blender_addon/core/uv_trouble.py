"""What uv says when it fails, as a sentence with a remedy."""

import re
from pathlib import Path

from ..protocol.errors import EngineError
from .disk import disk_full

_UNREACHABLE = re.compile(
    r"dns error|tcp connect error|client error \(Connect\)|tunnel error|timed out|operation timed"
    r"|connection (?:was )?(?:closed|reset)|error decoding response body|network is unreachable",
    re.IGNORECASE,
)
_FULL = ("no space left", "quota exceeded", "(os error 28)", "(os error 112)")
PYTORCH = "download.pytorch.org"


def host_in(text: str) -> str:
    """The first server that a text names."""
    found = re.search(r"https?://(?:[^/@\s`]*@)?([^/:\s`]+)", text)
    return found.group(1) if found else "the package index"


def unreachable(text: str) -> bool:
    """Whether a server could not be reached."""
    return bool(_UNREACHABLE.search(text))


def in_words(text: str, doing: str, home: Path, log: Path) -> EngineError:
    """
    Args:
        text: what uv wrote.
        doing: what it was to do, such as "install the engine".
        home: of the engine.
        log: where all of it stands.
    """
    lower, host = text.lower(), host_in(text)
    if any(word in lower for word in _FULL):
        return disk_full(home)
    if "invalid peer certificate" in lower or "unknownissuer" in lower:
        return EngineError(
            "certificate_unknown",
            f"The certificate of {host} is not trusted.",
            "If your company looks into TLS, name its certificate in SSL_CERT_FILE and restart "
            "Blender; else look at the clock of this machine.",
        )
    if "python-build-standalone" in lower or "no interpreter found" in lower:
        return EngineError(
            "no_python",
            "This machine has no Python 3.11 to 3.14, and none could be downloaded from "
            "github.com.",
            "Install Python 3.12 from python.org, then try again.",
        )
    if "hash mismatch" in lower:
        return EngineError(
            "download_wrong",
            "A package that was downloaded is not what was published.",
            "Try again; if it stays so, something between this machine and the server changes "
            "downloads, such as a proxy or a virus scanner.",
        )
    if "401 unauthorized" in lower or "403 forbidden" in lower:
        return EngineError(
            "login_needed",
            f"{host} refuses to send packages.",
            "Give the login of your package index in UV_DEFAULT_INDEX or ~/.netrc.",
        )
    if "407" in lower and "proxy" in lower:
        return EngineError(
            "proxy_login",
            "The proxy wants a login.",
            "Write it into HTTPS_PROXY as http://name:password@host:port and restart Blender.",
        )
    if unreachable(text):
        return EngineError(
            "offline",
            f"{host} cannot be reached.",
            "Look at the network, or name your proxy in HTTPS_PROXY and restart Blender; then try "
            "again, what was downloaded is kept.",
        )
    if "no solution found" in lower:
        return EngineError(
            "nothing_fits",
            f"Not all that the engine needs exists for this machine: {_cause(text)}",
            "Use the engine of another machine; or set up a Python 3.12 here and try again.",
        )
    if "permission denied" in lower or "access is denied" in lower:
        return EngineError(
            "unwritable",
            f"Something below {home} cannot be written: {_first(text)}",
            "Correct the permissions, or set MAQUETTE_HOME to a folder of yours and restart "
            "Blender.",
        )
    return EngineError(
        "uv_failed",
        f"uv could not {doing}: {_first(text)}",
        f"Try again; if it stays so, send {log} with a report.",
    )


def _first(text: str) -> str:
    """The line that says what is wrong."""
    for line in text.splitlines():
        if line.startswith("error:"):
            return line.removeprefix("error:").strip().rstrip(".") + "."
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return (lines[-1].rstrip(".") if lines else "it said nothing") + "."


def _cause(text: str) -> str:
    found = re.search(r"Wheels are available for `([^`]+)` .*? platforms?: ([^\n]+)", text)
    if found:
        return f"{found.group(1)} is there for {found.group(2).replace('`', '')}."
    found = re.search(r"(?:cause: |╰─▶ )(.+?)(?:\n\n|\Z)", text, re.DOTALL)
    return " ".join(found.group(1).split()) if found else "the log says what."
