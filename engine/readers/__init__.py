"""Mesh files of other programs to our mesh, with what was found and what was left out."""
