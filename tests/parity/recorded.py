"""Finding recorded cases, loading their networks, and hearing what happens inside of them.

Sets of recordings differ in their cases, sizes and parts. What a set does not have is skipped with
a reason; what it has must agree.

Networks and recordings are on the device that MAQUETTE_GOLDENS_DEVICE names, else on the CPU.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from engine.checkpoints.checkpoint import Checkpoint
from engine.sparse import SparseTensor, Topology
from engine.systems.opening import load_checkpoint
from engine.systems.trellis2.networks import load_network
from tests.parity.conftest import DEFAULT
from tests.tolerances import assert_parity

DEVICE = torch.device(os.environ.get("MAQUETTE_GOLDENS_DEVICE") or "cpu")
FIRST_ROWS = 5000
"""Of large tensors only this many rows were recorded."""


def cases(pattern: str) -> list[str]:
    """What was recorded under such a path, relative to the goldens; pytest skips where nothing."""
    folder = Path(os.environ.get("MAQUETTE_GOLDENS") or DEFAULT)
    return sorted(path.relative_to(folder).as_posix() for path in folder.glob(pattern))


def recorded_runs() -> list[str]:
    """Names of the recorded end-to-end runs that begin with a picture."""
    names = [Path(name).stem.removeprefix("run_") for name in cases("end_to_end/run_*.safetensors")]
    return [name for name in names if name != "texturing"]


def need(path: Path) -> Path:
    """The path itself; skips where there is nothing."""
    if not path.exists():
        pytest.skip(f"not recorded: {path}")
    return path


def recording(path: Path) -> dict[str, Tensor]:
    """The tensors of a recorded file."""
    return {name: tensor.to(DEVICE) for name, tensor in load_file(need(path)).items()}


def need_tensors(io: dict[str, Any], *names: str) -> None:
    """Skips where one of these was not recorded."""
    for name in names:
        if name not in io:
            pytest.skip(f"not recorded: {name}")


def case_network(folder: Path) -> Any:
    """The network in a case's ``config.json`` and ``weights.safetensors``."""
    need(folder / "config.json")
    weights = need(folder / "weights.safetensors")
    return load_network(folder / "config", weights=weights, device=DEVICE)


def case_checkpoint(folder: Path) -> Checkpoint:
    """The tiny checkpoint of a case."""
    need(folder / "pipeline.json")
    return load_checkpoint(folder, offline=True)


def checkpoint_network(checkpoint: Checkpoint, name: str) -> Any:
    """A network of a recorded checkpoint; skips where the set has it not."""
    if name not in checkpoint.models:
        pytest.skip(f"the recorded checkpoint names no {name}")
    home = Path(str(checkpoint.home))
    for ending in ("json", "safetensors"):
        file = f"{Path(checkpoint.models[name]).name}.{ending}"
        if not any(home.parent.rglob(file)):
            pytest.skip(f"not recorded: {file}")
    return checkpoint.network(name).to(DEVICE)


def cells(recorded: Tensor) -> Topology:
    """A topology out of recorded coords, which may be int16 and may lack the batch column."""
    if recorded.shape[1] == 3:
        recorded = torch.nn.functional.pad(recorded, (1, 0))
    return Topology(recorded.int())


def assert_rows(got: Tensor, recorded: Tensor, what: str) -> None:
    """Within the promise, row for row; of a large tensor those that were recorded."""
    if len(recorded) == FIRST_ROWS:
        got = got[:FIRST_ROWS]
    assert_parity(got, recorded, what)


def assert_cells(got: SparseTensor | Topology, recorded: Tensor, what: str) -> None:
    """The same cells in the same order; of a large tensor those that were recorded."""
    coords = got.coords[:, -recorded.shape[1] :]
    if len(recorded) == FIRST_ROWS:
        coords = coords[:FIRST_ROWS]
    assert torch.equal(coords, recorded.int()), f"{what}: other cells or another order"


def assert_levels(
    got: Iterable[SparseTensor], io: dict[str, Tensor], start: str, values: str
) -> None:
    """``<start><n>_coords`` and ``<start><n>_<values>`` of every level n, where recorded."""
    number = -1
    for number, level in enumerate(got):
        name = f"{start}{number}"
        if f"{name}_coords" in io:
            assert_cells(level, io[f"{name}_coords"], name)
        if f"{name}_{values}" in io:
            assert_rows(level.feats, io[f"{name}_{values}"], name)
    assert f"{start}{number + 1}_coords" not in io, f"{start}: more levels were recorded"


def sorted_faces(faces: np.ndarray) -> np.ndarray:
    """Faces as a set: each starts at its lowest corner, which keeps the winding; rows sorted."""
    start = faces.argmin(axis=1)
    turned = np.stack([faces[np.arange(len(faces)), (start + i) % 3] for i in range(3)], axis=1)
    return turned[np.lexsort(turned.T[::-1])]


@contextmanager
def level_outputs(network: nn.Module) -> Iterator[list[SparseTensor]]:
    """What leaves each level of an SC-VAE's network, in order, while the block lasts."""
    heard: list[SparseTensor] = []

    def keep(_module: nn.Module, _inputs: object, output: SparseTensor) -> None:
        heard.append(output)

    levels: Any = network.blocks
    handles = [level[-1].register_forward_hook(keep) for level in levels if len(level)]
    try:
        yield heard
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def listen(network: nn.Module) -> Iterator[dict[str, Tensor]]:
    """What the modules of a flow network gave, under the names of the recordings."""
    heard: dict[str, Tensor] = {}
    names = {
        "input_layer": "mid.input_layer",
        "t_embedder": "mid.t_emb",
        "adaLN_modulation": "mid.mod",
    }
    for name, _ in network.named_modules():
        parts = name.split(".")
        if parts[0] == "blocks" and len(parts) in (2, 3):
            names[name] = ".".join([f"mid.block{parts[1]}", *parts[2:]])

    def hook(name: str):
        def keep(_module: nn.Module, _inputs: object, output: Tensor) -> None:
            heard[name] = output.detach()

        return keep

    modules = dict(network.named_modules())
    handles = [
        modules[name].register_forward_hook(hook(recorded))
        for name, recorded in names.items()
        if name in modules
    ]
    try:
        yield heard
    finally:
        for handle in handles:
            handle.remove()
