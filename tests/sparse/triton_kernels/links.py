"""Levels of a sparse grid in which some, all or no children exist."""

import torch

from engine.sparse import Subdivision, Topology
from tests.sparse.grids import random_coords

LINKS = ["some", "none", "all", "own order"]


def a_link(name: str, device: torch.device) -> Subdivision:
    """``own order``: the children come in an order of their own, as in an encoder."""
    if name == "own order":
        return Topology(random_coords((40, 20), 6).to(device)).coarsen()
    share = {"some": 5 / 8, "none": 0.0, "all": 1.0}[name]
    mask = torch.rand(20, 8, generator=torch.Generator().manual_seed(3)) < share
    return Topology(random_coords((13, 7), 4).to(device)).subdivide(mask.to(device))
