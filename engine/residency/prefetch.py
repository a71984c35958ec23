"""The network that comes next, on its way while another one runs.

A thread reads its weights into host memory (pinned for CUDA) and, where there is room on the
device, copies them there on a stream of its own. Whatever goes wrong there is forgotten: the
network is loaded as if nothing had been tried, and that load says what is wrong.
"""

import logging
import threading
from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor, nn

from engine.checkpoints.tensors import all_finite
from engine.residency.streaming import CopyStream, Event, Stream
from protocol.errors import EngineError

log = logging.getLogger(__name__)

Check = Callable[[], None]
"""Called between tensors; raises when they are not wanted any more."""


class Load(Protocol):
    """Gives a network in host memory."""

    def __call__(self, check: Check, /) -> nn.Module: ...


class Prefetch:
    """At most one network on its way.

    Args:
        device: where networks run.
        copies: what copies to it; None: a stream of this device.

    Attributes:
        name: of the network, or "".
        bytes_there: bytes that it has on the device, from the beginning of its way.
    """

    def __init__(self, device: torch.device, copies: CopyStream | None = None) -> None:
        self._device = device
        self._stream = copies
        self._unwanted = threading.Event()
        self._thread: threading.Thread | None = None
        self._network: nn.Module | None = None
        self._arrived: Event | None = None
        self.name = ""
        self.bytes_there = 0

    def begin(self, name: str, load: Load, bytes_there: int) -> None:
        """Send for a network; what was on its way before is dropped.

        Args:
            load: called in another thread.
            bytes_there: of its weights, if there is room for them on the device; 0: it waits in
                host memory.
        """
        self.drop()
        self._unwanted = threading.Event()
        self.name, self.bytes_there = name, bytes_there
        home = self._copies.home()

        def work() -> None:
            try:
                network = load(self._check)
                host = self._pinned(network)
                if bytes_there:
                    self._send(host, home)
                self._network = network
            except _Unwanted:
                pass
            except (EngineError, OSError, RuntimeError, ValueError, MemoryError) as error:
                log.info("%s was not loaded ahead: %s", name, error)

        self._thread = threading.Thread(target=work, name=f"prefetch {name}", daemon=True)
        self._thread.start()

    def take(self, name: str) -> nn.Module | None:
        """The network once it is whole: on the device if it was sent there, else in host memory.

        None: it is not on its way, or did not get here. Nothing is on its way any more.
        """
        if name != self.name:
            return None
        self._join()
        network = self._network
        if network is not None and self._arrived is not None:
            self._copies.wait(self._arrived)
        self._forget()
        return network

    def drop(self) -> None:
        """Let go of what is on its way; its thread has ended when this returns."""
        self._unwanted.set()
        self._join()
        if self._arrived is not None:
            # Else its memory could be written to by the copy when others have it already.
            self._copies.wait(self._arrived)
        self._forget()

    @property
    def _copies(self) -> CopyStream:
        # Not before there is something to copy: a device may only be pretended.
        self._stream = self._stream or CopyStream(self._device)
        return self._stream

    def _join(self) -> None:
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _forget(self) -> None:
        self._network = self._arrived = None
        self.name, self.bytes_there = "", 0

    def _check(self) -> None:
        if self._unwanted.is_set():
            raise _Unwanted

    def _pinned(self, network: nn.Module) -> list[Tensor]:
        tensors = [*network.parameters(), *network.buffers()]
        for tensor in tensors:
            self._check()
            tensor.data = self._copies.pinned(tensor.data)
            # Tensors that stay a mapping of their file are not looked at when they are loaded.
            if tensor.is_floating_point() and not all_finite(tensor):
                raise ValueError("it holds numbers that are not finite")
        return tensors

    def _send(self, tensors: list[Tensor], home: Stream | None) -> None:
        self._check()
        there, self._arrived = self._copies.send([tensor.data for tensor in tensors], home)
        for tensor, copy in zip(tensors, there, strict=True):
            tensor.data = copy


class _Unwanted(Exception):
    """The network on its way is not wanted any more."""
