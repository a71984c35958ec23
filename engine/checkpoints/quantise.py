"""A copy of a checkpoint whose flows keep their weights at one byte each, with scales."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from engine.checkpoints.checkpoint import Checkpoint
from engine.checkpoints.int8_weights import SCALE
from engine.checkpoints.one_byte import one_byte_layers
from engine.checkpoints.tensors import checked_tensor, opened
from engine.host.files import default_permissions, flush, put_folder, unwritable
from engine.networks.scaled_linear import (
    WEIGHT,
    WEIGHT_SCALE,
    Scheme,
    block_linears,
    to_one_byte,
)
from engine.weights.hub import NotHere
from protocol.errors import EngineError

PIPELINES = ("pipeline.json", "texturing_pipeline.json")
RESERVE = 64 << 20
"""Bytes that stay free on the disk."""
OnBytes = Callable[[str, int, int], None]
"""Told the name of a file, and how many bytes of all that is read are done; may raise to stop."""


@dataclass(frozen=True)
class _Network:
    """A network's two files, its stem in the copy, and the layers to be made smaller."""

    stem: str
    description: Path
    weights: Path
    layers: tuple[str, ...]

    @property
    def bytes(self) -> int:
        return self.weights.stat().st_size


def quantise(
    checkpoint: Checkpoint,
    folder: Path,
    scheme: Scheme,
    on_bytes: OnBytes = lambda name, done, total: None,
) -> Path:
    """Write the copy; it appears whole or not at all, and names its networks as the original does.

    Linear layers in the flows' blocks become int8 or fp8 with a float32 scale for every output
    (``weight_scale``); all else stays as it is stored. Files of other networks are hard links
    where the disk allows, else copies.

    Args:
        folder: must not exist.
        scheme: int8 or fp8 (e4m3).

    Raises:
        EngineError: ``folder_taken``; ``already_quantised``; ``nothing_to_quantise`` for a
            checkpoint without flows; ``disk_full``, where it can be known before anything is
            written; ``unwritable``; and as ``Checkpoint.skeleton`` and ``load_tensors``.
    """
    if folder.exists() or folder.is_symlink():
        raise EngineError(
            "folder_taken", f"{folder} is there already.", "Give another folder with -o."
        )
    networks = _networks(checkpoint)
    if not any(network.layers for network in networks):
        raise EngineError(
            "nothing_to_quantise",
            f"The checkpoint {checkpoint.home} has no flows.",
            "Give a whole checkpoint, such as microsoft/TRELLIS.2-4B.",
        )
    with _made_beside(folder) as made:
        _check_space(networks, folder)
        for name in PIPELINES:
            try:
                _copied(checkpoint.home.file(name), made / name)
            except NotHere:
                continue  # Only the first must be there, and has been read.
        total, done = sum(network.bytes for network in networks), 0
        for network in networks:
            target = made / f"{network.stem}.safetensors"
            target.parent.mkdir(parents=True, exist_ok=True)
            _copied(network.description, target.with_suffix(".json"))

            def tell(more: int, name: str = target.name, before: int = done) -> None:
                on_bytes(name, before + more, total)

            tell(0)
            if network.layers:
                _quantised(network, target, scheme, tell)
            else:
                _linked(network.weights, target)
            done += network.bytes
            tell(network.bytes, target.name, done - network.bytes)
    return folder


def _networks(checkpoint: Checkpoint) -> list[_Network]:
    found: dict[str, _Network] = {}
    for name, stem in checkpoint.models.items():
        if stem in found:
            continue
        description, weights = checkpoint.files(name)
        layers: list[str] = []
        if checkpoint.kind(name).works_in == "flow":
            with opened(weights) as file:
                if one_byte_layers(file, weights).layers:
                    raise EngineError(
                        "already_quantised",
                        f"{weights} is quantised already.",
                        "Give the original checkpoint: quantising twice would add up the errors.",
                    )
            layers = block_linears(checkpoint.skeleton(name, torso_dtype=None))
        found[stem] = _Network(stem, description, weights, tuple(layers))
    return list(found.values())


def _check_space(networks: list[_Network], folder: Path) -> None:
    """Counted as if other networks were copied, since links may not be possible."""
    wanted = RESERVE + sum(
        _small_bytes(network) if network.layers else network.bytes for network in networks
    )
    free = shutil.disk_usage(folder.absolute().parent).free
    if free < wanted:
        raise EngineError(
            "disk_full",
            f"The copy takes up to {wanted / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free in "
            f"{folder.absolute().parent}.",
            "Free some space, or give a folder on another disk with -o.",
        )


def _small_bytes(network: _Network) -> int:
    size = network.bytes
    with opened(network.weights) as file:
        for layer in network.layers:
            stored = file.get_slice(f"{layer}.{WEIGHT}")
            outputs, inputs = stored.get_shape()
            width = {"F32": 4, "I8": 1}.get(stored.get_dtype(), 2)
            size -= outputs * inputs * (width - 1) - 4 * outputs
    return size


def _quantised(
    network: _Network, target: Path, scheme: Scheme, tell: Callable[[int], None]
) -> None:
    tensors: dict[str, Tensor] = {}
    read = 0
    small = {f"{layer}.{WEIGHT}": layer for layer in network.layers}
    with opened(network.weights) as file:
        packed = {f"{name}{SCALE}" for name in small}
        for name in file.keys():  # noqa: SIM118
            if name in packed:
                continue
            if name not in small:
                tensors[name] = file.get_tensor(name)
                read += tensors[name].nbytes
                continue
            whole = checked_tensor(file, network.weights, name)
            read += file.get_tensor(name).nbytes
            tensors[name], scale = to_one_byte(whole, scheme)
            tensors[f"{small[name]}.{WEIGHT_SCALE}"] = scale[:, None].contiguous()
            tell(read)
        save_file(tensors, target, metadata=file.metadata())
    _settled(target)


def _copied(source: Path, target: Path) -> None:
    target.write_bytes(source.read_bytes())
    _settled(target)


def _linked(source: Path, target: Path) -> None:
    try:
        # Caches of a hub hold links to their files.
        os.link(source.resolve(), target)
    except OSError:
        shutil.copyfile(source, target)
        _settled(target)


def _settled(file: Path) -> None:
    default_permissions(file)  # safetensors makes its files private
    flush(file)


@contextmanager
def _made_beside(folder: Path) -> Iterator[Path]:
    """A temporary folder that gets the name of ``folder`` when the block succeeds."""
    folder = Path(os.path.realpath(folder))
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".maquette.") as room:
            made = Path(room) / "checkpoint"
            made.mkdir()
            yield made
            put_folder(made, folder)
    except (OSError, SafetensorError) as error:
        raise unwritable(folder, error) from error
