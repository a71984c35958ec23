"""The flow networks on occupied cells: shape, then texture (TRELLIS.2, section 3.3)."""

import torch
from torch import Tensor

from engine.networks.flow import FlowTransformer, Pictures, Tokens, position_embedding
from engine.sparse.layout import Layout
from engine.sparse.tensor import SparseTensor
from engine.sparse.topology import Topology


class LatentFlow(FlowTransformer):
    """DiT over a structure; published as ``SLatFlowModel`` and ``ElasticSLatFlowModel``."""

    def forward(
        self,
        x: SparseTensor,
        t: Tensor,
        cond: Pictures,
        concat_cond: SparseTensor | None = None,
    ) -> SparseTensor:
        """Velocity of a noisy shape_latent or texture_latent.

        Args:
            x: noisy latent, feats (T, C) float32; its topology keeps the rotations between steps.
            t: 1000 * t with t in [0, 1]; (B,) or (1,) float32, as published.
            cond: of each item, see ``Pictures``.
            concat_cond: the normalised shape_latent of the same cells in the same order, which
                follows x's channels; for the texture.

        Returns:
            feats (T, out_channels) float32 on x's topology.

        Raises:
            ValueError: channels, batch sizes or cells that do not fit.
        """
        return self._state(x, self.run(self._tokens(x, concat_cond), t, cond))

    def _tokens(self, x: SparseTensor, concat_cond: SparseTensor | None = None) -> Tokens:
        topology, feats = x.topology, x.feats
        if concat_cond is not None:
            if concat_cond.topology is not topology and not torch.equal(
                concat_cond.coords, x.coords
            ):
                raise ValueError("concat_cond lies on other cells than x")
            feats = torch.cat([feats, concat_cond.feats], dim=1)
        if feats.shape[1] != self.config.in_channels:
            raise ValueError(
                f"a latent of {feats.shape[1]} channels, concat_cond included, does not fit a "
                f"network for {self.config.in_channels}"
            )
        layout = Layout(tuple(topology.offsets), topology.coords[:, 0])
        if self.config.pe_mode == "rope":
            phases = topology.rope_phases(self.config.head_dim, self.config.rope_freq)
            return Tokens(feats, layout, phases=phases)
        pos_emb = _position_embedding(topology, self.config.model_channels)
        return Tokens(feats, layout, pos_emb=pos_emb)

    def _state(self, x: SparseTensor, v: Tensor) -> SparseTensor:
        return x.replace(v.flatten(0, -2))


def _position_embedding(topology: Topology, channels: int) -> Tensor:
    return topology.keep(
        ("position_embedding", channels),
        lambda: position_embedding(topology.coords[:, 1:], channels),
    )
