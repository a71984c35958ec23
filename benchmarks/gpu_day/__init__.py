"""The GPU day: whether everything is right on a card, how fast it is, and a training."""
