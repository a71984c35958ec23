"""Sampling from flow-matching networks."""

from engine.sampling.euler import Step, guided_steps, guided_velocity, sample, schedule
from engine.sampling.passes import GUIDANCE, STEPS, stepping
from engine.sampling.spread import Spread, dense_spread, sparse_spread
from engine.sampling.velocity import Velocity, one_by_one

__all__ = [
    "GUIDANCE",
    "STEPS",
    "Spread",
    "Step",
    "Velocity",
    "dense_spread",
    "guided_steps",
    "guided_velocity",
    "one_by_one",
    "sample",
    "schedule",
    "sparse_spread",
    "stepping",
]
