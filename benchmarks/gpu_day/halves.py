"""How far networks in half precision are from recordings of the reference in float32.

Which children survive and which cells are occupied are yes-or-no questions that rounding may turn,
so decoders are led along the recorded cells here, and only numbers are compared.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from engine.host.machine import whole_float32
from engine.networks.structure_flow import StructureFlow
from engine.sparse import SparseTensor, Topology
from engine.systems.trellis2.networks import load_network

FLOWS = ("ss_flow_rope_sharemod", "slat_flow_shape", "slat_flow_tex")
"""Built as the published ones."""
VAES = ("ss_vae", "shape_vae", "tex_vae")
FLOW_TOLERANCE, DECODER_TOLERANCE = 0.012, 0.014
"""Of flows in bfloat16 and of the others in float16, as they are on CUDA: root mean square of the
difference over that of what was recorded. Twice what torch gives on a CPU (0.0060 and 0.0067)."""


@dataclass(frozen=True)
class Apart:
    """One output of a network in half precision.

    Args:
        what: network and output.
        error: root mean square of the difference, over that of the recording.
        worst: largest difference over the largest recorded value.
    """

    what: str
    error: float
    worst: float


@torch.inference_mode()
def compare(
    goldens: Path, device: str, names: Iterable[str], dtype: torch.dtype
) -> Iterator[Apart]:
    """Those networks of ``goldens`` that are there, their torsos in ``dtype``."""

    def load(folder: Path) -> Any:
        weights = folder / "weights.safetensors"
        return load_network(folder / "config", weights=weights, device=device, torso_dtype=dtype)

    for name in names:
        folder, run = goldens / name, RUNS[name]
        for file in sorted(folder.glob("io*.safetensors")):
            recorded = {k: v.to(device) for k, v in load_file(file).items()}
            with whole_float32():  # what is not in half precision, as the engine runs it
                outputs = run(recorded, lambda part, folder=folder: load(folder / part))
            for output, got in outputs.items():
                if output in recorded:
                    what = f"{name}, {output.removeprefix('out.')}, {file.stem}"
                    yield _apart(what, got, recorded[output])


def _apart(what: str, got: Tensor, recorded: Tensor) -> Apart:
    got, wanted = got.double().cpu()[: len(recorded)], recorded.double().cpu()
    if got.shape != wanted.shape:
        raise ValueError(f"{what}: {tuple(got.shape)}, not {tuple(wanted.shape)}")
    difference = got - wanted
    error = difference.square().mean().sqrt() / wanted.square().mean().sqrt()
    return Apart(what, float(error), float(difference.abs().max() / wanted.abs().max()))


Outputs = dict[str, Tensor]
Load = Callable[[str], Any]


def _flow(io: dict[str, Tensor], load: Load) -> Outputs:
    flow = load("")
    if isinstance(flow, StructureFlow):
        return {"out.v": flow(io["in.x"], io["in.t"], io["in.cond"])}
    x = SparseTensor.from_coords(io["in.coords"].int(), io["in.x_feats"])
    more = io.get("in.concat_cond")
    shape = None if more is None else x.replace(more)
    return {"out.v": flow(x, io["in.t"], io["in.cond"], shape).feats}


def _structure(io: dict[str, Tensor], load: Load) -> Outputs:
    mean, _ = load("encoder")(io["in.enc_x"])
    return {"out.enc_mean": mean, "out.dec_logits": load("decoder")(io["in.dec_x"])}


def _shape(io: dict[str, Tensor], load: Load) -> Outputs:
    encoded = load("encoder")(_cells(io), io["in.dual_vertex_fraction"], io["in.intersected"])
    decoded = load("decoder")(encoded.mean, encoded.pyramid)
    return {"out.z_mean": encoded.mean.feats, "out.cached_dec_raw7": decoded.raw.feats}


def _material(io: dict[str, Tensor], load: Load) -> Outputs:
    encoded = load("encoder")(SparseTensor(_cells(io), io["in.attrs"]))
    decoded = load("decoder")(encoded.mean, encoded.pyramid)
    return {"out.z_mean": encoded.mean.feats, "out.cached_feats": decoded.raw.feats}


def _cells(io: dict[str, Tensor]) -> Topology:
    coords = io["in.coords"].int()
    if coords.shape[1] == 3:
        coords = torch.nn.functional.pad(coords, (1, 0))
    return Topology(coords)


RUNS: dict[str, Callable[[dict[str, Tensor], Load], Outputs]] = {
    **dict.fromkeys(FLOWS, _flow),
    **dict(zip(VAES, (_structure, _shape, _material), strict=True)),
}
