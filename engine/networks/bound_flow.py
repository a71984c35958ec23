"""A flow network as samplers ask it: with its conditions bound, a function of tensors alone."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from engine.networks.flow import FlowTransformer
from engine.sampling.velocity import BOTH, Asked
from engine.sparse.tensor import SparseTensor


@dataclass(frozen=True)
class BoundFlow:
    """A flow and what it is asked about; see ``engine.sampling.Passes``.

    Attributes:
        flow: the network.
        conditions: True: the picture; False: the negative one. Each as ``flow`` takes it;
            ``Condition`` where both are asked for at once.
        wrap: makes of the state what the flow takes.
        more: further arguments of the flow.
    """

    flow: FlowTransformer
    conditions: Mapping[bool, Any]
    wrap: Callable[[Tensor], Any] = lambda x: x
    more: tuple[Any, ...] = ()

    def __call__(self, x: Tensor, time: Tensor, asked: Asked) -> tuple[Tensor, ...]:
        state, bound = self.wrap(x), [self.conditions[positive] for positive in asked]
        if asked == BOTH:
            found = self.flow.both(state, time, *bound, *self.more)
        else:
            found = [self.flow(state, time, condition, *self.more) for condition in bound]
        return tuple(v.feats if isinstance(v, SparseTensor) else v for v in found)
