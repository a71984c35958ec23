"""Finding recorded cases, loading their networks, and hearing what happens inside of them."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from torch import Tensor, nn

from engine.models.checkpoint import load_network
from tests.parity.conftest import DEFAULT


def cases(pattern: str) -> list[str]:
    """Names of the recorded folders; a single absent one where there are none, so tests skip."""
    folder = Path(os.environ.get("MAQUETTE_GOLDENS") or DEFAULT)
    found = sorted(path.name for path in folder.glob(pattern) if path.is_dir())
    return found or [pattern]


def case_network(folder: Path) -> nn.Module:
    """The network in a case's ``config.json`` and ``weights.safetensors``."""
    return load_network(folder / "config", weights=folder / "weights.safetensors")


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
