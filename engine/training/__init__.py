"""Training: the toy box, data sets, losses and trainers."""
