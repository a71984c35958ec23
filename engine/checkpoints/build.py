"""From a published class name and its arguments to one of our networks."""

import inspect
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn

from engine.checkpoints.arguments import check_arguments
from protocol.errors import EngineError

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class NetworkKind:
    """A network and the dataclass of its arguments, whose fields have the published names.

    Attributes:
        works_in: the dtype of its torso: what the device is good at for flows, or for decoders and
            encoders, or always float32.
    """

    network: Callable[..., nn.Module]
    config: Callable[..., Any]
    works_in: Literal["flow", "codec", "float32"] = "codec"


NetworkKinds = Mapping[str, NetworkKind]
"""A system's networks, by their published class names."""


# Known, and without meaning here: how to begin a training, how to save memory in one, and the
# dtype, which the caller decides.
WITHOUT_EFFECT = frozenset({"initialization", "use_checkpoint", "dtype", "use_fp16", "use_bf16"})


def network_kind(kinds: NetworkKinds, name: str) -> NetworkKind:
    """The network of a published class name.

    Raises:
        EngineError: ``network_unknown``.
    """
    kind = kinds.get(name)
    if kind is None:
        raise EngineError(
            "network_unknown",
            f"The network class {name!r} is not known here.",
            f"Known are {', '.join(sorted(kinds))}; use a checkpoint of the same system.",
        )
    return kind


def build_network(
    kinds: NetworkKinds,
    name: str,
    args: Mapping[str, Any],
    *,
    torso_dtype: torch.dtype | None = None,
    device: torch.device | str = "meta",
) -> nn.Module:
    """A network on the meta device: shapes and dtypes, no memory, no values.

    Args:
        kinds: that a checkpoint of the system may hold.
        name: published class name.
        args: published arguments; those that the network does not take are ignored with a line
            in the log.
        torso_dtype: see the networks; None: float32.
        device: another one gives the network its first weights, for a training.

    Raises:
        EngineError: ``network_unknown`` for a class name that is not in the table,
            ``network_arguments`` for arguments that are missing or make no sense.
    """
    kind = network_kind(kinds, name)
    parameters = inspect.signature(kind.config).parameters
    for unknown in sorted(args.keys() - parameters.keys() - WITHOUT_EFFECT):
        log.info("%s: the argument %r is not used here and is ignored.", name, unknown)
    missing = [
        parameter.name
        for parameter in parameters.values()
        if parameter.default is parameter.empty and parameter.name not in args
    ]
    if missing:
        raise _arguments(name, f"lacks {', '.join(missing)}")
    try:
        check_arguments(kind.config, args)
        config = kind.config(**{key: args[key] for key in parameters if key in args})
        with torch.device(device):
            return kind.network(config, torso_dtype=torso_dtype or torch.float32)
    except (TypeError, ValueError, ArithmeticError, LookupError, RuntimeError) as error:
        # Arguments that are right one by one and do not go together.
        raise _arguments(name, f"cannot be built: {' '.join(str(error).split())[:200]}") from error


def read_description(path: Path) -> tuple[str, dict[str, Any]]:
    """Class name and arguments in a network's JSON file.

    Raises:
        EngineError: ``network_description`` when it is not JSON with a name and arguments.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise _description(path, str(error)) from error
    if not isinstance(content, dict):
        raise _description(path, "it holds no object")
    name, args = content.get("name"), content.get("args")
    if not isinstance(name, str) or not isinstance(args, dict):
        raise _description(path, '"name" or "args" is missing')
    return name, args


def _arguments(name: str, what: str) -> EngineError:
    return EngineError(
        "network_arguments",
        f"The description of a {name} {what}.",
        "Download the checkpoint's JSON files again, or correct their arguments.",
    )


def _description(path: Path, why: str) -> EngineError:
    return EngineError(
        "network_description",
        f"{path} does not describe a network: {why}.",
        "Download the checkpoint's JSON files again.",
    )
