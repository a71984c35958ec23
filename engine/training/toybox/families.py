"""All families by name."""

from collections.abc import Callable, Mapping

import numpy as np

from engine.training.toybox import (
    animals,
    belongings,
    buildings,
    creatures,
    food,
    furniture,
    nature,
    objects,
    rides,
    vehicles,
    vessels,
)
from engine.training.toybox.assemble import Part

Family = Callable[[np.random.Generator], list[Part]]

_ALL: tuple[Family, ...] = (
    *(vessels.mug, vessels.bottle, vessels.vase, vessels.teapot, vessels.barrel),
    *(vessels.jar, vessels.trophy),
    *(furniture.chair, furniture.table, furniture.lamp, furniture.armchair, furniture.bed),
    *(nature.mushroom, nature.tree, nature.plant, nature.pine, nature.cactus, nature.pumpkin),
    *(creatures.robot, creatures.duck, creatures.fish, creatures.snowman),
    *(vehicles.rocket, vehicles.car, vehicles.boat, vehicles.aeroplane),
    *(buildings.house, buildings.lighthouse, buildings.castle),
    *(objects.cloth, objects.sword, objects.crate, objects.gem, objects.hat, objects.umbrella),
    *(objects.chest, objects.ice_cream),
    *(food.apple, food.banana, food.burger, food.cake, food.donut),
    *(animals.cat, animals.bear, furniture.sofa, rides.bicycle, rides.locomotive),
    *(belongings.guitar, belongings.camera, belongings.sneaker, belongings.letter_block),
    *(belongings.book, belongings.gift, belongings.clock),
)
FAMILIES: Mapping[str, Family] = {family.__name__: family for family in _ALL}
