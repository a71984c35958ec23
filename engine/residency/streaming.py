"""A network whose blocks visit the device one after the other.

The weights of the blocks stay in host memory (pinned for CUDA); each comes when its block is called
and the next one's travels meanwhile on a stream of its own. What is small (biases, gains) and what
is outside of the blocks stays on the device.
"""

from typing import TypeAlias

import torch
from torch import Tensor, nn

Slot = tuple[nn.Module, str]
"""A module and the name of one of its parameters."""
Stream: TypeAlias = torch.cuda.Stream
Event: TypeAlias = torch.cuda.Event


class CopyStream:
    """Copies weights to a device beside what runs there.

    On a device other than CUDA nothing is pinned, and copies are made at once; the CPU takes the
    weights as they are.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._side = torch.cuda.Stream(device) if device.type == "cuda" else None

    def home(self) -> Stream | None:
        """The stream on which the caller's work runs."""
        return None if self._side is None else torch.cuda.current_stream(self.device)

    def pinned(self, tensor: Tensor) -> Tensor:
        """The tensor in memory from which the device can copy by itself."""
        return tensor if self._side is None else tensor.pin_memory()

    def send(self, tensors: list[Tensor], home: Stream | None) -> tuple[list[Tensor], Event | None]:
        """Copies on the device, and the event after which they are whole; from any thread.

        Whoever lets go of them waits for it first, since else their memory could be written to when
        others have it already.

        Args:
            tensors: ``pinned`` ones; torch keeps their memory until they are copied.
            home: where the copies will be used. They have memory of that stream, so that it goes
                back to it.
        """
        with torch.inference_mode(False):  # they become weights
            return self._send(tensors, home)

    def wait(self, arrived: Event | None) -> None:
        """Let what follows on the caller's stream begin after that event; the host goes on."""
        if arrived is not None:
            torch.cuda.current_stream(self.device).wait_event(arrived)

    def _send(
        self, tensors: list[Tensor], home: Stream | None
    ) -> tuple[list[Tensor], Event | None]:
        if self._side is None:
            return [tensor.to(self.device) for tensor in tensors], None
        with torch.cuda.stream(home):
            there = [torch.empty_like(tensor, device=self.device) for tensor in tensors]
            # What had this memory before may still be at work.
            free = torch.cuda.Event()
            free.record(torch.cuda.current_stream(self.device))
        self._side.wait_event(free)
        with torch.cuda.stream(self._side):
            for copy, tensor in zip(there, tensors, strict=True):
                copy.copy_(tensor, non_blocking=True)
            arrived = torch.cuda.Event()
            arrived.record(self._side)
        return there, arrived


