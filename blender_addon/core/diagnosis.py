"""The text of *Copy diagnosis*: what helps to find a fault, and nothing that is private.

No picture and no name of one, no token, no key, no path below the user's home.
"""

import platform
import re
import sys
from collections.abc import Mapping
from pathlib import Path

from .costs import bytes_in_words
from .snapshot import JobView, Snapshot

_SECRETS = (
    (re.compile(r"hf_[A-Za-z0-9]{8,}"), "<token>"),
    (
        re.compile(
            r"(?i)(token|secret|key|password|authorization)([\"']?\s*[:=]\s*[\"']?)"
            r"(bearer |basic )?[^\s\"']+"
        ),
        r"\1\2<hidden>",
    ),
    (re.compile(r"://[^/\s:@]+:[^/\s@]+@"), "://<hidden>@"),
    (re.compile(r"[A-Za-z0-9_-]{80,}"), "<hidden>"),
)
LOG_LINES = 40


def diagnosis(snapshot: Snapshot, others: Mapping[str, str] | None = None) -> str:
    """Lines for a report of a fault.

    Args:
        others: more facts by name, such as the version of Blender and of its graphics driver.
    """
    engine, checkpoint, weights = snapshot.engine, snapshot.checkpoint, snapshot.weights
    facts: dict[str, str] = {
        "versions": engine.versions or "unknown",
        **(others or {}),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": sys.version.split()[0],
        "pyzmq": _version("zmq"),
        "msgpack": _version("msgpack"),
        "engine": f"{engine.state} on {'another machine' if engine.remote else 'this machine'}",
        "engine says": f"{engine.sentence} {engine.hint}".strip(),
        "device": engine.device or "unknown",
        "memory": _memory(engine.memory_used, engine.memory_total),
        "checkpoint": "unknown" if checkpoint is None else checkpoint.name,
    }
    if weights is not None:
        facts["weights"] = (
            f"{bytes_in_words(weights.missing)} of {bytes_in_words(weights.total)} missing, "
            f"{bytes_in_words(weights.free)} free; {weights.problem}"
        )
    if snapshot.picture.title:
        picture = snapshot.picture
        facts["picture"] = f"{picture.width} x {picture.height}; {picture.problem}"
    lines = [f"{name}: {value}" for name, value in facts.items()]
    lines += [f"job: {_job(job)}" for job in snapshot.jobs]
    setup = snapshot.setup
    if setup.problem or setup.log:
        lines += ["", f"set-up: {setup.step} {setup.problem} {setup.hint}".strip()]
        lines += setup.log[-LOG_LINES:]
    titles = {job.title for job in snapshot.jobs} | {snapshot.picture.title}
    return "\n".join(without_secrets(line, titles) for line in lines) + "\n"


def shared_log(snapshot: Snapshot) -> str:
    """The log of the set-up for *Copy Log*: it goes to whoever is asked for help."""
    return "\n".join(without_secrets(line) for line in snapshot.setup.log)


def without_secrets(line: str, names: "set[str] | frozenset[str]" = frozenset()) -> str:
    """A line without what is private.

    Args:
        names: of pictures, which are taken out too.
    """
    for name in sorted(names, key=len, reverse=True):
        if len(name) > 2:
            line = line.replace(name, "<name>")
    home = str(Path.home())
    if len(home) > 1:
        line = line.replace(home, "~").replace(home.replace("\\", "/"), "~")
    for pattern, shown in _SECRETS:
        line = pattern.sub(shown, line)
    return line


def _version(module: str) -> str:
    """Of a wheel, which is not loaded for this."""
    found = sys.modules.get(module)
    return "not loaded" if found is None else str(getattr(found, "__version__", "unknown"))


def _memory(used: int | None, total: int | None) -> str:
    if total is None:
        return "unknown"
    return f"{bytes_in_words(used or 0)} of {bytes_in_words(total)}"


def _job(job: JobView) -> str:
    words = [job.kind, job.state, job.stage, f"{job.step}/{job.steps}" if job.steps else ""]
    words += [f"{job.elapsed:g} s", job.problem, job.waiting_for]
    return " ".join(word for word in words if word)
