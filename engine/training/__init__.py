"""Training: data sets, losses, what is trained, and the loop."""
