"""Triangle meshes: loading, cleaning, simplifying, unwrapping."""
