"""O-Voxels in, a clean textured mesh out, whoever made them."""
