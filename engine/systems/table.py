"""Every system of networks, and which one a checkpoint belongs to.

A further system is a folder beside ``trellis2``, a line here, and its stages in
``protocol.stages`` where it has others.
"""

from engine.systems.system import System
from engine.systems.trellis2.system import TRELLIS2
from protocol.errors import EngineError
from protocol.jobs import MakingJob

SYSTEMS: dict[str, System] = {system.name: system for system in (TRELLIS2,)}


def system_of_pipeline(name: str) -> System:
    """The system whose ``pipeline.json`` has that name.

    Raises:
        EngineError: ``system_unknown``.
    """
    for system in SYSTEMS.values():
        if name in system.pipelines:
            return system
    known = sorted(pipeline for system in SYSTEMS.values() for pipeline in system.pipelines)
    raise EngineError(
        "system_unknown",
        f"The checkpoint's pipeline {name!r} belongs to no system that is known here.",
        f"Use a checkpoint whose pipeline.json is named {' or '.join(known)}.",
    )


def sampled_stages(job: type[MakingJob]) -> tuple[str, ...]:
    """The stages that sample in jobs of a class, of all systems, each once."""
    stages = (stage for system in SYSTEMS.values() for stage in system.jobs.get(job, ()))
    return tuple(dict.fromkeys(stages))


def system_named(name: str) -> System:
    """The system that jobs and recipes call so.

    Raises:
        EngineError: ``system_unknown``.
    """
    if name not in SYSTEMS:
        raise EngineError(
            "system_unknown",
            f"There is no system {name!r}.",
            f"Choose one of {', '.join(SYSTEMS)}.",
        )
    return SYSTEMS[name]


def system_for(job: MakingJob, pipeline: str) -> System:
    """The system that does a job with a checkpoint.

    Args:
        pipeline: the name of the checkpoint's pipeline.

    Raises:
        EngineError: ``system_unknown``; ``system_differs`` when the job wants another one;
            ``job_unsupported``.
    """
    system = system_of_pipeline(pipeline)
    if job.system is not None and system_named(job.system) is not system:
        raise EngineError(
            "system_differs",
            f"The job is for {job.system}, and the checkpoint is one of {system.name}.",
            "Open a checkpoint of that system, or leave the system out.",
        )
    if type(job) not in system.jobs:
        able = ", ".join(kind.__name__ for kind in system.jobs)
        raise EngineError(
            "job_unsupported",
            f"{system.name} cannot do a {type(job).__name__}.",
            f"It can do {able}; use a checkpoint of another system.",
        )
    return system
