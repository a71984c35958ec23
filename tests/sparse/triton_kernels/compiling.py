"""Machine code of every kernel for GPUs that are not here, at the widths of the published networks.

python -m tests.sparse.triton_kernels.compiling 90 80    a line for each launch: kernel, what it is
                                                         compiled for, registers, spilled and shared
                                                         bytes

A process of its own, since kernels must not be imported for the interpreter. Every launch is that
of the real code on tensors of the CPU, but instead of running the kernel is compiled for those
arguments: Triton needs no GPU for that.
"""

# pyright: reportMissingImports=false

import json
import re
import subprocess
import sys
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

HALF = torch.bfloat16


def launches() -> None:
    """Every operation at widths that the published networks have."""
    from engine.sparse import SparseTensor, Topology
    from engine.sparse.layout import Layout
    from engine.sparse.neighbours import sorted_cells
    from engine.sparse.rope import rope_phases
    from engine.sparse.triton_kernels import (
        atlas,
        convolution,
        levels,
        neighbours,
        rows,
        sampling,
    )

    convolution._widens = lambda feats: False  # as on a GPU
    coords = torch.nn.functional.pad(torch.cartesian_prod(*[torch.arange(2)] * 3), (1, 0)).int()
    cells = Topology(coords)
    link = cells.subdivide(torch.ones(8, 8, dtype=torch.bool))
    ragged, even = Layout((0, 8), coords[:, 0]), Layout((0, 8))
    for layout, tokens in ((ragged, torch.ones(8, 1536)), (even, torch.ones(1, 8, 1536))):
        tokens, mod = tokens.to(HALF), torch.ones(1, 6 * 1536, dtype=HALF).chunk(6, dim=-1)
        rows.modulated_norm(tokens, mod[0], mod[1], layout, 1e-6)
        rows.gated_add(tokens, tokens, mod[2], layout)
    q, k, _ = torch.ones(8, 3, 12, 128, dtype=HALF).unbind(1)
    gamma, phases = torch.ones(12, 128), rope_phases(coords[:, 1:], 128)
    rows.normed_heads(q, gamma, phases)
    rows.normed_heads(k, gamma, None)
    for dtype, width in ((HALF, 1024), (torch.float16, 64), (torch.float32, 256)):
        feats = torch.ones(8, width, dtype=dtype, requires_grad=True)
        weight = torch.ones(width, 3, 3, 3, width, dtype=dtype, requires_grad=True)
        bias = torch.ones(width, dtype=dtype)
        convolution.convolve(cells, feats, weight, bias, None).sum().backward()
        x = SparseTensor(cells, feats.detach())
        convolution.convolve_to_children(x, weight, bias, link)
        levels.channel_to_space(feats.detach(), link, 4)
        levels.space_to_channel(torch.ones(64, width, dtype=dtype), link)
    neighbours.neighbour_map(sorted_cells(coords))
    sampling.sample_cells(sorted_cells(coords), torch.ones(8, 7), torch.ones(9, 3), 6)
    atlas.texels_of(torch.ones(1, 3, 2, dtype=torch.float64), 64, 1.5)


def kind_of(value: Any) -> str:
    """The type of an argument as Triton writes it."""
    if isinstance(value, torch.Tensor):
        names = {torch.float32: "fp32", torch.bfloat16: "bf16", torch.float16: "fp16"}
        names |= {torch.float64: "fp64", torch.int32: "i32", torch.int64: "i64"}
        return "*" + names[value.dtype]
    return "fp32" if isinstance(value, float) else "i32"


class Compiling:
    """In the place of ``JITFunction.run``: compiles for some GPUs what would have been launched."""

    def __init__(self, architectures: list[int]) -> None:
        self.architectures = architectures
        self.done: dict[tuple, Any] = {}

    def __call__(self, kernel: Any, *args: Any, grid: Any, warmup: Any, **constants: Any) -> None:
        import triton
        from triton.backends.compiler import GPUTarget
        from triton.compiler import ASTSource

        options = {k: constants.pop(k) for k in ("num_warps", "num_stages") if k in constants}
        given = dict(zip(kernel.arg_names, args, strict=False))
        unspecialised = {p.name for p in kernel.params if p.do_not_specialize}
        signature = {name: kind_of(value) for name, value in given.items()}
        whole = {
            name
            for name, value in given.items()
            if isinstance(value, torch.Tensor)
            or (isinstance(value, int) and value % 16 == 0 and name not in unspecialised)
        }
        attributes = {
            (kernel.arg_names.index(name),): [["tt.divisibility", 16]] for name in sorted(whole)
        }
        signature |= dict.fromkeys(constants, "constexpr")
        for architecture in self.architectures:
            key = (kernel.__name__, architecture, str(signature), str(constants), str(whole))
            if key not in self.done:
                source = ASTSource(kernel, signature, constants, attributes)
                target = GPUTarget("cuda", architecture, 32)
                self.done[key] = triton.compile(source, target=target, options=options)


def resources(cubin: bytes) -> dict[str, int]:
    """Registers of a thread, and bytes of memory that it spills into, by NVIDIA's own tool."""
    from triton.backends import nvidia

    tool = Path(nvidia.__path__[0]) / "bin" / "cuobjdump"
    with TemporaryDirectory() as folder:
        file = Path(folder) / "kernel.cubin"
        file.write_bytes(cubin)
        said = subprocess.run(
            [tool, "--dump-resource-usage", file], capture_output=True, text=True, check=True
        ).stdout
    found = {name: int(number) for name, number in re.findall(r"\b(REG|STACK|LOCAL):(\d+)", said)}
    return {"registers": found["REG"], "spilled": found["STACK"] + found["LOCAL"]}


def main(architectures: list[int]) -> None:
    # Triton 3.9 announces that products and sums will no longer be fused by default.
    warnings.filterwarnings("ignore", message="TRITON_DEFAULT_FP_FUSION")
    from triton.runtime.jit import JITFunction

    compiling = Compiling(architectures)
    JITFunction.run = lambda kernel, *args, **options: compiling(kernel, *args, **options)
    launches()
    for (name, architecture, signature, constants, _), compiled in compiling.done.items():
        line = {
            "kernel": name,
            "architecture": architecture,
            "compiled for": f"{signature} {constants}",
            "shared": compiled.metadata.shared,
            **resources(compiled.asm["cubin"]),
        }
        sys.stdout.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    main([int(argument) for argument in sys.argv[1:]])
