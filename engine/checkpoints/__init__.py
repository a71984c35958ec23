"""A checkpoint's files to networks: which there are, their arguments, their tensors."""
