"""Files of flows at one byte a weight, laid out as ours and as those of others."""

import json
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from engine.networks.scaled_linear import Scheme, to_one_byte

LAYOUTS = ("ours", "one_number", "older", "convrot")
GROUP = 4


def is_small(name: str, tensor: Tensor) -> bool:
    inside = name.startswith("blocks.") and "adaLN_modulation" not in name
    return inside and name.endswith(".weight") and tensor.ndim == 2


def turned(weight: Tensor, group: int) -> Tensor:
    """Rows in groups through the matrix of ConvRot, written out here without the engine's."""
    four = torch.tensor([[1, 1, 1, -1], [1, 1, -1, 1], [1, -1, 1, 1], [-1, 1, 1, 1.0]])
    matrix = four
    while len(matrix) < group:
        matrix = torch.kron(matrix, four)
    groups = weight.float().view(len(weight), -1, group)
    return (groups @ matrix.T / group**0.5).view(weight.shape)


def one_byte(
    tensors: dict[str, Tensor], scheme: Scheme = "int8", layout: str = "ours", group: int = GROUP
) -> dict[str, Tensor]:
    """The tensors of a flow with those of its blocks' linear layers at one byte a weight."""
    result: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        if not is_small(name, tensor):
            result[name] = tensor
            continue
        layer = name.removesuffix(".weight")
        if layout in ("ours", "convrot"):
            rows = turned(tensor, group) if layout == "convrot" else tensor
            result[name], scale = to_one_byte(rows, scheme)
            result[f"{layer}.weight_scale"] = scale[:, None].contiguous()
            said = {"format": "int8_tensorwise", "convrot": True, "convrot_groupsize": group}
            if layout == "convrot":
                note = list(json.dumps(said).encode())
                result[f"{layer}.comfy_quant"] = torch.tensor(note, dtype=torch.uint8)
            continue
        flat, scale = to_one_byte(tensor.reshape(1, -1), scheme)
        result[name] = flat.view(tensor.shape)
        if layout == "older":
            result[f"{layer}.scale_weight"] = scale
            result[f"{layer}.scale_input"] = torch.ones(1)
            result["scaled_fp8"] = torch.empty(0)
        else:
            result[f"{layer}.weight_scale"] = scale[0].clone()
            result[f"{layer}.input_scale"] = torch.tensor(1.0)
    return result


def write_one_byte(
    weights: Path, target: Path, scheme: Scheme, layout: str = "ours", group: int = GROUP
) -> Path:
    save_file(one_byte(load_file(weights), scheme, layout, group), target)
    return target
