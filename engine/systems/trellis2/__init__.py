"""TRELLIS.2: a picture to O-Voxels by three flows and two SC-VAE decoders."""
