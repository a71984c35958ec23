"""The names of TRELLIS.2: its own, and what a checkpoint calls its networks and samplers."""

from collections.abc import Iterable, Mapping

from protocol.errors import EngineError
from protocol.jobs import GenerateJob, MakingJob, TextureJob, UpscaleJob

SYSTEM = "trellis2"
STRUCTURE, COARSE, SHAPE, TEXTURE = "structure", "coarse", "shape", "texture"
"""What an asset keeps: the cells that the first shape was sampled on (a tensor; none where it came
from a mesh), the shape that a cascade starts from, the final shape_latent, the texture_latent."""

STRUCTURE_FLOW = "sparse_structure_flow_model"
STRUCTURE_DECODER = "sparse_structure_decoder"
SHAPE_ENCODER = "shape_slat_encoder"
SHAPE_DECODER = "shape_slat_decoder"
MATERIAL_DECODER = "tex_slat_decoder"

SAMPLERS = {
    "structure": "sparse_structure_sampler",
    "shape": "shape_slat_sampler",
    "texture": "tex_slat_sampler",
}
"""Stage -> the entry of its sampler in ``pipeline.json``."""
REUSE_AFTER = {"structure": 6, "shape": 4, "texture": 4}
"""Stage -> the steps that a fast job always computes: more where the shape is decided."""
LABELS = {"structure": "Structure", "shape": "Shape", "texture": "Materials"}
"""The same stages for people."""
SAMPLED: Mapping[type[MakingJob], tuple[str, ...]] = {
    GenerateJob: ("structure", "shape", "texture"),
    TextureJob: ("texture",),
    UpscaleJob: ("shape", "texture"),
}
"""What the system can do -> the stages that sample."""

TEXT_ENCODER = "text_encoder"
"""Ours: no published checkpoint knows words."""

MAX_TOKENS = 49152
"""More cells than this and the resolution of a cascade is lowered (the published limit)."""


def check_stages(job: type[MakingJob], names: Iterable[str]) -> None:
    """Refuse names of stages that do not sample in jobs of a class.

    Raises:
        EngineError: ``stage_unknown``.
    """
    stages = SAMPLED[job]
    for name in names:
        if name not in stages:
            raise EngineError(
                "stage_unknown",
                f"This job has no stage {name!r} whose sampler could be changed.",
                f"Choose one of {', '.join(stages)}.",
            )
