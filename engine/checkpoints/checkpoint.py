"""A checkpoint: a folder or hub repository of networks, and what its pipelines say about them."""

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from engine.checkpoints.build import (
    NetworkKind,
    NetworkKinds,
    build_network,
    network_kind,
    read_description,
)
from engine.checkpoints.pipeline import NORMALIZATION, PipelineSpec, read_pipeline
from engine.checkpoints.tensors import load_tensors, place_stored
from engine.weights.hub import NotHere, Origin, Source, sources_of
from protocol.errors import EngineError

log = logging.getLogger(__name__)


class Checkpoint:
    """The networks that a ``pipeline.json`` names, loaded when first asked for.

    Attributes:
        generation: what ``pipeline.json`` says.
        texturing: what ``texturing_pipeline.json`` says, or None.
        models: network name -> stem of its files, of both pipelines.
    """

    def __init__(
        self,
        home: Source,
        kinds: NetworkKinds,
        *,
        device: torch.device | str = "cpu",
        torso_dtype: torch.dtype | None = None,
        offline: bool = False,
        cache: Path | None = None,
        origin: Origin | None = None,
    ) -> None:
        self.home = home
        self.kinds = kinds
        self.device = device
        self.torso_dtype = torso_dtype
        self._offline = offline
        self._cache = cache
        self._origin = origin
        self.generation = self._pipeline("pipeline.json")
        try:
            self.texturing: PipelineSpec | None = self._pipeline("texturing_pipeline.json")
        except NotHere as reason:
            log.info("No texturing: %s", reason.message)
            self.texturing = None
        self.models: Mapping[str, str] = self._all_models()
        self._loaded: dict[str, nn.Module] = {}

    def network(self, name: str) -> nn.Module:
        """The network of that name, in evaluation mode; one object however often it is asked for.

        Raises:
            EngineError: ``network_absent`` for a name that no pipeline has, and everything that
                ``load_network`` raises.
        """
        stem = self._stem(name)
        if stem not in self._loaded:
            self._loaded[stem] = self.load(name, device=self.device, torso_dtype=self.torso_dtype)
        return self._loaded[stem]

    def load(
        self,
        name: str,
        *,
        device: torch.device | str,
        torso_dtype: torch.dtype | None,
        check: Callable[[], None] = lambda: None,
    ) -> nn.Module:
        """A new object of that network on a device.

        Args:
            check: called before each tensor; may raise to stop.

        Raises:
            EngineError: as ``network``.
        """
        description, weights = self.files(name)
        return load_network(
            self.kinds,
            description.with_suffix(""),
            weights=weights,
            device=device,
            torso_dtype=torso_dtype,
            check=check,
        )

    def skeleton(self, name: str, *, torso_dtype: torch.dtype | None) -> nn.Module:
        """That network on the meta device: as it will be on a device, with neither memory nor
        values.

        Raises:
            EngineError: as ``network``, but for what is wrong with tensors.
        """
        description, weights = self.files(name)
        return _skeleton(self.kinds, description, weights, torso_dtype)

    def description(self, name: str) -> tuple[str, dict[str, Any]]:
        """The published class name and the arguments of a network.

        Raises:
            EngineError: as ``files``.
        """
        return read_description(self.files(name)[0])

    def kind(self, name: str) -> NetworkKind:
        """What a network is.

        Raises:
            EngineError: ``network_unknown``, and as ``files``.
        """
        return network_kind(self.kinds, self.description(name)[0])

    def release(self, name: str) -> None:
        """Forget a network; it is loaded again when asked for."""
        self._loaded.pop(self.models.get(name, ""), None)

    def files(self, name: str) -> tuple[Path, Path]:
        """The JSON and safetensors file of a network, downloaded if need be.

        Raises:
            EngineError: ``network_absent``; ``pipeline_invalid`` when its latent has another number
                of channels than the pipelines have means and deviations for; ``file_missing``,
                ``hub_*``, ``network_description``.
        """
        description, weights = self._find(name, (".json", ".safetensors"))
        self._check_latent(name, description)
        return description, weights

    def description_file(self, name: str) -> Path:
        """The JSON file of a network, whose weights need not be there.

        Raises:
            EngineError: as ``files``.
        """
        return self._find(name, (".json",))[0]

    def _stem(self, name: str) -> str:
        if name not in self.models:
            raise EngineError(
                "network_absent",
                f"The checkpoint {self.home} has no network {name!r}.",
                f"It has {', '.join(sorted(self.models))}.",
            )
        return self.models[name]

    def _find(self, name: str, endings: Sequence[str]) -> list[Path]:
        """Files of a network, all of one place."""
        places = sources_of(
            self._stem(name),
            self.home,
            offline=self._offline,
            cache=self._cache,
            origin=self._origin,
        )
        absent: list[NotHere] = []
        for place, inside in places[:-1]:
            try:
                return [place.file(inside + ending) for ending in endings]
            except NotHere as reason:
                log.debug("%s: %s", place, reason.message)
                absent.append(reason)
        try:
            place, inside = places[-1]
            return [place.file(inside + ending) for ending in endings]
        except EngineError as error:
            if absent:
                raise _nowhere(absent[0], error) from error
            raise

    def _check_latent(self, name: str, description: Path) -> None:
        """``x_normalization`` is that of the networks whose names begin with ``x_``."""
        for spec in (self.generation, self.texturing):
            for key, known in spec.normalizations.items() if spec else ():
                if not name.startswith(key.removesuffix(NORMALIZATION)):
                    continue
                _, args = read_description(description)
                channels = args.get("latent_channels", args.get("out_channels"))
                if len(known.mean) != channels:
                    raise EngineError(
                        "pipeline_invalid",
                        f"The checkpoint {self.home} normalises {len(known.mean)} channels of the "
                        f"latent by its {key}, and {name} has {channels}.",
                        "Its JSON files must belong together: download them again.",
                    )

    def _pipeline(self, name: str) -> PipelineSpec:
        return read_pipeline(self.home.file(name))

    def _all_models(self) -> dict[str, str]:
        models = dict(self.generation.models)
        for name, stem in (self.texturing.models if self.texturing else {}).items():
            if models.setdefault(name, stem) != stem:
                raise EngineError(
                    "pipeline_invalid",
                    f"The two pipelines of {self.home} mean different files by {name}.",
                    "Download pipeline.json and texturing_pipeline.json again.",
                )
        return models


