"""Which token belongs to which item of a batch, for tokens of equal and of different numbers."""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Layout:
    """How tokens (B, L, C) or (T, C) divide into batch items.

    Args:
        offsets: B + 1 token numbers, counted through the whole batch; item i has offsets[i] to
            offsets[i + 1].
        items: (T,) int32, the item of each token (T, C); None: the tokens are (B, L, C).
    """

    offsets: tuple[int, ...]
    items: Tensor | None = None

    def spread(self, per_item: Tensor) -> Tensor:
        """One vector for each item, (B, C), as something that broadcasts with the tokens."""
        if self.items is None:
            return per_item[:, None]
        return per_item if len(per_item) == 1 else per_item.index_select(0, self.items)
