"""A tiny checkpoint on disk, with random weights, laid out as the published one."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from engine.systems.trellis2.networks import build_network

FLOW_ARGS: dict[str, Any] = {
    "resolution": 2,
    "in_channels": 4,
    "out_channels": 4,
    "model_channels": 24,
    "cond_channels": 8,
    "num_blocks": 2,
    "num_heads": 2,
    "mlp_ratio": 2.5,
    "pe_mode": "rope",
    "share_mod": True,
    "qk_rms_norm": True,
    "qk_rms_norm_cross": True,
}
DECODER_ARGS: dict[str, Any] = {
    "out_channels": 1,
    "latent_channels": 4,
    "num_res_blocks": 1,
    "channels": [8, 4],
}
SAMPLER = {
    "name": "FlowEulerGuidanceIntervalSampler",
    "args": {"sigma_min": 1e-5},
    "params": {
        "steps": 3,
        "guidance_strength": 7.5,
        "guidance_rescale": 0.7,
        "guidance_interval": [0.6, 1.0],
        "rescale_t": 5.0,
    },
}
LATENT_STATISTICS = {"mean": [0.5, -1.0], "std": [2.0, 4.0]}
ELSEWHERE = "somebody/structure/ckpts/decoder"


def pipeline(decoder: str = ELSEWHERE) -> dict[str, Any]:
    return {
        "name": "Trellis2ImageTo3DPipeline",
        "args": {
            "models": {
                "sparse_structure_flow_model": "ckpts/flow",
                "sparse_structure_decoder": decoder,
            },
            "sparse_structure_sampler": SAMPLER,
            "shape_slat_normalization": LATENT_STATISTICS,
            "image_cond_model": {"name": "DinoV3FeatureExtractor", "args": {"model_name": "a/b"}},
            "rembg_model": {"name": "BiRefNet", "args": {"model_name": "c/d"}},
            "default_pipeline_type": "512",
        },
    }


def random_tensors(name: str, args: dict[str, Any]) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    wanted = build_network(name, args).state_dict()
    return {k: 0.3 * torch.randn(v.shape, generator=generator) for k, v in wanted.items()}


def write_json(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")


def write_network(stem: Path, name: str, args: dict[str, Any]) -> None:
    write_json(stem.with_suffix(".json"), {"name": name, "args": args})
    save_file(random_tensors(name, args), stem.with_suffix(".safetensors"))


def write_checkpoint(folder: Path, *, decoder: str = ELSEWHERE, at: Path | None = None) -> Path:
    """``folder`` with a flow; the structure decoder is called ``decoder`` and stored at ``at``."""
    write_json(folder / "pipeline.json", pipeline(decoder))
    write_network(folder / "ckpts/flow", "SparseStructureFlowModel", FLOW_ARGS)
    write_network(at or folder / decoder, "SparseStructureDecoder", DECODER_ARGS)
    return folder
