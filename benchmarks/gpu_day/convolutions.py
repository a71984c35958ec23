"""The Triton convolution beside its twin in plain torch, on the levels of a full-size decoder."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from benchmarks.gpu_day import card
from benchmarks.gpu_day.parts import Day, Row
from engine.bench.work import timed
from engine.sparse import SparseTensor, Topology
from engine.sparse.convolution import CONVOLUTION, available_backends

WIDTHS = (1024, 512, 256, 128, 64)
"""Of the published decoders' levels, coarsest first."""
RESOLUTION = 512
TOLERANCE = {torch.float32: 2e-5, torch.float16: 2e-3, torch.bfloat16: 1e-2}
"""Largest difference from the twin in float32, over the largest value."""
TIMES = 10


@dataclass(frozen=True)
class Case:
    """A level: its cells, and the width of its features."""

    cells: Topology
    width: int


def cases(day: Day) -> Iterator[Case]:
    """The levels of a decoder on the cells of the lantern; rehearsed: a few dozen cells."""
    device = torch.device(day.device)
    if day.rehearse:
        numbers = torch.arange(40, dtype=torch.int32)
        coords = torch.stack([0 * numbers, numbers // 9, numbers // 3 % 3, numbers % 3], dim=1)
        yield Case(Topology(coords.to(device)), 16)
        return
    from engine.bench.scene import load_scene

    pyramid = load_scene(card.EXAMPLES / "lantern.glb", 9600).pyramid(RESOLUTION, device)
    levels = [pyramid[0].parents, *(link.children for link in pyramid)]
    for cells, width in zip(levels, WIDTHS, strict=True):
        yield Case(cells, width)


@torch.inference_mode()
def measured(case: Case, day: Day) -> Iterator[Row]:
    """Numbers and seconds of every backend that can run; the neighbour map is made before."""
    cells, width = case.cells, case.width
    generator = torch.Generator(cells.device).manual_seed(0)
    feats, weight = (
        torch.randn(shape, device=cells.device, generator=generator)
        for shape in ((len(cells), width), (width, 3, 3, 3, width))
    )
    weight /= (27 * width) ** 0.5
    pairs = int((cells.neighbours >= 0).sum())
    flop = 2 * pairs * width * width
    twin = CONVOLUTION.backends["torch"].run(cells, feats, weight, None, None)
    for dtype in (torch.float16, torch.bfloat16, torch.float32):
        for name in _backends(day, dtype):
            short = str(dtype).removeprefix("torch.")
            what = f"{len(cells):,} cells of {width}, {name}, {short}"
            x, kernel = SparseTensor(cells, feats.to(dtype)), weight.to(dtype)
            backend = CONVOLUTION.backends[name]

            def run(x: SparseTensor = x, kernel: Tensor = kernel, run=backend.run) -> Tensor:
                return run(cells, x.feats, kernel, None, None)

            begin = time.perf_counter()
            got = run()
            _, _ = timed(cells.device, lambda: None)
            first = time.perf_counter() - begin
            apart = float((got.float() - twin).abs().max() / twin.abs().max())
            seconds = _median(cells.device, run)
            more = {"seconds": seconds, "first": first, "flop": flop, "apart": apart}
            yield Row(
                what,
                f"{seconds * 1e3:.3f} ms, {flop / seconds / 1e12:.3g} TFLOP/s; first call "
                f"{first:.2f} s; {apart:.1e} from the twin",
                f"at most {TOLERANCE[dtype]:.0e} from it",
                apart <= TOLERANCE[dtype],
                more,
            )


def _backends(day: Day, dtype: torch.dtype) -> list[str]:
    usable = {line.name for line in available_backends(day.device) if line.usable}
    if not day.on_card:
        usable.add("triton")  # by its interpreter
    return [b.name for b in CONVOLUTION.backends.values() if b.name in usable and dtype in b.dtypes]


def _median(device: torch.device, run: Callable[[], Tensor]) -> float:
    times = sorted(timed(device, run)[0] for _ in range(TIMES))
    return times[TIMES // 2]
