"""The networks, one file each, and the loading of checkpoints."""
