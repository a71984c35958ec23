"""The layer norm that transformers and sparse networks share."""

from torch import Tensor, nn


class LayerNorm(nn.LayerNorm):
    """Layer norm over the last dimension, in float32, returned in the dtype that came in."""

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input.float()).to(input.dtype)
