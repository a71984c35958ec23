"""Results as files: glTF, OBJ, PLY and .vxz."""
