"""An SC-VAE network of the published size with random weights, within less and less memory, on the
CPU.

    python -m benchmarks.codec_slabs --resolution 512 --rooms 500 350
    python -m benchmarks.codec_slabs --resolution 512 --rooms 500 350 --network shape_slat_encoder

For the cells of ``examples/lantern.glb``: in how many slabs each level was computed, the bytes that
were counted, those of torch's tensors that were there at a time, those by which the process grew,
processor seconds, and how far the values are from those of the whole. About 5 GB in all at 512^3.
"""

import argparse
import time
import weakref
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from engine.bench.networks import RandomCheckpoint, Reduction
from engine.bench.scene import load_scene
from engine.host.machine import ram_in_use
from engine.networks.sc_vae import Pyramid
from engine.residency import memory
from engine.residency.models import Models
from engine.residency.slabs import SlabChoice
from engine.sparse import SparseTensor, Topology
from engine.systems.trellis2.names import MATERIAL_DECODER, SHAPE_DECODER, SHAPE_ENCODER
from engine.systems.trellis2.needs import LIES_BESIDE, codec_size

EXAMPLE = Path(__file__).parents[1] / "examples" / "lantern.glb"
CPU = torch.device("cpu")


class Tracked(TorchDispatchMode):
    """Counts the bytes of the tensors that operations give, as long as they are there.

    Args:
        network: its weights are not counted.

    Attributes:
        peak: most at a time.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.peak = self._now = 0
        self._known = {weight.untyped_storage()._cdata for weight in network.parameters()}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(out):
            if isinstance(tensor, Tensor):
                self._add(tensor.untyped_storage())
        return out

    def _add(self, storage: Any) -> None:
        number, size = storage._cdata, storage.nbytes()
        if number in self._known:
            return

        def gone() -> None:
            self._known.discard(number)
            self._now -= size

        self._known.add(number)
        weakref.finalize(storage, gone)
        self._now += size
        self.peak = max(self.peak, self._now)


def run(network: Any, name: str, pyramid: Pyramid, slabs: SlabChoice) -> Tensor:
    """What comes out for random features on the pyramid's cells."""
    generator = torch.Generator().manual_seed(0)
    if name != SHAPE_ENCODER:
        cells = pyramid[0].parents
        latent = SparseTensor(cells, torch.randn(len(cells), 32, generator=generator))
        return network(latent, pyramid, slabs=slabs).raw.feats
    cells = Topology(pyramid[-1].children.coords)
    inside = torch.rand(len(cells), 3, generator=generator)
    return network(cells, inside, inside > 0.5, slabs=slabs).mean.feats


@torch.inference_mode()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--resolution", type=int, default=512, help="voxels along an axis")
    parser.add_argument(
        "--network",
        default=SHAPE_DECODER,
        choices=[SHAPE_DECODER, MATERIAL_DECODER, SHAPE_ENCODER],
    )
    parser.add_argument("--blocks", type=int, help="of each level, at most: memory is the same")
    parser.add_argument("--rooms", type=int, nargs="*", default=[], help="MiB beside the weights")
    args = parser.parse_args()

    models = Models(
        RandomCheckpoint(Reduction(blocks=args.blocks), CPU), device=CPU, budget=1 << 40
    )
    pyramid = load_scene(EXAMPLE, 9600).pyramid(args.resolution, CPU)
    cells = [len(pyramid[0].parents), *(len(link.children) for link in pyramid)]
    print("cells", cells, flush=True)
    # No decoded shape lies beside a decoder here.
    beside = LIES_BESIDE[SHAPE_ENCODER] * cells[-1] if args.network == SHAPE_ENCODER else 0
    whole: Tensor | None = None
    with models.on_device(args.network) as network:
        for room in [None, *(room << 20 for room in args.rooms)]:
            for link in pyramid:
                link.forget()  # let no run find the tables of the one before
            slabs = SlabChoice(codec_size(models, args.network), room, beside)
            before = ram_in_use() or 0
            memory.reset_peak(CPU)
            begin = time.process_time()
            with Tracked(network) as tracked:
                values = run(network, args.network, pyramid, slabs)
            seconds = time.process_time() - begin
            grown = (memory.peak_bytes(CPU) or 0) - before
            whole = values if whole is None else whole
            apart = float((values - whole).abs().max()) / float(whole.abs().max())
            print(
                f"slabs {slabs.chosen}: counted {slabs.peak >> 20} MiB, "
                f"tensors took {tracked.peak >> 20}, the process grew by {grown >> 20}, "
                f"{seconds:.1f} processor seconds, differs by {apart:.1g}",
                flush=True,
            )


if __name__ == "__main__":
    main()
