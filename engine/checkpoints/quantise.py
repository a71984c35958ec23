"""A copy of a checkpoint whose flows keep their weights at one byte each, with scales."""

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from engine.checkpoints.checkpoint import Checkpoint, load_network
from engine.checkpoints.int8_weights import SCALE
from engine.checkpoints.tensors import checked_tensor, opened
from engine.host.files import link_or_copy, made_beside, settle, unwritable
from engine.networks.scaled_linear import (
    WEIGHT,
    WEIGHT_SCALE,
    Scheme,
    block_linears,
    schemes_of,
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
class Part:
    """A flow in a file of others that holds several at one byte a weight.

    Attributes:
        prefix: of its tensors, without the dot that follows.
    """

    file: Path
    prefix: str


@dataclass(frozen=True)
class _Network:
    """A network's two files, its stem in the copy, and what is done with them.

    Attributes:
        layers: to be made smaller; empty: all is taken as it is.
        prefix: of its tensors in ``weights``; empty: the file is its own.
    """

    stem: str
    description: Path
    weights: Path
    layers: tuple[str, ...] = ()
    prefix: str = ""

    @cached_property
    def bytes(self) -> int:
        """That are read."""
        if not self.prefix:
            return self.weights.stat().st_size
        with opened(self.weights) as file:
            # These are maps of the file: nothing is read.
            return sum(file.get_tensor(name).nbytes for name in _names_under(file, self.prefix))


def quantise(
    checkpoint: Checkpoint,
    folder: Path,
    scheme: Scheme,
    on_bytes: OnBytes = lambda name, done, total: None,
    *,
    parts: Mapping[str, Part] | None = None,
) -> list[str]:
    """Write the copy; it appears whole or not at all, and names its networks as the original does.

    Linear layers in the flows' blocks become int8 or fp8 with a float32 scale for every output
    (``weight_scale``); all else stays as it is stored. Files of other networks are hard links
    where the disk allows, else copies.

    Args:
        folder: must not exist.
        scheme: int8 or fp8 (e4m3).
        parts: flows that others have made smaller, by the names of networks: taken as they are.

    Returns:
        Names of networks whose weights are not on this disk, and which the copy lacks too.

    Raises:
        EngineError: ``folder_taken``; ``already_quantised``; ``nothing_to_quantise`` for a
            checkpoint without flows; ``part_unknown``; ``disk_full``, where it can be known before
            anything is written; ``unwritable``; and as ``Checkpoint.skeleton`` and
            ``load_tensors``.
    """
    if folder.exists() or folder.is_symlink():
        raise EngineError(
            "folder_taken", f"{folder} is there already.", "Give another folder with -o."
        )
    networks, absent = _networks(checkpoint, parts or {})
    if not any(network.layers or network.prefix for network in networks):
        raise EngineError(
            "nothing_to_quantise",
            f"The checkpoint {checkpoint.home} has no flows on this disk.",
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
            if network.prefix:
                _cut_out(checkpoint, network, target)
            elif network.layers:
                _quantised(network, target, scheme, tell)
            else:
                link_or_copy(network.weights, target)
            tell(network.bytes)
            done += network.bytes
    return absent


def flows_in(path: Path) -> list[str]:
    """The prefixes of the flows in a file that holds several.

    Raises:
        EngineError: ``tensors_missing_file``, ``tensors_not_safetensors``.
    """
    with opened(path) as file:
        first = [name for name in file.keys() if ".blocks.0." in name]  # noqa: SIM118
    return sorted({name.partition(".blocks.0.")[0] for name in first})


def _networks(
    checkpoint: Checkpoint, parts: Mapping[str, Part]
) -> tuple[list[_Network], list[str]]:
    """What there is, and the names of networks whose weights are not here."""
    found: dict[str, _Network] = {}
    for name, part in parts.items():
        description = checkpoint.description_file(name)
        if part.prefix not in (known := flows_in(part.file)):
            raise EngineError(
                "part_unknown",
                f"{part.file} has no flow under {part.prefix!r}.",
                f"It has {', '.join(known) or 'none'}.",
            )
        stem = checkpoint.models[name]
        found[stem] = _Network(stem, description, part.file, prefix=part.prefix)
    absent: list[str] = []
    for name, stem in checkpoint.models.items():
        if stem in found:
            continue
        try:
            description, weights = checkpoint.files(name)
        except NotHere:
            absent.append(name)
            continue
        layers: list[str] = []
        if checkpoint.kind(name).works_in == "flow":
            flow = checkpoint.skeleton(name, torso_dtype=None)
            if schemes_of(flow):
                raise EngineError(
                    "already_quantised",
                    f"{weights} is quantised already.",
                    "Give the original checkpoint: quantising twice would add up the errors.",
                )
            layers = block_linears(flow)
        found[stem] = _Network(stem, description, weights, tuple(layers))
    return list(found.values()), absent


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
            name = f"{layer}.{WEIGHT}"
            outputs, inputs = file.get_slice(name).get_shape()
            size += outputs * inputs + 4 * outputs - file.get_tensor(name).nbytes
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
    settle(target)


def _cut_out(checkpoint: Checkpoint, network: _Network, target: Path) -> None:
    """A flow of a file of several in one of its own, which is then looked at as any is."""
    with opened(network.weights) as file:
        start = len(network.prefix) + 1
        names = _names_under(file, network.prefix)
        save_file({name[start:]: file.get_tensor(name) for name in names}, target)
    settle(target)
    try:
        loaded = load_network(checkpoint.kinds, target.with_suffix(""), weights=target)
    except EngineError as error:
        # The temporary file means nothing to users.
        where = f"{network.weights} ({network.prefix})"
        message = error.message.replace(str(target), where)
        raise EngineError(error.code, message, error.hint) from error
    if not schemes_of(loaded):
        raise EngineError(
            "part_unknown",
            f"The flow under {network.prefix!r} in {network.weights} does not take one byte a "
            "weight.",
            "Give a file whose weights are int8 or fp8 with scales.",
        )


def _names_under(file: Any, prefix: str) -> list[str]:
    return [name for name in file.keys() if name.startswith(f"{prefix}.")]  # noqa: SIM118


def _copied(source: Path, target: Path) -> None:
    target.write_bytes(source.read_bytes())
    settle(target)


@contextmanager
def _made_beside(folder: Path) -> Iterator[Path]:
    """As ``made_beside``, with one sentence for what the disk refuses."""
    folder = Path(os.path.realpath(folder))
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with made_beside(folder) as made:
            yield made
    except (OSError, SafetensorError) as error:
        raise unwritable(folder, error) from error
