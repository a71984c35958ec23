"""Procedural assets: millions of toys by seed, each of parts with materials."""

from engine.training.toybox.families import FAMILIES
from engine.training.toybox.toy import Toy, make_toy, split_of

__all__ = ["FAMILIES", "Toy", "make_toy", "split_of"]
