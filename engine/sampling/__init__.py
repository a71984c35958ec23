"""Sampling from flow-matching networks."""

from engine.sampling.euler import Step, guided_steps, guided_velocity, sample, schedule
from engine.sampling.passes import GUIDANCE, STEPS, stepping
from engine.sampling.spread import Spread, dense_spread, sparse_spread
from engine.sampling.velocity import Velocity

__all__ = [
    "GUIDANCE",
    "STEPS",
    "Spread",
    "Step",
    "Velocity",
    "dense_spread",
    "guided_steps",
    "guided_velocity",
    "sample",
    "schedule",
    "sparse_spread",
    "stepping",
]
