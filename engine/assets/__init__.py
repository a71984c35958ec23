"""What a job makes, and how it is kept: the asset, its folder, its recipe."""
