"""Sparse tensors, their convolution and their attention, over several backends."""
