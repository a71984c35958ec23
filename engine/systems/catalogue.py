"""Every weight that Maquette uses, of all systems; importing it loads no networks.

RMBG-2.0, which the published ``pipeline.json`` names for backgrounds, is left out on purpose: its
licence (CC BY-NC 4.0) forbids commercial use, and BiRefNet (MIT) does the same work.
"""

from collections.abc import Iterable, Mapping

from engine.host.command import command
from engine.systems.table import SYSTEMS
from engine.weights.hub_names import REMBG
from engine.weights.weight import Weight, plain_weight
from protocol.errors import EngineError
from protocol.limits import WEIGHT_GROUPS

CHOICES = (*WEIGHT_GROUPS, "all")
"""What stands for several weights."""


def catalogue() -> Mapping[str, Weight]:
    """Every weight by name: what removes backgrounds, then each system's."""
    weights = [
        plain_weight("matte", "BiRefNet: removes backgrounds", REMBG, frozenset(WEIGHT_GROUPS),
                     "birefnet-general.onnx"),
        plain_weight("matte_lite", "small BiRefNet, faster", REMBG, frozenset(),
                     "birefnet-general-lite.onnx"),
        *(weight for system in SYSTEMS.values() for weight in system.weights()),
    ]  # fmt: skip
    return {weight.name: weight for weight in weights}


def choose(names: Iterable[str]) -> list[Weight]:
    """The weights that names of weights or groups stand for, each once, in catalogue order.

    Raises:
        EngineError: ``weights_unknown``.
    """
    wanted = set(names)
    for name in sorted(wanted - catalogue().keys() - set(CHOICES)):
        raise EngineError(
            "weights_unknown",
            f"There are no weights called {name}.",
            f"Give {', '.join(CHOICES)}, or names of this list: {command('models', 'list')}",
        )
    return [
        weight
        for weight in catalogue().values()
        if "all" in wanted or weight.name in wanted or weight.groups & wanted
    ]
