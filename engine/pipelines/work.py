"""What every stage of a request is given, and what happens when memory runs out in one."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Concatenate, ParamSpec, TypeVar

from engine.images.picture import Picture
from engine.models.pipeline import PipelineSpec
from engine.models.residency import Models, is_out_of_memory, out_of_memory
from engine.pipelines.report import Report

Rest = ParamSpec("Rest")
Value = TypeVar("Value")


@dataclass(frozen=True)
class Work:
    """A request on its way.

    Args:
        spec: the pipeline whose normalisations hold.
        picture: what it is made from.
    """

    models: Models
    report: Report
    spec: PipelineSpec
    picture: Picture


def repeated_when_full(
    stage: Callable[Concatenate[Work, Rest], Value],
) -> Callable[Concatenate[Work, Rest], Value]:
    """A stage that, when memory runs out, is repeated once with less of the model on the device.

    The stage must take its noise as an argument: drawing anew would change the result.

    Raises:
        EngineError: ``out_of_memory`` when that is not enough.
    """

    @functools.wraps(stage)
    def run(work: Work, *args: Rest.args, **kwargs: Rest.kwargs) -> Value:
        try:
            return stage(work, *args, **kwargs)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
        # Out here the traceback is gone, and with it what the failed stage held.
        work.models.lower()
        work.report.note(f"Memory ran out; going on with {work.models.policy}.")
        try:
            return stage(work, *args, **kwargs)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
        work.models.release()
        raise out_of_memory()

    return run
