"""The verbs of the command line; engine/cli.py registers them."""
