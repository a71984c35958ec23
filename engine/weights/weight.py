"""A weight: what it is for, its files, its licence. Sizes and hashes come from the manifests."""

import math
from dataclasses import dataclass

from engine.weights.hub_names import GATED, REMBG
from engine.weights.manifest import FileFacts, NetworkFacts, manifests

LICENCES = {
    "MIT": (True, ""),
    "DINOv3 License": (True, "its terms must go along when the weights are passed on"),
}
"""Licence -> whether commercial use is allowed, and what else it requires."""

_SIZE = {"F32": 4, "F16": 2, "BF16": 2}
_JSON_BYTES = 4096  # a generous guess for descriptions of unknown size


@dataclass(frozen=True)
class WeightFile:
    """A file of a weight.

    Attributes:
        name: path inside of the repository, and inside of its folder on disk.
        bytes: size; where it is not published, an estimate from the tensors.
        exact: whether ``bytes`` is the published size.
        sha256: published hash, or None.
        url: where it lies, if not on the hub.
    """

    name: str
    bytes: int
    exact: bool
    sha256: str | None
    url: str | None = None


@dataclass(frozen=True)
class Weight:
    """A network, or whatever else is downloaded as one.

    Attributes:
        name: what users call it.
        purpose: one line.
        repository: owner/repository on the hub, which also is its folder in the store.
        revision: commit that the hashes belong to.
        files: what is downloaded.
        licence: its name.
        commercial: whether the licence allows commercial use.
        conditions: what else the licence requires, or nothing.
        gated: whether its owner requires a login and consent.
        groups: of ``protocol.limits.WEIGHT_GROUPS``, that it is downloaded with; empty: optional.
    """

    name: str
    purpose: str
    repository: str
    revision: str
    files: tuple[WeightFile, ...]
    licence: str
    commercial: bool
    conditions: str
    gated: bool
    groups: frozenset[str]

    @property
    def bytes(self) -> int:
        return sum(file.bytes for file in self.files)

    @property
    def exact(self) -> bool:
        return all(file.exact for file in self.files)


def plain_weight(
    name: str, purpose: str, repository: str, groups: frozenset[str], *files: str
) -> Weight:
    """A weight of files that the repository's manifest names."""
    known = manifests()[repository].files
    chosen = tuple(_file(file, known[file], _JSON_BYTES, repository) for file in files)
    return _weight(name, purpose, repository, groups, chosen)


def network_weight(
    name: str, purpose: str, repository: str, groups: frozenset[str], stem: str
) -> Weight:
    """A network of the repository's manifest, by the stem of its two files."""
    facts = manifests()[repository].networks[stem]
    files = (
        _file(f"{stem}.json", facts.description, _JSON_BYTES, repository),
        _file(f"{stem}.safetensors", facts.weights, _tensor_bytes(facts), repository),
    )
    return _weight(name, purpose, repository, groups, files)


def _weight(
    name: str,
    purpose: str,
    repository: str,
    groups: frozenset[str],
    files: tuple[WeightFile, ...],
) -> Weight:
    manifest = manifests()[repository]
    commercial, conditions = LICENCES[manifest.licence]
    return Weight(
        name=name,
        purpose=purpose,
        repository=repository,
        revision=manifest.revision,
        files=files,
        licence=manifest.licence,
        commercial=commercial,
        conditions=conditions,
        gated=repository in GATED,
        groups=groups,
    )


def _file(name: str, facts: FileFacts, estimate: int, repository: str) -> WeightFile:
    return WeightFile(
        name=name,
        bytes=estimate if facts.bytes is None else facts.bytes,
        exact=facts.bytes is not None,
        sha256=facts.sha256,
        url=_REMBG_URLS[name] if repository == REMBG else None,
    )


def _tensor_bytes(facts: NetworkFacts) -> int:
    return sum(_SIZE[t.dtype] * math.prod(t.shape) for t in facts.tensors.values())


_RELEASE = "https://github.com/danielgatis/rembg/releases/download/v0.0.0/"
# rembg publishes them as a release, under longer names than it stores them by.
_REMBG_URLS = {
    "birefnet-general.onnx": f"{_RELEASE}BiRefNet-general-epoch_244.onnx",
    "birefnet-general-lite.onnx": f"{_RELEASE}BiRefNet-general-bb_swin_v1_tiny-epoch_232.onnx",
}
