"""Tensors on a CUDA device that is not there: torch's ``FakeTensorMode``, and what it lacks here.

Fake tensors have shape, dtype and device and no values. An operation on tensors of two devices is
refused, and so is whatever would need values on the host or would make a shape of them: ``item``,
``bool``, ``tolist``, ``nonzero``, ``unique``. So what runs here never waits for the device there.

torch without CUDA has no guard for CUDA devices, which a few of its methods ask for before they
come to the fake mode. ``_METHODS`` has others for those.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode, unset_fake_temporarily
from torch.utils._python_dispatch import TorchDispatchMode

from engine.host.machine import hardware_of
from engine.sparse import Subdivision, Topology, attention
from engine.sparse.operations import OPERATIONS

CUDA = torch.device("cuda:0")
aten = torch.ops.aten


class Transfers(TorchDispatchMode):
    """Counts copies between host and device; ``FakeTensorMode`` allows them.

    Attributes:
        to_host: copies from the device, each of which waits for it.
        to_device: copies to it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.to_host: list[str] = []
        self.to_device: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if func in (aten._to_copy.default, aten.copy_.default):
            source = args[1] if func is aten.copy_.default else args[0]
            if source.device.type != out.device.type:
                (self.to_host if out.device.type == "cpu" else self.to_device).append(str(func))
        elif func is aten.lift_fresh.default and out.device.type == "cuda":
            self.to_device.append(str(func))
        return out


@contextmanager
def pretended_card(
    monkeypatch: Any, capability: tuple[int, int] = (9, 0), *, flash: bool = False
) -> Iterator[FakeTensorMode]:
    """Inside of the block a CUDA device of that capability seems to be there.

    Args:
        flash: whether torch's build has flash attention.
    """
    with monkeypatch.context() as patch:
        patch.setattr("torch.cuda.get_device_capability", lambda *_: capability)
        patch.setattr("torch.backends.cuda.is_flash_attention_available", lambda: flash)
        for name, method in _METHODS.items():
            patch.setattr(FakeTensor, name, method, raising=False)
        # Fused layers for inference, on the other side of the same guards.
        fused = torch.backends.mha.get_fastpath_enabled()
        torch.backends.mha.set_fastpath_enabled(False)
        _forget()
        try:
            with FakeTensorMode() as mode:
                yield mode
        finally:
            torch.backends.mha.set_fastpath_enabled(fused)
            _forget()


def _forget() -> None:
    """Choices and tables that were made of a device, or of fake tensors."""
    hardware_of.cache_clear()
    attention._cumulative.cache_clear()
    for operation in OPERATIONS:
        operation._chosen.clear()


def on_card(make: Callable[[], nn.Module]) -> Any:
    """A network that ``make`` builds on the meta device, on the card; in ``pretended_card``."""
    with unset_fake_temporarily():
        network = make().requires_grad_(False).eval()
    for module in network.modules():
        for name, parameter in list(module.named_parameters(recurse=False)):
            there = torch.empty(parameter.shape, dtype=parameter.dtype, device=CUDA)
            setattr(module, name, nn.Parameter(there, requires_grad=False))
        for name, buffer in list(module.named_buffers(recurse=False)):
            setattr(module, name, torch.empty(buffer.shape, dtype=buffer.dtype, device=CUDA))
    compute = getattr(network, "derived_buffers", None)
    for name, value in (compute(CUDA) if compute else {}).items():
        network.register_buffer(name, value, persistent=False)
    return network


def fake_of(value: Any) -> Any:
    """Real tensors, also in lists and tuples, as fake ones on the card."""
    if isinstance(value, Tensor):
        return torch.empty(value.shape, dtype=value.dtype, device=CUDA)
    if isinstance(value, Topology):
        return fake_topology(value)
    if isinstance(value, list | tuple):
        return type(value)(fake_of(part) for part in value)
    return value


def fake_topology(real: Topology) -> Topology:
    """A topology on the card with the tables that the real one keeps.

    What depends on values (which cells exist, who is next to whom) was found beforehand with real
    tensors: it cannot be made of fake ones.
    """
    if (known := real._kept.get("fake")) is not None:
        return known
    fake = Topology.__new__(Topology)
    fake.coords, fake.batch_size = fake_of(real.coords), real.batch_size
    with unset_fake_temporarily():
        fake.__dict__["offsets"] = real.offsets
    real._kept["fake"] = fake
    fake._kept = {key: fake_of(kept) for key, kept in real._kept.items() if key != "fake"}
    return fake


def fake_pyramid(links: tuple[Subdivision, ...]) -> tuple[Subdivision, ...]:
    """A decoder's pyramid on the card."""
    return tuple(
        Subdivision(
            fake_topology(link.parents),
            fake_topology(link.children),
            fake_of(link.parent_rows),
            fake_of(link.slots),
        )
        for link in links
    )


def _picked(x: Tensor, index: Any) -> tuple[Tensor, list[Tensor | None]]:
    """``x`` after the simple parts of an index, and the tensors for each of its dimensions."""
    parts = list(index) if isinstance(index, tuple) else [index]
    if not any(part is Ellipsis for part in parts):
        parts.append(Ellipsis)
    at = next(i for i, part in enumerate(parts) if part is Ellipsis)
    named = sum(part is not None and part is not Ellipsis for part in parts)
    parts[at : at + 1] = [slice(None)] * (x.ndim - named)
    tensors: list[Tensor | None] = []
    for part in parts:
        if part is None:
            x = aten.unsqueeze(x, len(tensors))
            tensors.append(None)
        elif isinstance(part, int):
            x = aten.select(x, len(tensors), part)
        elif isinstance(part, slice):
            x = aten.slice(x, len(tensors), part.start, part.stop, part.step or 1)
            tensors.append(None)
        else:
            here = part if isinstance(part, Tensor) else torch.tensor(part, device=x.device)
            tensors.append(here)
    return x, tensors


def _get(x: Tensor, index: Any) -> Tensor:
    x, tensors = _picked(x, index)
    return aten.index(x, tensors) if any(t is not None for t in tensors) else x


def _set(x: Tensor, index: Any, value: Any) -> None:
    x, tensors = _picked(x, index)
    if not isinstance(value, Tensor):
        value = torch.full((), value, dtype=x.dtype, device=x.device)
    if any(t is not None for t in tensors):
        aten.index_put_(x, tensors, value)
    else:
        aten.copy_(x, value)


_METHODS: dict[str, Callable[..., Any]] = {
    "__getitem__": _get,
    "__setitem__": _set,
    "contiguous": lambda x: aten.clone(x, memory_format=torch.contiguous_format),
    "__invert__": lambda x: aten.bitwise_not(x),
    "new_tensor": lambda x, data: torch.tensor(data, dtype=x.dtype, device=x.device),
    "nonzero": lambda x: aten.nonzero(x),
    "copy_": lambda x, *args, **options: aten.copy_(x, *args, **options),
}
