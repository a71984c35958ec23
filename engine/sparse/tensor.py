"""Features on the cells of a sparse grid."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from engine.sparse.topology import Topology


@dataclass(frozen=True, eq=False)
class SparseTensor:
    """One row of features per cell of a topology.

    Args:
        topology: where the cells are; shared by every tensor with the same cells.
        feats: (N, C) any dtype, on the topology's device, rows in the topology's order.
    """

    topology: Topology
    feats: Tensor

    def __post_init__(self) -> None:
        if self.feats.ndim != 2 or len(self.feats) != len(self.topology):
            raise ValueError(
                f"feats of {len(self.topology)} cells must be ({len(self.topology)}, C), "
                f"not {tuple(self.feats.shape)}"
            )
        if self.feats.device != self.topology.device:
            raise ValueError(
                f"feats are on {self.feats.device}, their coords on {self.topology.device}"
            )

    @classmethod
    def from_coords(cls, coords: Tensor, feats: Tensor) -> SparseTensor:
        """A tensor on cells of its own: coords (N, 4) int32 as ``Topology`` takes them."""
        return cls(Topology(coords), feats)

    @property
    def coords(self) -> Tensor:
        return self.topology.coords

    @property
    def batch_size(self) -> int:
        return self.topology.batch_size

    @property
    def device(self) -> torch.device:
        return self.topology.device

    def __len__(self) -> int:
        return len(self.topology)

    def items(self) -> list[SparseTensor]:
        """Every batch item as a batch of one."""
        parts: list[SparseTensor] = []
        for rows in self.topology.slices:
            coords = self.coords[rows].clone()
            coords[:, 0] = 0
            parts.append(SparseTensor(Topology(coords, 1), self.feats[rows]))
        return parts

    def replace(self, feats: Tensor) -> SparseTensor:
        """Other features on the same cells."""
        return SparseTensor(self.topology, feats)

    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None):
        """The same tensor on another device, its features in another dtype."""
        topology = self.topology if device is None else self.topology.to(device)
        return SparseTensor(topology, self.feats.to(device=topology.device, dtype=dtype))
