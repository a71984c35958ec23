"""A sampler's passes, recorded once and then replayed: whatever changes has a place of its own.

A recording repeats what the device did, with the same places in memory and the same numbers. So
state and time are copied to where it reads them, and what comes out lies where it was written.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

import torch
from torch import Tensor

from engine.sampling.velocity import Asked, Passes, Velocity

log = logging.getLogger(__name__)

Work = Callable[[], tuple[Tensor, ...]]


class Recording(Protocol):
    """What a device did, once."""

    @property
    def outputs(self) -> tuple[Tensor, ...]:
        """Where the results lie after each ``replay``."""
        ...

    def replay(self) -> None:
        """Do the same again, with what is now in the places that were read."""
        ...


class Recorder(Protocol):
    """What makes recordings on a device."""

    def rehearse(self, work: Work) -> tuple[Tensor, ...]:
        """Do it as when it is recorded, so that whatever is made only once is there already."""
        ...

    def record(self, work: Work) -> Recording:
        """Note what it does on the device, without its being done.

        Raises:
            RuntimeError: it cannot be recorded, or memory ran out.
        """
        ...

    def release(self) -> None:
        """Give the memory of all recordings back, which nobody refers to any more."""
        ...


@contextmanager
def recorded(
    passes: Passes, recorder_for: Callable[[torch.device], Recorder]
) -> Iterator[Velocity]:
    """A velocity that records each kind of pass when it comes a second time, and then replays it.

    When that fails, above all for lack of memory, everything goes on as if nothing were recorded.

    Args:
        recorder_for: makes the recorder for the device of the states.
    """
    steps = _Recorded(passes, recorder_for)
    try:
        yield steps
    finally:
        steps.stop()


class _Recorded:
    """See ``recorded``; a ``Velocity``. A kind of pass is what is asked for in it."""

    def __init__(self, passes: Passes, recorder_for: Callable[[torch.device], Recorder]) -> None:
        self._passes = passes
        self._recorder_for = recorder_for
        self._recorder: Recorder | None = None
        self._places: tuple[Tensor, Tensor] | None = None
        self._recordings: dict[Asked, Recording | None] = {}
        """Of each kind that has come; None: it was rehearsed."""
        self._stopped = False

    def __call__(self, x: Tensor, t: float, asked: Asked) -> tuple[Tensor, ...]:
        if self._places is None:
            self._places = torch.empty_like(x), torch.empty(1, device=x.device)
            self._recorder = self._recorder_for(x.device)
        state, time = self._places
        state.copy_(x)
        time.fill_(1000 * t)
        if not self._stopped:
            try:
                return self._replayed(state, time, asked)
            except RuntimeError as error:
                log.info("Sampler steps are not recorded: %s", error)
            # Out here the traceback is gone, and with it what the attempt held.
            self.stop()
        return self._passes(state, time, asked)

    def stop(self) -> None:
        """Give recordings and their memory back; from now on passes run as they are."""
        self._stopped = True
        self._recordings.clear()
        if self._recorder is not None:
            self._recorder.release()
            self._recorder = None

    def _replayed(self, state: Tensor, time: Tensor, asked: Asked) -> tuple[Tensor, ...]:
        def work() -> tuple[Tensor, ...]:
            return self._passes(state, time, asked)

        assert self._recorder is not None
        if asked not in self._recordings:
            self._recordings[asked] = None
            return self._recorder.rehearse(work)
        recording = self._recordings[asked]
        if recording is None:
            recording = self._recordings[asked] = self._recorder.record(work)
        recording.replay()
        return recording.outputs
