"""Verbs of the command line that are more than one function; engine/cli.py registers them."""
