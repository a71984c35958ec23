"""Every operation with more than one implementation, in one list."""

from engine.sparse.attention import ATTENTION
from engine.sparse.backends import Registry
from engine.sparse.convolution import CONVOLUTION
from engine.sparse.rows import GATED_ADD, MODULATED_NORM, NORMED_HEADS

OPERATIONS: tuple[Registry, ...] = (
    ATTENTION,
    MODULATED_NORM,
    GATED_ADD,
    NORMED_HEADS,
    CONVOLUTION,
)