def _nowhere(at_home: NotHere, elsewhere: EngineError) -> EngineError:
    """One error out of two, the checkpoint's own folder first.

    A missing file in a subfolder is also looked for on the hub, under a name that nobody meant.
    """
    first = at_home if elsewhere.code in ("hub_not_found", "file_missing") else elsewhere
    message = f"{at_home.message.rstrip('.')}, nor elsewhere: {elsewhere.message}"
    return type(elsewhere)(first.code, message, first.hint)


def load_network(
    kinds: NetworkKinds,
    stem: str | Path,
    *,
    weights: Path | None = None,
    device: torch.device | str = "cpu",
    torso_dtype: torch.dtype | None = None,
    check: Callable[[], None] = lambda: None,
) -> nn.Module:
    """A network from ``<stem>.json`` and ``<stem>.safetensors``, in evaluation mode.

    Args:
        kinds: that the network may be of.
        stem: path without suffix; dots in it belong to the name.
        weights: the safetensors file, where it is not beside the JSON.
        device: where it goes.
        torso_dtype: bfloat16 or float16 for the wide middle; None: float32.
        check: called before each tensor; may raise to stop.

    Raises:
        EngineError: ``file_missing``, and what ``build_network`` and ``load_tensors``
            raise.
    """
    description = Path(f"{stem}.json")
    if not description.is_file():
        raise EngineError(
            "file_missing",
            f"The network's description {description} is not there.",
            "Download the checkpoint again.",
        )
    weights = weights or Path(f"{stem}.safetensors")
    network = _skeleton(kinds, description, weights, torso_dtype)
    load_tensors(network, weights, device=device, check=check)
    return network


def _skeleton(
    kinds: NetworkKinds, description: Path, weights: Path, torso_dtype: torch.dtype | None
) -> nn.Module:
    name, args = read_description(description)
    network = build_network(kinds, name, args, torso_dtype=torso_dtype)
    if network_kind(kinds, name).works_in == "flow":
        place_stored(network, weights)
    return network
