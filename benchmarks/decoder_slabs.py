"""A decoder of the published size with random weights, within less and less memory, on the CPU.

    python -m benchmarks.decoder_slabs --resolution 512 --rooms 500 350

For the cells of ``examples/lantern.glb``: in how many slabs each level was computed, the bytes that
were counted, those by which the process grew, processor seconds, and how far the values are from
those of the whole. About 5 GB in all at 512^3.
"""

import argparse
import time
from pathlib import Path

import torch

from engine.bench.networks import RandomCheckpoint, Reduction
from engine.bench.scene import load_scene
from engine.host.machine import ram_in_use
from engine.networks.sc_vae import Pyramid
from engine.residency import memory
from engine.residency.models import Models
from engine.residency.slabs import SlabChoice
from engine.sparse import SparseTensor
from engine.systems.trellis2.names import MATERIAL_DECODER, SHAPE_DECODER
from engine.systems.trellis2.needs import decoder_size

EXAMPLE = Path(__file__).parents[1] / "examples" / "lantern.glb"
CPU = torch.device("cpu")


def forget(pyramid: Pyramid) -> None:
    """Let no run find the tables of the one before."""
    for link in pyramid:
        link.parents.forget()
        link.children.forget()
        link.__dict__.pop("child_rows", None)


@torch.inference_mode()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--resolution", type=int, default=512, help="voxels along an axis")
    parser.add_argument(
        "--network", default=SHAPE_DECODER, choices=[SHAPE_DECODER, MATERIAL_DECODER]
    )
    parser.add_argument("--rooms", type=int, nargs="*", default=[], help="MiB beside the weights")
    args = parser.parse_args()

    models = Models(RandomCheckpoint(Reduction(), CPU), device=CPU, budget=1 << 40)
    pyramid = load_scene(EXAMPLE, 9600).pyramid(args.resolution, CPU)
    tokens = len(pyramid[0].parents)
    print("cells", [tokens, *(len(link.children) for link in pyramid)], flush=True)
    latent = SparseTensor(
        pyramid[0].parents, torch.randn(tokens, 32, generator=torch.Generator().manual_seed(0))
    )
    whole: torch.Tensor | None = None
    with models.on_device(args.network) as decoder:
        for room in [None, *(room << 20 for room in args.rooms)]:
            forget(pyramid)
            slabs = SlabChoice(decoder_size(models, args.network), room)
            before = ram_in_use() or 0
            memory.reset_peak(CPU)
            begin = time.process_time()
            values: torch.Tensor = decoder(latent, pyramid, slabs=slabs).raw.feats
            seconds = time.process_time() - begin
            grown = (memory.peak_bytes(CPU) or 0) - before
            whole = values if whole is None else whole
            apart = float((values - whole).abs().max()) / float(whole.abs().max())
            print(
                f"slabs {slabs.chosen}: counted {slabs.peak >> 20} MiB, grew by {grown >> 20} MiB, "
                f"{seconds:.1f} processor seconds, differs by {apart:.1g}",
                flush=True,
            )


if __name__ == "__main__":
    main()
