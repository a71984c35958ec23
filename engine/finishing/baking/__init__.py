"""Textures of a simplified mesh from the O-Voxels it was made from."""