class BlockStream:
    """Streams the weights of a network that was loaded in host memory.

    Args:
        network: its parameters are replaced while the stream is open.
        device: where it runs.
        copies: what copies to it; None: a stream of this device.

    Attributes:
        peak: most bytes of weights that were on the device at a time.
    """

    def __init__(
        self, network: nn.Module, device: torch.device, copies: CopyStream | None = None
    ) -> None:
        self.network = network
        self._copies = copies or CopyStream(device)
        self.peak = 0
        self._groups = [_large(group) for group in stream_groups(network)]
        large = {slot for group in self._groups for slot in group}
        self._held = _place_rest(network, large, device)
        self._host = {slot: self._ready(slot) for slot in large}
        self._fetched: dict[int, tuple[list[Tensor], Event | None]] = {}
        self._installed: set[Slot] = set()
        self._hooks = []
        for number, group in enumerate(stream_groups(network)):
            self._hooks += [
                group.register_forward_pre_hook(lambda *_, n=number: self._enter(n)),
                group.register_forward_hook(lambda *_, n=number: self._leave(n)),
            ]
            # Some are called from outside of their block: keys and values of the picture with
            # their norms, and the prediction of children.
            for leaf in group.modules():
                if any((leaf, name) in large for name, _ in leaf.named_parameters(recurse=False)):
                    self._hooks += [
                        leaf.register_forward_pre_hook(lambda leaf, _: self._borrow(leaf)),
                        leaf.register_forward_hook(lambda leaf, *_: self._give_back(leaf)),
                    ]
        self._borrowed: set[Slot] = set()
        self._hold(0)

    def close(self) -> None:
        """Give the network its host weights back."""
        for hook in self._hooks:
            hook.remove()
        for slot in list(self._installed):
            self._remove(slot)
        for number in list(self._fetched):
            self._arrive(number)

    def _enter(self, number: int) -> None:
        self._fetch(number)
        for slot, copy in zip(self._groups[number], self._arrive(number), strict=True):
            _set(slot, copy)
            self._installed.add(slot)
        if len(self._groups) > 1:
            self._fetch((number + 1) % len(self._groups))

    def _leave(self, number: int) -> None:
        for slot in self._groups[number]:
            self._remove(slot)

    def _fetch(self, number: int) -> None:
        if number in self._fetched:
            return
        for stale in self._fetched.keys() - {number}:
            self._hold(-sum(copy.nbytes for copy in self._arrive(stale)))
        host = [self._host[slot] for slot in self._groups[number]]
        self._hold(sum(tensor.nbytes for tensor in host))
        self._fetched[number] = self._copies.send(host, self._copies.home())

    def _arrive(self, number: int) -> list[Tensor]:
        copies, arrived = self._fetched.pop(number)
        self._copies.wait(arrived)
        return copies

    def _borrow(self, leaf: nn.Module) -> None:
        for name, _ in list(leaf.named_parameters(recurse=False)):
            slot = (leaf, name)
            if slot not in self._host or slot in self._installed:
                continue
            self._hold(self._host[slot].nbytes)
            (copy,), arrived = self._copies.send([self._host[slot]], self._copies.home())
            self._copies.wait(arrived)
            _set(slot, copy)
            self._installed.add(slot)
            self._borrowed.add(slot)

    def _give_back(self, leaf: nn.Module) -> None:
        for slot in [slot for slot in self._borrowed if slot[0] is leaf]:
            self._borrowed.remove(slot)
            self._remove(slot)

    def _remove(self, slot: Slot) -> None:
        if slot in self._installed:
            self._installed.remove(slot)
            self._hold(-self._host[slot].nbytes)
            _set(slot, self._host[slot])

    def _hold(self, more: int) -> None:
        self._held += more
        self.peak = max(self.peak, self._held)

    def _ready(self, slot: Slot) -> Tensor:
        module, name = slot
        return self._copies.pinned(getattr(module, name).detach())


def stream_groups(network: nn.Module) -> list[nn.Module]:
    """The modules that are streamed as one each, in the order in which they run."""
    blocks = getattr(network, "blocks", None)
    if not isinstance(blocks, nn.ModuleList):
        return []
    groups: list[nn.Module] = []
    for block in blocks:
        groups += list(block) if isinstance(block, nn.ModuleList) else [block]
    return [group for group in groups if _large(group)]


def streamed_bytes(network: nn.Module) -> int:
    """Most bytes of weights on the device at a time; the network may be on the meta device."""
    sizes = [
        sum(getattr(module, name).nbytes for module, name in _large(group))
        for group in stream_groups(network)
    ]
    everything = sum(t.nbytes for t in (*network.parameters(), *network.buffers()))
    if len(sizes) < 2:
        return everything
    following = sizes[1:] + sizes[:1]
    return everything - sum(sizes) + max(a + b for a, b in zip(sizes, following, strict=True))


def _large(group: nn.Module) -> list[Slot]:
    return [
        (module, name)
        for module in group.modules()
        for name, parameter in module.named_parameters(recurse=False)
        if parameter.ndim > 1
    ]


def _place_rest(network: nn.Module, large: set[Slot], device: torch.device) -> int:
    held = 0
    # Layers may share a buffer, which then stays one.
    moved: dict[Tensor, Tensor] = {}
    with torch.inference_mode(False):
        for module in network.modules():
            for name, parameter in list(module.named_parameters(recurse=False)):
                if (module, name) not in large:
                    held += parameter.nbytes
                    _set((module, name), parameter.detach().to(device))
            for name, buffer in list(module.named_buffers(recurse=False)):
                if buffer not in moved:
                    held += buffer.nbytes
                    moved[buffer] = buffer.to(device)
                setattr(module, name, moved[buffer])
    return held


def _set(slot: Slot, tensor: Tensor) -> None:
    module, name = slot
    with torch.inference_mode(False):
        setattr(module, name, nn.Parameter(tensor, requires_grad=False))
