"""Loading the recorded SC-VAE networks and listening to their levels."""

import dataclasses
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from engine.models.material_vae import (
    MaterialDecoder,
    MaterialDecoderConfig,
    MaterialEncoder,
    MaterialEncoderConfig,
)
from engine.models.shape_vae import (
    ShapeDecoder,
    ShapeDecoderConfig,
    ShapeEncoder,
    ShapeEncoderConfig,
)
from engine.sparse import SparseTensor, Topology

KINDS = {
    "FlexiDualGridVaeEncoder": (ShapeEncoder, ShapeEncoderConfig),
    "FlexiDualGridVaeDecoder": (ShapeDecoder, ShapeDecoderConfig),
    "SparseUnetVaeEncoder": (MaterialEncoder, MaterialEncoderConfig),
    "SparseUnetVaeDecoder": (MaterialDecoder, MaterialDecoderConfig),
}


def load(config_file: Path, weights_file: Path) -> Any:
    """The network of a recorded config with its recorded weights, strictly."""
    described = json.loads(config_file.read_text())
    network, config = KINDS[described["name"]]
    known = {item.name for item in dataclasses.fields(config)}
    args = {name: value for name, value in described["args"].items() if name in known}
    with torch.device("meta"):
        built = network(config(**args))
    built.to_empty(device="cpu").load_state_dict(load_file(weights_file), strict=True)
    return built.eval()


def load_case(folder: Path) -> Any:
    return load(folder / "config.json", folder / "weights.safetensors")


def cells(recorded: Tensor) -> Topology:
    """A topology out of recorded coords, which may be int16 and may lack the batch column."""
    if recorded.shape[1] == 3:
        recorded = torch.nn.functional.pad(recorded, (1, 0))
    return Topology(recorded.int())


def same_cells(got: SparseTensor | Topology, recorded: Tensor, what: str) -> None:
    """Row for row; recordings of large tensors hold the first rows only."""
    coords = got.coords[: len(recorded), -recorded.shape[1] :]
    assert torch.equal(coords, recorded.int()), f"{what}: other cells or another order"


@contextmanager
def level_outputs(network: nn.Module) -> Iterator[list[SparseTensor]]:
    """What leaves each level of an encoder or decoder, in order, while the block lasts."""
    heard: list[SparseTensor] = []

    def keep(_module: nn.Module, _inputs: object, output: Any) -> None:
        heard.append(output[0] if isinstance(output, tuple) else output)

    levels: Any = network.blocks
    handles = [level[-1].register_forward_hook(keep) for level in levels if len(level)]
    try:
        yield heard
    finally:
        for handle in handles:
            handle.remove()
