"""Another engine is used from here on: what becomes of the jobs that the one before has."""

from ..protocol.errors import EngineError
from .fetching import Fetching
from .following import Following
from .language import said
from .submitting import Submitting

LEFT_BEHIND = ("sending", "queued", "running", "interrupted", "fetching")


def leave(jobs: Following, fetching: Fetching, submitting: Submitting, place: str) -> str:
    """Follow no job of an engine any more. What was not sent goes to the other engine, and what is
    here already stays.

    Args:
        place: of the engine that is left.

    Returns:
        What to tell the user; empty: nothing was left behind.
    """
    left: list[str] = []
    for job in jobs:
        if job.state == "sending" and job.resubmit is not None:
            try:
                submitting.retry(job, None)
            except EngineError as error:
                job.fail(error.message, error.hint)
        elif job.state in LEFT_BEHIND:
            fetching.drop(job)
            jobs.remove(job.id)
            left.append(job.title or "a job")
    if not left:
        return ""
    names = ", ".join(left[:3]) + (
        " " + said("and {count} more", count=len(left) - 3) if len(left) > 3 else ""
    )
    return said(
        "What was begun on {place} stays there ({names}): use its engine again to get it.",
        place=place,
        names=names,
    )
