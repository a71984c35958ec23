"""Linear layers that a file keeps at one byte a weight, and that stay so in memory.

Beside ``<layer>.weight`` (int8 or float8_e4m3fn) lies its scale, ``<layer>.weight_scale`` or, in
older files, ``<layer>.scale_weight``: one number, or one for every output; the weight is their
product. Files of others may have ``<layer>.comfy_quant``, which says more, and scales of
activations, which are not needed here. Not to be mixed up with ``int8_weights``, which packs the
small model and is undone while it is loaded.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from engine.checkpoints.int8_weights import SCALE
from engine.networks.scaled_linear import WEIGHT, WEIGHT_SCALE, Scheme, Stored, place_scaled
from protocol.errors import EngineError

SCHEMES: dict[str, Scheme] = {"I8": "int8", "F8_E4M3": "fp8"}
"""By the dtypes as safetensors names them."""
FORMATS: dict[str, Scheme] = {"int8_tensorwise": "int8", "float8_e4m3fn": "fp8"}
"""Of ``comfy_quant``: those whose scales belong to the whole weight or to an output."""
SCALES = (WEIGHT_SCALE, "scale_weight")
NOTE = "comfy_quant"
UNUSED = ("input_scale", "scale_input", NOTE)
MARKER = "scaled_fp8"
"""An empty tensor by which older files say what they are."""
FLOATS = ("F32", "F16", "BF16")


@dataclass(frozen=True)
class OneByte:
    """What a file says of its layers at one byte a weight.

    Attributes:
        layers: by their paths in the network.
        scales: path of a layer -> name of its scale.
        unused: names of tensors that go with them and hold no weights.
    """

    layers: Mapping[str, Stored]
    scales: Mapping[str, str]
    unused: frozenset[str]


def one_byte_layers(file: Any, path: Path) -> OneByte:
    """The layers of an open safetensors file that are kept so; perhaps none.

    Raises:
        EngineError: ``weights_without_scales`` for int8 or fp8 that was merely cast,
            ``weights_layout`` for scales that are laid out in a way that is not known here.
    """
    names = set(file.keys())
    layers: dict[str, Stored] = {}
    scales: dict[str, str] = {}
    unused: set[str] = set()
    for name in sorted(names):
        layer, _, last = name.rpartition(".")
        stored = file.get_slice(name)
        if last != WEIGHT or stored.get_dtype() not in SCHEMES or name + SCALE in names:
            continue
        found = [scale for ending in SCALES if (scale := f"{layer}.{ending}") in names]
        if not found:
            raise _no_scales(path, name, SCHEMES[stored.get_dtype()])
        shape, scale = stored.get_shape(), file.get_slice(found[0])
        allowed = ([], [1], shape[:1], [*shape[:1], 1])
        if (
            len(found) > 1
            or len(shape) != 2
            or scale.get_shape() not in allowed
            or scale.get_dtype() not in FLOATS
        ):
            raise _layout(path, f"{found[0]} is not one number, nor one for every output")
        extras = {extra for ending in UNUSED if (extra := f"{layer}.{ending}") in names}
        scheme, group = SCHEMES[stored.get_dtype()], 0
        if (note := f"{layer}.{NOTE}") in extras:
            group = _group(path, note, file.get_tensor(note), scheme, shape[1])
        layers[layer], scales[layer] = Stored(scheme, group), found[0]
        unused |= extras
    if layers and MARKER in names:
        unused.add(MARKER)
    return OneByte(layers, scales, frozenset(unused))


def read_scale(file: Any, path: Path, name: str, outputs: int) -> Tensor:
    """A scale as (outputs,) float32.

    Raises:
        EngineError: ``tensor_not_finite``.
    """
    scale = file.get_tensor(name).float().reshape(-1)
    if not torch.isfinite(scale).all():
        raise EngineError(
            "tensor_not_finite",
            f"{name} in {path} holds numbers that are not finite.",
            "Download the file again, or quantise the original weights once more.",
        )
    return scale.expand(outputs).contiguous()


def place_layers(network: nn.Module, kept: OneByte, path: Path) -> None:
    """Make a network on the meta device ready for them.

    Raises:
        EngineError: ``weights_layout`` where the network has no such linear layers.
    """
    try:
        place_scaled(network, kept.layers)
    except LookupError as error:
        raise _layout(path, f"{error.args[0]} is no linear layer of this network") from error
    except ValueError as error:
        raise _layout(path, str(error)) from error


def holds_nothing_finite(weight: Tensor) -> bool:
    """Whether one of the numbers of a tensor of float8_e4m3fn is none (0x7f or 0xff)."""
    return bool((weight.view(torch.uint8) & 0x7F == 0x7F).any())


def _group(path: Path, name: str, note: Tensor, scheme: Scheme, inputs: int) -> int:
    """How many inputs were rotated together, as a layer's note says."""
    try:
        said = json.loads(bytes(note.flatten().tolist()))
        if FORMATS.get(said["format"]) != scheme:
            raise ValueError(f"the format {said['format']!r} is not known for {scheme}")
        if not said.get("convrot", False):
            return 0
        group = said["convrot_groupsize"]
        powers = [4**i for i in range(1, 9)]
        if type(group) is not int or group not in powers or inputs % group:
            raise ValueError(f"inputs are rotated in groups of {group!r}")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _layout(path, f"{name} is not understood: {error}") from error
    return group


def _no_scales(path: Path, name: str, scheme: Scheme) -> EngineError:
    return EngineError(
        "weights_without_scales",
        f"{name} in {path} is {scheme} without a scale: where weights are merely cast to one byte, "
        "small ones become zero and structures come out empty.",
        "Take the original weights, which 'maquette models quantise' makes smaller with scales.",
    )


def _layout(path: Path, why: str) -> EngineError:
    return EngineError(
        "weights_layout",
        f"The weights of one byte in {path} are laid out in a way that is not known here: {why}.",
        "Take the original weights, which 'maquette models quantise' makes smaller.",
    )
