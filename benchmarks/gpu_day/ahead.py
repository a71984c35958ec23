"""All networks of a request one after the other, with and without reading the next one ahead.

Their random weights are held in host memory, as the system holds the files of a model that was used
not long ago; so what is saved is the way to the device, not the disk.
"""

import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from engine.bench.networks import RandomCheckpoint
from engine.bench.plan import Plan
from engine.bench.work import synchronize
from engine.systems.trellis2.networks import build_network


class HeldCheckpoint(RandomCheckpoint):
    """Random weights that are drawn once and then lie in host memory."""

    def __init__(self, drawn: RandomCheckpoint) -> None:
        super().__init__(drawn.reduction, drawn.drawn_on)
        self._held: dict[str, dict[str, Tensor]] = {}

    def draw(self, name: str, torso_dtype: torch.dtype) -> None:
        """Have the weights of a network, before anything is timed."""
        if name not in self._held:
            network = super().load(name, device="cpu", torso_dtype=torso_dtype)
            self._held[name] = {**dict(network.named_parameters()), **dict(network.named_buffers())}

    def load(
        self,
        name: str,
        *,
        device: torch.device | str,
        torso_dtype: torch.dtype | None,
        check: Callable[[], None] = lambda: None,
    ) -> nn.Module:
        with torch.inference_mode(False):
            network = build_network(*self.description(name), torso_dtype=torso_dtype)
            tensors: dict[str, Tensor] = {}
            for key, tensor in self._held[name].items():
                check()
                tensors[key] = tensor.detach().to(device)
            own = network.state_dict().keys()
            network.load_state_dict({key: tensors[key] for key in own}, strict=True, assign=True)
            for key in tensors.keys() - own:
                network.register_buffer(key, tensors[key], persistent=False)
            return network.requires_grad_(False).eval()


@torch.inference_mode()
def visits(plan: Plan) -> tuple[float, int]:
    """Seconds from the first network's way to the device to the last one's end, and loads.

    The second of two times counts: in the first, libraries choose their kernels.
    """
    models = plan.models
    if not isinstance(models.checkpoint, RandomCheckpoint):
        raise TypeError("these are no random weights")
    held = HeldCheckpoint(models.checkpoint)
    models.checkpoint = held
    for stage in plan.stages:
        held.draw(stage.network, models.dtype(stage.network))
    seconds, peak = 0.0, 0
    for _ in range(2):
        models.plan([stage.use for stage in plan.stages])
        begin = time.perf_counter()
        for stage in plan.stages:
            decodes = stage.flop is None
            with models.on_device(stage.network, stage.working(), grows=decodes) as network:
                result: Any = stage.run(network)
                synchronize(models.device)
                del result
        seconds = time.perf_counter() - begin
        peak = models.peak_bytes
        models.release()
    return seconds, peak
