"""Requests as stories: each pipeline is one function that reads from top to bottom."""
