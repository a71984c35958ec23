"""The worker, and the finisher beside it: who does jobs."""

from collections.abc import Callable
from dataclasses import replace

from engine.pipe.messages import Setup
from engine.service.workers import Supervisor


class Staff:
    """Finishing needs the processor alone, so a GPU need not wait for it: where there is one, a
    second process finishes what the first has sampled.

    On a processor sampling takes all cores and most of the memory, and other GPUs may have none of
    their own: there is a worker only.

    Args:
        hire: makes a supervisor of either, by its setup and its name.
        setup: of the worker.
        finisher: whether there is one; None: by the worker's device.

    Attributes:
        worker: does any job.
        finisher: does what needs no networks, while the worker has other things to do. It holds
            nothing of the device.
    """

    def __init__(
        self, hire: Callable[[Setup, str], Supervisor], setup: Setup, *, finisher: bool | None
    ) -> None:
        self._wanted = finisher
        self.worker = hire(setup, "worker")
        self.finisher = hire(replace(setup, device="cpu", networks=False), "finisher")
        self._both = (self.worker, self.finisher)

    @property
    def two(self) -> bool:
        """Whether there is work for the finisher on this device, and it can do it."""
        device = self.worker.device
        if device is None or device.problem or self.finisher.state == "broken":
            return False
        if self._wanted is not None:
            return self._wanted
        return device.device.partition(":")[0] == "cuda"  # ROCm too

    @property
    def jobs(self) -> list[str]:
        """Ids of those that run."""
        return [one.job for one in self._both if one.job]

    def who_does(self, job: str) -> Supervisor | None:
        """None: nobody."""
        return next((one for one in self._both if job and one.job == job), None)

    @property
    def to_finisher(self) -> bool:
        """Whether a job that needs no networks should go to the finisher, or wait until it has
        started; else the worker takes it."""
        if not self.two or self.finisher.job:
            return False
        return self.finisher.free or not self.worker.free

    def tick(self) -> None:
        """Look at the clock."""
        for one in self._both:
            one.tick()

    def forgive(self) -> None:
        """Start them again, though they crashed too often."""
        for one in self._both:
            one.forgive()

    def release(self, then: Callable[[], None]) -> None:
        """End the worker, which runs no job, so that the device's memory is free; the finisher too
        where it has nothing to do.

        Args:
            then: called when the device's is.
        """
        if not self.finisher.job:
            self.finisher.release()
        self.worker.release(then)

    def close(self) -> None:
        """End everything. Jobs that run get no end."""
        for one in self._both:
            one.retire()  # both at once, and then wait
        for one in self._both:
            one.close()
