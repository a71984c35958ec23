"""Every operation with more than one implementation, in one list."""

from engine.sparse.atlas import ATLAS
from engine.sparse.attention import ATTENTION
from engine.sparse.backends import Registry
from engine.sparse.convolution import CONVOLUTION
from engine.sparse.neighbours import NEIGHBOURS
from engine.sparse.resample import CHANNEL_TO_SPACE, SPACE_TO_CHANNEL, TO_CHILDREN
from engine.sparse.rows import GATED_ADD, MODULATED_NORM, NORMED_HEADS
from engine.sparse.sampling import SAMPLING

OPERATIONS: tuple[Registry, ...] = (
    ATTENTION,
    MODULATED_NORM,
    GATED_ADD,
    NORMED_HEADS,
    CONVOLUTION,
    TO_CHILDREN,
    SPACE_TO_CHANNEL,
    CHANNEL_TO_SPACE,
    NEIGHBOURS,
    SAMPLING,
    ATLAS,
)
