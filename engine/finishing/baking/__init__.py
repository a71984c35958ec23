"""Textures of a simplified mesh from the O-Voxels or the mesh it was made from."""
