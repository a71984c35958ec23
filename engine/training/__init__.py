"""Training of every network of the pipeline, and the data for it."""
