"""Words to what the picture encoder would have said of a picture of them.

The flows of the embedded model know no words: this network gives them the tokens that a picture of
the thing would have, as far as the words decide them (docs/decisions/0047-prompts.md).
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from engine.networks.sentences import sentence_states


@dataclass(frozen=True)
class TextEncoderConfig:
    """Sizes of the network.

    Args:
        text_channels: of the sentence encoder's states.
        model_channels: width of the tokens; a multiple of ``num_heads``.
        num_tokens: those of the picture encoder.
        num_blocks: that read the sentence.
        num_heads: of the attentions.
        mlp_ratio: inner width of the blocks over ``model_channels``.
    """

    text_channels: int = 384
    model_channels: int = 192
    num_tokens: int = 128
    num_blocks: int = 4
    num_heads: int = 6
    mlp_ratio: float = 3.0


class TextEncoder(nn.Module):
    """States of a sentence to ``image_tokens``."""

    def __init__(
        self, config: TextEncoderConfig, *, torso_dtype: torch.dtype = torch.float32
    ) -> None:
        super().__init__()
        if torso_dtype != torch.float32:
            raise ValueError("the text encoder computes in float32")
        self.config = config
        width = config.model_channels
        self.from_text = nn.Linear(config.text_channels, width)
        self.text_norm = nn.LayerNorm(width)
        self.queries = nn.Parameter(0.02 * torch.randn(config.num_tokens, width))
        self.blocks = nn.ModuleList(
            nn.TransformerDecoderLayer(
                width, config.num_heads, int(width * config.mlp_ratio),
                dropout=0.0, activation="gelu", batch_first=True, norm_first=True,
            )
            for _ in range(config.num_blocks)
        )  # fmt: skip
        self.to_tokens = nn.Linear(width, width)

    def forward(self, states: Tensor, there: Tensor) -> Tensor:
        """States (B, T, text_channels), which count (B, T) bool -> (B, num_tokens, C) tokens."""
        text = self.text_norm(self.from_text(states))
        tokens = self.queries.expand(len(states), -1, -1)
        for block in self.blocks:
            tokens = block(tokens, text, memory_key_padding_mask=~there)
        tokens = self.to_tokens(tokens).float()
        return nn.functional.layer_norm(tokens, tokens.shape[-1:])

    @torch.no_grad()
    def tokens(self, prompt: str) -> Tensor:
        """``image_tokens`` (1, num_tokens, model_channels), float32, on the weights' device.

        Raises:
            EngineError: ``sentences_missing``.
        """
        states, there = sentence_states([prompt])
        device = self.queries.device
        return self(states.to(device), there.to(device))
