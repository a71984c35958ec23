"""What the published checkpoint's files contain, shipped as data (``manifests/*.json``).

Written from facts about the published files, not from our networks, so each checks the other. In
``tensors`` a name with ``{a-b}`` stands for the names with a, a + 1, ... b in that place.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

RANGE = re.compile(r"\{(\d+)-(\d+)\}")


@dataclass(frozen=True)
class FileFacts:
    """Size and SHA-256 of a published file, None where not known."""

    bytes: int | None
    sha256: str | None


@dataclass(frozen=True)
class TensorFacts:
    """Stored dtype, in safetensors' words, and shape of a published tensor."""

    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class NetworkFacts:
    """A published network.

    Attributes:
        stem: name of its files in the repository, without suffix.
        name, args: contents of its JSON file, in the published order.
        description, weights: facts about its JSON and its safetensors file.
        tensors: every tensor of the weights by name.
        parameters: how many numbers they hold together.
    """

    stem: str
    name: str
    args: Mapping[str, Any]
    description: FileFacts
    weights: FileFacts
    tensors: Mapping[str, TensorFacts]
    parameters: int


@dataclass(frozen=True)
class Manifest:
    """A published repository: other files by name, networks by stem."""

    repository: str
    revision: str
    licence: str
    files: Mapping[str, FileFacts]
    networks: Mapping[str, NetworkFacts]


@cache
def manifests() -> Mapping[str, Manifest]:
    """Every shipped manifest by repository."""
    folder = resources.files("engine.weights") / "manifests"
    found = (
        _manifest(json.loads(file.read_text(encoding="utf-8")))
        for file in sorted(folder.iterdir(), key=lambda file: file.name)
        if file.name.endswith(".json")
    )
    return {manifest.repository: manifest for manifest in found}


def pinned_revision(repository: str) -> str | None:
    """The commit of a repository that this package was made for; None where it knows none."""
    manifest = manifests().get(repository)
    return manifest.revision if manifest else None


def _manifest(content: dict[str, Any]) -> Manifest:
    return Manifest(
        repository=content["repository"],
        revision=content["revision"],
        licence=content["licence"],
        files={name: FileFacts(**facts) for name, facts in content["files"].items()},
        networks={stem: _network(stem, facts) for stem, facts in content["networks"].items()},
    )


def _network(stem: str, facts: dict[str, Any]) -> NetworkFacts:
    tensors = {
        name: TensorFacts(dtype, tuple(shape))
        for pattern, (dtype, shape) in facts["tensors"].items()
        for name in _names(pattern)
    }
    if len(tensors) != facts["tensor_count"]:
        raise ValueError(f"{stem}: {len(tensors)} tensors, {facts['tensor_count']} were expected")
    return NetworkFacts(
        stem=stem,
        name=facts["class"],
        args=facts["args"],
        description=FileFacts(**facts["json"]),
        weights=FileFacts(**facts["safetensors"]),
        tensors=tensors,
        parameters=facts["parameters"],
    )


def _names(pattern: str) -> list[str]:
    match = RANGE.search(pattern)
    if match is None:
        return [pattern]
    numbers = range(int(match[1]), int(match[2]) + 1)
    return [f"{pattern[: match.start()]}{n}{pattern[match.end() :]}" for n in numbers]
