"""The first flow network: which cells hold anything (TRELLIS.2, section 3.3)."""

import torch
from torch import Tensor

from engine.networks.dit import FlowConfig
from engine.networks.flow import FlowTransformer, Pictures, Tokens, position_embedding
from engine.sparse.layout import Layout
from engine.sparse.rope import rope_phases


class StructureFlow(FlowTransformer):
    """DiT over every cell of a small dense grid; published as ``SparseStructureFlowModel``."""

    def __init__(self, config: FlowConfig, *, torso_dtype: torch.dtype = torch.float32) -> None:
        super().__init__(config, torso_dtype=torso_dtype)
        for name, value in self.derived_buffers().items():
            # Not persistent: they follow from the config, so files need not hold them.
            self.register_buffer(name, value, persistent=False)

    def derived_buffers(self, device: torch.device | str | None = None) -> dict[str, Tensor]:
        """Rotations or position embedding of all cells, x-major, by their names in files."""
        axis = torch.arange(self.config.resolution, device=device)
        cells = torch.cartesian_prod(axis, axis, axis)
        if self.config.pe_mode == "rope":
            # The published dense network ignores rope_freq here; so the default is written out.
            return {"rope_phases": rope_phases(cells, self.config.head_dim, (1.0, 10000.0))}
        return {"pos_emb": position_embedding(cells, self.config.model_channels)}

    def forward(self, x: Tensor, t: Tensor, cond: Pictures) -> Tensor:
        """Velocity of a noisy structure latent.

        Args:
            x: (B, in_channels, R, R, R) float32, axes x, y, z.
            t: 1000 * t with t in [0, 1]; (B,) or (1,) float32, as published.
            cond: of each item, see ``Pictures``.

        Returns:
            (B, out_channels, R, R, R) float32.
        """
        return self._state(x, self.run(self._tokens(x), t, cond))

    def _tokens(self, x: Tensor) -> Tokens:
        size = self.config.resolution
        if x.shape[1:] != (self.config.in_channels, size, size, size):
            raise ValueError(
                f"a structure latent of shape {tuple(x.shape)} does not fit a network for "
                f"{self.config.in_channels} channels on a grid of {size}"
            )
        values = x.flatten(2).transpose(1, 2)
        layout = Layout(tuple(range(0, (len(x) + 1) * size**3, size**3)))
        if self.config.pe_mode == "rope":
            return Tokens(values, layout, phases=self.get_buffer("rope_phases"))
        return Tokens(values, layout, pos_emb=self.get_buffer("pos_emb"))

    def _state(self, x: Tensor, v: Tensor) -> Tensor:
        return v.transpose(1, 2).unflatten(2, x.shape[2:])
