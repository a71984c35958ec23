"""How much memory there is, how much a network takes, and about how much running it takes.

The estimates count the tensors that are alive at the widest place of a forward pass, a little
generously; they decide between policies, they do not have to be exact.
"""

import torch
from torch import nn

from engine.host.machine import forget_peak_ram, peak_ram, ram
from engine.networks.dit import FlowConfig

MARGIN = 0.92
"""Share of the free memory that is planned with; the rest goes to fragments and the driver."""
GROWTH = 4.3
"""Cells of a level for each of the level above: a surface would give 4."""
NEIGHBOUR_BYTES = 27 * 4 * 2
"""Neighbour map and its pairs, per cell."""


def free_bytes(device: torch.device) -> int | None:
    """What this process can still take on a device, its own caches included; None: not known."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(MARGIN * (free + unused))
    found = ram()
    return int(MARGIN * found[0]) if found else None


def return_unused(device: torch.device) -> None:
    """Give what torch keeps for later back to the device, for other processes and true figures."""
    if device.type == "cuda":
        torch.cuda.empty_cache()


def reset_peak(device: torch.device) -> None:
    """Forget the peak so far, where that is possible: on CUDA, and on a CPU under Linux."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    else:
        forget_peak_ram()


def peak_bytes(device: torch.device) -> int | None:
    """Most bytes in use: of the device since ``reset_peak``, elsewhere of the whole process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return peak_ram()


def network_bytes(network: nn.Module) -> int:
    """What its parameters and buffers take, also on the meta device."""
    tensors = [*network.parameters(), *network.buffers()]
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def condition_bytes(config: FlowConfig, context: int, itemsize: int) -> int:
    """Keys and values of ``context`` image_tokens for every block."""
    return 2 * context * config.model_channels * config.num_blocks * itemsize


def flow_bytes(config: FlowConfig, tokens: int, context: int, itemsize: int) -> int:
    """Working memory of a flow on ``tokens`` cells, with ``context`` image_tokens."""
    width = config.model_channels
    hidden = int(width * config.mlp_ratio)
    # Queries, keys and their rotated copies go through float32.
    per_token = 6 * width * itemsize + 24 * width + 2 * hidden * itemsize
    return tokens * per_token + condition_bytes(config, context, itemsize)


def cells_guess(latent_cells: int, levels: int) -> list[int]:
    """How many cells each level of a decoder will have, before it is known."""
    return [round(latent_cells * GROWTH**level) for level in range(levels)]
