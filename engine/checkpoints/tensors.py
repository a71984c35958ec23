"""Strict loading of tensors into a network that was built on the meta device."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from engine.checkpoints.int8_weights import SCALE, from_int8, scales_of
from engine.checkpoints.one_byte import (
    OneByte,
    holds_nothing_finite,
    one_byte_layers,
    place_layers,
    read_scale,
)
from engine.networks.scaled_linear import WEIGHT_SCALE, finish_rotations, schemes_of
from protocol.errors import EngineError

# Stored dtypes that hold a network's numbers; anything else in a file is a mistake, but for weights
# of one byte with scales (``int8_weights``, ``one_byte``).
FLOATS = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
DERIVED_TOLERANCE = 1e-4
SHOWN = 4
READ_AT_ONCE = 1 << 16


def place_stored(network: nn.Module, path: Path) -> None:
    """Make a flow on the meta device ready for a file that keeps layers at one byte a weight.

    Raises:
        EngineError: as ``load_tensors``, ``weights_without_scales``, ``weights_layout``.
    """
    with opened(path) as file:
        kept = one_byte_layers(file, path)
    place_layers(network, kept, path)


def load_tensors(
    network: nn.Module,
    path: Path,
    *,
    device: torch.device | str = "cpu",
    check: Callable[[], None] = lambda: None,
) -> None:
    """Give a network on the meta device the tensors of a safetensors file, in place.

    The file is memory-mapped and read tensor by tensor; each becomes the dtype that the network
    declares for it. Names and shapes must be the network's, exactly; scales of layers at one byte a
    weight (``place_stored``) may be named as in the files of others. Tensors that follow from the
    network's arguments (its ``derived_buffers``) may be in the file; then they must agree.

    Args:
        check: called before each tensor; may raise to stop.

    Raises:
        EngineError: ``tensors_missing_file``, ``tensors_not_safetensors``, ``tensor_missing``,
            ``tensor_extra``, ``tensor_shape``, ``tensor_dtype``, ``tensor_derived`` or
            ``tensor_not_finite``; the message names file and tensors.
    """
    with opened(path) as file:
        stored = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118
        scales = scales_of({name: slice.get_dtype() for name, slice in stored.items()})
        derived = _derived(network)
        wanted = network.state_dict()
        kept = _kept(network, file, path)
        layer_scales = {f"{layer}.{WEIGHT_SCALE}": name for layer, name in kept.scales.items()}
        small = {
            name: read_scale(file, path, there, len(wanted.pop(name))).to(device)
            for name, there in layer_scales.items()
        }
        others = scales | kept.unused | set(layer_scales.values())
        _check_names(path, wanted.keys(), stored.keys() - others, derived.keys())
        _check_shapes(path, wanted, stored, scales)
        for name in derived.keys() & stored.keys():
            _check_derived(path, name, file.get_tensor(name), derived[name])
        tensors: dict[str, Tensor] = {}
        for name, declared in wanted.items():
            check()
            tensor = _read(file, name, scales)
            tensors[name] = _converted(path, name, tensor, declared.dtype, device)
    network.load_state_dict(tensors | small, strict=True, assign=True)
    finish_rotations(network, device)
    network.requires_grad_(False).eval()
    for name, value in derived.items():
        network.register_buffer(name, value.to(device), persistent=False)


def read_what_fits(network: nn.Module, path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file that have the name and shape of one of a network's own.

    For a training that begins with the weights of another network.

    Returns:
        Them by name, in the dtypes of the network, on the CPU; perhaps none.

    Raises:
        EngineError: ``tensors_missing_file``, ``tensors_not_safetensors``, ``tensor_not_finite``.
    """
    with opened(path) as file:
        stored = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118
        scales = scales_of({name: slice.get_dtype() for name, slice in stored.items()})
        return {
            name: _converted(path, name, _read(file, name, scales), declared.dtype, "cpu").clone()
            for name, declared in network.state_dict().items()
            if name in stored
            and tuple(stored[name].get_shape()) == tuple(declared.shape)
            and (stored[name].get_dtype() in FLOATS or name + SCALE in scales)
        }


def checked_tensor(file: Any, path: Path, name: str) -> Tensor:
    """A tensor of an open file in float32, and packed ones unpacked.

    Raises:
        EngineError: ``tensor_dtype``, ``tensor_not_finite``.
    """
    dtype, scale = file.get_slice(name).get_dtype(), name + SCALE
    scales = {scale} & set(file.keys())
    if dtype not in FLOATS and not scales:
        raise _unfit("tensor_dtype", f"{name} in {path} is stored as {dtype}")
    tensor = _read(file, name, scales).float()
    if not torch.isfinite(tensor).all():
        raise _unfit("tensor_not_finite", f"{name} in {path} holds numbers that are not finite")
    return tensor


def _read(file: Any, name: str, scales: set[str]) -> Tensor:
    tensor = file.get_tensor(name)
    if name + SCALE not in scales:
        return tensor
    scale = file.get_tensor(name + SCALE)
    if not torch.isfinite(scale).all():
        raise _unfit("tensor_not_finite", f"{name + SCALE} holds numbers that are not finite")
    return from_int8(tensor, scale)


