"""What networks are trained on: data folders, built and read."""
