"""From a training's weights to a checkpoint that the pipelines read, in the published layout."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from engine.checkpoints.int8_weights import to_int8
from engine.checkpoints.pipeline import Normalization
from engine.host.files import atomic_path, write_bytes_atomic
from engine.training.config import NetworkConfig
from protocol.finishes import FinishAdvice
from protocol.samplers import SamplerParams

CKPTS = "ckpts"
GENERATION, TEXTURING = "pipeline.json", "texturing_pipeline.json"
AS_THEY_ARE = frozenset({f"{CKPTS}/material_decoder"})
_TRUNK_LICENSE = Path(__file__).with_name("efficientnet_lite0_license.txt")
SAMPLER = "FlowEulerGuidanceIntervalSampler"


def save_network(
    folder: Path, stem: str, network: NetworkConfig, tensors: Mapping[str, Tensor],
    dtype: torch.dtype = torch.float16,
) -> None:  # fmt: skip
    """Write ckpts/<stem>.json and ckpts/<stem>.safetensors.

    Args:
        folder: of the checkpoint.
        stem: name of the files.
        network: class name and arguments.
        tensors: by name; floating ones are stored in ``dtype``.

    Raises:
        EngineError: ``unwritable`` or ``disk_full``.
    """
    (folder / CKPTS).mkdir(parents=True, exist_ok=True)
    stored = {
        name: (value.to(dtype) if value.is_floating_point() else value).contiguous().cpu()
        for name, value in tensors.items()
    }
    with atomic_path(folder / CKPTS / f"{stem}.safetensors") as temporary:
        save_file(stored, temporary)
    description = {"name": network.name, "args": dict(network.args)}
    write_bytes_atomic(folder / CKPTS / f"{stem}.json", _json(description))


def network_of(tensors: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
    """The tensors of one network out of "network.tensor" entries."""
    prefix = f"{name}."
    return {key.removeprefix(prefix): v for key, v in tensors.items() if key.startswith(prefix)}


@dataclass(frozen=True)
class Pipelines:
    """What a checkpoint's two JSON files say.

    Args:
        resolutions: voxels an axis that the shape and texture flows serve, all by the same files.
        default_type: of a request that names none.
        structure, shape, texture: samplers.
        shape_norm, texture_norm: statistics of the latents.
        finishing: how results are best finished; None leaves that open.
        qualities: quality -> type, for those that are not as usual.
        words: whether there is a text encoder.
    """

    resolutions: Sequence[int]
    default_type: str
    structure: SamplerParams
    shape: SamplerParams
    texture: SamplerParams
    shape_norm: Normalization
    texture_norm: Normalization
    finishing: FinishAdvice | None = None
    qualities: Mapping[str, str] = field(default_factory=dict)
    words: bool = False


def save_pipelines(folder: Path, pipelines: Pipelines) -> None:
    """Write pipeline.json and texturing_pipeline.json for networks of ``save_network``.

    Raises:
        EngineError: ``unwritable`` or ``disk_full``.
    """
    textures = {f"tex_slat_flow_model_{r}": f"{CKPTS}/texture_flow" for r in pipelines.resolutions}
    shapes = {f"shape_slat_flow_model_{r}": f"{CKPTS}/shape_flow" for r in pipelines.resolutions}
    common = {
        "tex_slat_decoder": f"{CKPTS}/material_decoder",
        "image_encoder": f"{CKPTS}/image_encoder",
        **textures,
    }
    if pipelines.words:
        common["text_encoder"] = f"{CKPTS}/text_encoder"
    shared = {
        "tex_slat_sampler": _sampler(pipelines.texture),
        "shape_slat_normalization": _norm(pipelines.shape_norm),
        "tex_slat_normalization": _norm(pipelines.texture_norm),
        "image_cond_model": {"name": "SmallImageEncoder", "args": {}},
    }
    generation = {
        "models": {
            "sparse_structure_flow_model": f"{CKPTS}/structure_flow",
            "sparse_structure_decoder": f"{CKPTS}/structure_decoder",
            "shape_slat_decoder": f"{CKPTS}/shape_decoder",
            **shapes,
            **common,
        },
        "sparse_structure_sampler": _sampler(pipelines.structure),
        "shape_slat_sampler": _sampler(pipelines.shape),
        "default_pipeline_type": pipelines.default_type,
        **shared,
    }
    texturing = {"models": {"shape_slat_encoder": f"{CKPTS}/shape_encoder", **common}, **shared}
    beside: dict[str, Any] = {}
    if pipelines.finishing:
        beside["finishing"] = asdict(pipelines.finishing)
    if pipelines.qualities:
        beside["qualities"] = dict(pipelines.qualities)
    for file, content in (
        (GENERATION, {"name": "Trellis2ImageTo3DPipeline", "args": generation, **beside}),
        (TEXTURING, {"name": "Trellis2TexturingPipeline", "args": texturing}),
    ):
        write_bytes_atomic(folder / file, _json(content))


def ship(checkpoint: Path, folder: Path) -> int:
    """Put what the pipelines of a checkpoint name, and nothing else, into a folder, as int8.

    The material decoder stays as it is, for it would lose 0.6 dB. A trunk comes with its licence.

    Returns:
        Bytes in the folder.

    Raises:
        EngineError: ``unwritable`` or ``disk_full``.
    """
    stems: set[str] = set()
    for name in (GENERATION, TEXTURING):
        content = (checkpoint / name).read_bytes()
        stems.update(json.loads(content)["args"]["models"].values())
        (folder / CKPTS).mkdir(parents=True, exist_ok=True)
        write_bytes_atomic(folder / name, content)
    for stem in sorted(stems):
        description = (checkpoint / f"{stem}.json").read_bytes()
        write_bytes_atomic(folder / f"{stem}.json", description)
        if json.loads(description)["args"].get("trunk"):
            write_bytes_atomic(folder / f"{stem}.license.txt", _TRUNK_LICENSE.read_bytes())
        weights = load_file(checkpoint / f"{stem}.safetensors")
        with atomic_path(folder / f"{stem}.safetensors") as temporary:
            save_file(weights if stem in AS_THEY_ARE else to_int8(weights), temporary)
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _sampler(params: SamplerParams) -> dict[str, Any]:
    return {
        "name": SAMPLER,
        "args": {"sigma_min": params.sigma_min},
        "params": {
            "steps": params.steps,
            "guidance_strength": params.guidance_strength,
            "guidance_rescale": params.guidance_rescale,
            "guidance_interval": list(params.guidance_interval),
            "rescale_t": params.rescale_t,
        },
    }


def _norm(norm: Normalization) -> dict[str, Any]:
    return {"mean": list(norm.mean), "std": list(norm.std)}


def _json(content: dict[str, Any]) -> bytes:
    return (json.dumps(content, indent=1) + "\n").encode()
