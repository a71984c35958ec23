"""Pictures on a low mesh from O-Voxels: UVs rasterised, surface looked up, values sampled, padded."""
