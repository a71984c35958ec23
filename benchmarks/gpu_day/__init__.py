"""The GPU day: on a machine with a card, whether everything is right there, how fast, and a training."""
