"""Batches of O-Voxels as sparse tensors (stand-in until the data branch is merged)."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from engine.sparse import Topology


class Voxels(NamedTuple):
    coords: np.ndarray
    dual_vertices: np.ndarray
    intersected: np.ndarray
    materials: np.ndarray


class VoxelBatch(NamedTuple):
    topology: Topology
    dual_vertices: Tensor
    intersected: Tensor
    materials: Tensor


def collate(voxels: Sequence[Voxels], device: torch.device | str = "cpu") -> VoxelBatch:
    coords = [np.insert(v.coords.astype(np.int32), 0, i, axis=1) for i, v in enumerate(voxels)]
    topology = Topology(torch.from_numpy(np.concatenate(coords)).to(device), len(voxels))

    def joined(name: str) -> Tensor:
        return torch.from_numpy(np.concatenate([getattr(v, name) for v in voxels])).to(device)

    return VoxelBatch(
        topology,
        joined("dual_vertices").float() / 255,
        joined("intersected"),
        joined("materials").float() / 255,
    )
