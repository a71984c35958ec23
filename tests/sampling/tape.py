"""Recordings on the CPU: the operations of torch that were done, done again in the same places.

As with a graph on a GPU no Python runs again: numbers are those of the recording, tensors that it
read are read where they lay, and what it made is written where it was.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from engine.sampling import STEPS
from engine.sampling.recorded import Work, recorded
from engine.sparse.backends import Backend, preferring, probe_torch


class _Noting(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.done: list[tuple[Callable[..., Any], Any, Any, Any]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        self.done.append((func, args, kwargs or {}, out))
        return out


@dataclass(frozen=True)
class Taped:
    """See ``engine.sampling.recorded.Recording``."""

    outputs: tuple[Tensor, ...]
    done: list[tuple[Callable[..., Any], Any, Any, Any]]

    def replay(self) -> None:
        for func, args, kwargs, out in self.done:
            read = {_place(x) for x in tree_leaves((args, kwargs)) if isinstance(x, Tensor)}
            again = func(*args, **kwargs)
            for old, new in zip(tree_leaves(out), tree_leaves(again), strict=True):
                # A view, or what was written to, is in its place already.
                if isinstance(old, Tensor) and _place(old) not in read:
                    old.copy_(new)


def _place(x: Tensor) -> int:
    return x.untyped_storage().data_ptr()


@dataclass
class TapeRecorder:
    """See ``engine.sampling.recorded.Recorder``.

    Attributes:
        fails: raised instead of recording, once.
        heard: "rehearse", "record" and "release", as they were called.
    """

    fails: Exception | None = None
    heard: list[str] = field(default_factory=list)

    def rehearse(self, work: Work) -> tuple[Tensor, ...]:
        self.heard.append("rehearse")
        return work()

    def record(self, work: Work) -> Taped:
        self.heard.append("record")
        if self.fails is not None:
            raise self.fails
        with _Noting() as noting:
            outputs = work()
        for x in outputs:
            x.fill_(torch.nan)  # as on a GPU, where recording computes nothing
        return Taped(outputs, noting.done)

    def release(self) -> None:
        self.heard.append("release")


@contextmanager
def taping(recorder: TapeRecorder) -> Iterator[None]:
    """Inside of the block sampler steps are recorded by this, on any device."""
    tape = Backend("tape", probe_torch, lambda passes: recorded(passes, lambda _: recorder))
    with (
        mock.patch.dict(STEPS.backends, {"tape": tape}),
        mock.patch.object(STEPS, "_chosen", {}),
        preferring("tape"),
    ):
        yield