def _converted(
    path: Path, name: str, stored: Tensor, dtype: torch.dtype, device: torch.device | str
) -> Tensor:
    """The tensor in the dtype that the network wants; numbers that are none are refused.

    A large tensor that stays on the CPU as it is stays a mapping of the file and is not read here;
    all others are read anyway, and looked at.
    """
    tensor = stored.to(device=device, dtype=dtype)
    if tensor is stored and stored.numel() > READ_AT_ONCE:
        return tensor
    if all_finite(tensor):
        return tensor
    if tensor.itemsize > 1 and torch.isfinite(stored).all():
        raise EngineError(
            "tensor_not_finite",
            f"{name} in {path} has numbers that {dtype} cannot hold.",
            "Ask for bfloat16 or float32 instead.",
        )
    raise _unfit("tensor_not_finite", f"{name} in {path} holds numbers that are not finite")


def all_finite(tensor: Tensor) -> bool:
    """Whether every number of a real tensor is one."""
    if tensor.itemsize == 1:
        # Whole numbers are all finite, and torch sums no fp8.
        return tensor.dtype != torch.float8_e4m3fn or not holds_nothing_finite(tensor)
    # A sum is not finite where a term is not; it can also overflow, so then all are looked at.
    return bool(torch.isfinite(tensor.sum(dtype=torch.float32)) or torch.isfinite(tensor).all())


def _derived(network: nn.Module) -> dict[str, Tensor]:
    compute = getattr(network, "derived_buffers", None)
    return {} if compute is None else compute("cpu")


def _kept(network: nn.Module, file: Any, path: Path) -> OneByte:
    """The layers at one byte a weight, which must be those that the network was made ready for."""
    return one_byte_layers(file, path) if schemes_of(network) else OneByte({}, {}, frozenset())


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """A safetensors file, open for reading.

    Raises:
        EngineError: ``tensors_missing_file``, ``tensors_not_safetensors``.
    """
    if not path.is_file():
        raise EngineError(
            "tensors_missing_file",
            f"The weights {path} are not there.",
            "Download the checkpoint again, or put the file beside its JSON.",
        )
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            yield file
    except (SafetensorError, OSError) as error:
        raise EngineError(
            "tensors_not_safetensors",
            f"{path} is not a whole safetensors file: {error}.",
            "Download it again; files of other formats (.pt, .ckpt, .bin, .gguf) are not read.",
        ) from error


def _check_names(path: Path, wanted: Any, stored: Any, derived: Any) -> None:
    missing = sorted(wanted - stored)
    extra = sorted(stored - wanted - derived)
    if missing:
        beside = f" and has {_some(extra)}, which it should not" if extra else ""
        raise _unfit("tensor_missing", f"{path} lacks {_some(missing)}{beside}")
    if extra:
        raise _unfit("tensor_extra", f"{path} has {_some(extra)}, which the network does not")


def _check_shapes(
    path: Path, wanted: Mapping[str, Tensor], stored: Mapping[str, Any], scales: set[str]
) -> None:
    for name, declared in wanted.items():
        shape, dtype = tuple(stored[name].get_shape()), stored[name].get_dtype()
        if shape != tuple(declared.shape):
            raise _unfit(
                "tensor_shape",
                f"{name} in {path} has the shape {list(shape)} instead of {list(declared.shape)}",
            )
        scale = name + SCALE
        if scale in scales and stored[scale].get_shape() != list(shape[:1]):
            raise _unfit("tensor_shape", f"{scale} in {path} is not one number for each output")
        if scale in scales and stored[scale].get_dtype() != "F32":
            raise _unfit("tensor_dtype", f"{scale} in {path} is not stored as F32")
        if dtype not in FLOATS and scale not in scales and declared.element_size() > 1:
            raise _unfit(
                "tensor_dtype",
                f"{name} in {path} is stored as {dtype} instead of {', '.join(FLOATS)}",
            )


def _check_derived(path: Path, name: str, stored: Tensor, computed: Tensor) -> None:
    fits = stored.is_complex() if computed.is_complex() else stored.is_floating_point()
    if fits and stored.shape == computed.shape:
        difference = (stored.to(computed.dtype) - computed).abs()
        # Half-precision files round them; positions that are wrong are wrong by far more.
        if bool((difference <= _rounding(stored.dtype)).all()):
            return
    raise _unfit(
        "tensor_derived",
        f"{name} in {path} is not what the network's arguments make of it",
    )


def _rounding(dtype: torch.dtype) -> float:
    if dtype.is_complex:
        return DERIVED_TOLERANCE
    return max(DERIVED_TOLERANCE, float(torch.finfo(dtype).eps))


def _some(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def _unfit(code: str, message: str) -> EngineError:
    return EngineError(
        code,
        f"{message}.",
        "JSON and weights must belong together: download both again, or use unconverted files.",
    )
