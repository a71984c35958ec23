"""O-Voxels: meshes to sparse voxels with dual vertices and materials, and back."""
