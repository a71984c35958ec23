"""Sparse tensors, their convolution and their attention, over several backends."""

from engine.sparse.tensor import SparseTensor
from engine.sparse.topology import Subdivision, Topology

__all__ = ["SparseTensor", "Subdivision", "Topology"]
