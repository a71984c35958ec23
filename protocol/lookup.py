"""A job by the beginning of its id: one rule for the command line, Python and HTTP."""

from .errors import EngineError
from .limits import short
from .replies import JobList
from .requests import ListJobs


def lookup(begins: str) -> ListJobs:
    """Asks for the job whose id begins so; ``only`` finds it in the answer.

    Raises:
        EngineError: ``job_unknown``.
    """
    if not begins:
        raise EngineError(
            "job_unknown",
            "An empty text is not the id of a job.",
            "Give an id, or the beginning of one, as the list of jobs (maquette jobs) shows it.",
        )
    return ListJobs(limit=2, begins=begins)


def only(jobs: JobList, begins: str) -> str:
    """The id of the one job that begins so.

    Raises:
        EngineError: ``job_unknown``, ``job_ambiguous``.
    """
    found = [row.id for row in jobs.rows if row.id.startswith(begins)]
    if len(found) == 1:
        return found[0]
    raise EngineError(
        "job_ambiguous" if found else "job_unknown",
        f"{'Several' if found else 'No'} jobs begin with {short(begins)}.",
        "Give more of an id, as the list of jobs (maquette jobs) shows it.",
    )
