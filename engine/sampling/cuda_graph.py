"""Recording on NVIDIA GPUs: torch's CUDA graphs, with one pool of memory for those of a stage."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from engine.sampling.recorded import Recording, Work


@dataclass(frozen=True)
class _Graph:
    """Kernels that are launched as one."""

    graph: torch.cuda.CUDAGraph
    outputs: tuple[Tensor, ...]

    def replay(self) -> None:
        self.graph.replay()


class CudaRecorder:
    """See ``Recorder``.

    Recording waits for the device, once for each graph; replaying never does. All graphs share a
    pool: what one leaves there between its kernels the others may overwrite, outputs excepted.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream = _stream(device)
        self._pool: Any = torch.cuda.graph_pool_handle()

    def rehearse(self, work: Work) -> tuple[Tensor, ...]:
        """On the stream on which it will be recorded: libraries keep memory for each stream."""
        current = torch.cuda.current_stream(self._device)
        self._stream.wait_stream(current)
        with torch.cuda.stream(self._stream):
            outputs = work()
        current.wait_stream(self._stream)
        return outputs

    def record(self, work: Work) -> Recording:
        graph = torch.cuda.CUDAGraph()
        # The outer block: when a recording cannot be ended, the inner one stays on its stream.
        with (
            torch.cuda.stream(self._stream),
            torch.cuda.graph(
                graph, pool=self._pool, stream=self._stream, capture_error_mode="thread_local"
            ),
        ):
            outputs = work()
        return _Graph(graph, outputs)

    def release(self) -> None:
        # The last replay may still be running.
        torch.cuda.synchronize(self._device)
        torch.cuda.empty_cache()


@lru_cache(maxsize=16)
def _stream(device: torch.device) -> torch.cuda.Stream:
    """One for all recordings on a device."""
    return torch.cuda.Stream(device)
