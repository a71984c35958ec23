"""What a TRELLIS.2 checkpoint calls its networks and samplers, and its published limit."""

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

MAX_TOKENS = 49152
"""More cells than this and the resolution of a cascade is lowered (the published limit)."""
