"""Sampling from flow-matching networks."""
