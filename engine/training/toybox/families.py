"""All families by name."""

from collections.abc import Callable, Mapping

import numpy as np

from engine.training.toybox import buildings, furniture, nature, things, vehicles, vessels
from engine.training.toybox.assemble import Part

Family = Callable[[np.random.Generator], list[Part]]

_ALL: tuple[Family, ...] = (
    *(vessels.mug, vessels.bottle, vessels.vase),
    *(furniture.chair, furniture.table),
    *(nature.mushroom, nature.tree, nature.plant),
    *(vehicles.rocket, buildings.house, things.cloth),
)
FAMILIES: Mapping[str, Family] = {family.__name__: family for family in _ALL}
