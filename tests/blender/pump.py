"""Blender's timers where there is no window: the bpy wheel never calls any.

``Pump`` takes the place of ``bpy.app.timers`` before the extension is enabled, and runs what is due
when a test asks for it, under the same rules: a callback returns seconds or None, one that raises
is dropped, and those that are not persistent end when a file is loaded.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import bpy

Callback = Callable[[], float | None]


@dataclass
class _Timer:
    function: Callback
    due: float
    persistent: bool


@dataclass
class Pump:
    """All timers.

    Attributes:
        ticks: callbacks that were run.
        longest: seconds of processor time that the longest of them took.
    """

    ticks: int = 0
    longest: float = 0.0
    _timers: dict[int, _Timer] = field(default_factory=dict)
    """By the function's address, as in Blender: a bound method is another one every time."""

    def install(self) -> None:
        """Take the place of Blender's timers."""
        bpy.app.timers.register = self.register
        bpy.app.timers.unregister = self.unregister
        bpy.app.timers.is_registered = self.is_registered

        @bpy.app.handlers.persistent
        def before_load(*_: object) -> None:
            self._timers = {key: each for key, each in self._timers.items() if each.persistent}

        bpy.app.handlers.load_pre.append(before_load)

    def register(
        self, function: Callback, first_interval: float = 0.0, persistent: bool = False
    ) -> None:
        self._timers[id(function)] = _Timer(function, time.monotonic() + first_interval, persistent)

    def unregister(self, function: Callback) -> None:
        if id(function) not in self._timers:
            raise ValueError("Error: function is not registered")
        del self._timers[id(function)]

    def is_registered(self, function: Callback) -> bool:
        return id(function) in self._timers

    @property
    def registered(self) -> list[str]:
        """Names of the functions that have a timer."""
        functions = [each.function for each in self._timers.values()]
        return [f"{each.__module__}.{each.__qualname__}" for each in functions]

    def until(self, condition: Callable[[], object], seconds: float = 30.0) -> None:
        """Run what is due until a condition holds.

        Raises:
            AssertionError: it did not in so many seconds.
            Exception: what a callback raised; its timer is gone, as in Blender.
        """
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end:
                raise AssertionError(f"not in {seconds} s: {condition}; timers: {self.registered}")
            self.tick()
            time.sleep(0.002)

    def run(self, seconds: float) -> None:
        """Run what is due for some seconds."""
        end = time.monotonic() + seconds
        self.until(lambda: time.monotonic() > end, seconds + 60)

    def tick(self) -> None:
        """Run every callback that is due, once."""
        now = time.monotonic()
        for key, timer in list(self._timers.items()):
            if timer.due <= now and self._timers.get(key) is timer:
                self._call(key, timer)

    def _call(self, key: int, timer: _Timer) -> None:
        before = time.thread_time()
        try:
            interval = timer.function()
        except BaseException:
            self._timers.pop(key, None)
            raise
        self.ticks += 1
        self.longest = max(self.longest, time.thread_time() - before)
        if interval is not None and not isinstance(interval, int | float):
            raise TypeError(f"{timer.function} returned {interval!r}, which Blender refuses")
        if self._timers.get(key) is not timer:
            return
        if interval is None:
            del self._timers[key]
        else:
            timer.due = time.monotonic() + interval
