"""The published weights of TRELLIS.2, in the order in which a generation uses them."""

from engine.weights.hub_names import DINOV3, TRELLIS, TRELLIS2
from engine.weights.weight import Weight, network_weight, plain_weight
from protocol.limits import WEIGHT_GROUPS


def weights() -> tuple[Weight, ...]:
    """The rows of the catalogue."""
    flow, every = "ckpts/slat_flow_", frozenset(WEIGHT_GROUPS)
    generate, fine = every - {"texture"}, every - {"draft"}
    return (
        plain_weight("pipeline", "settings of the pipelines", TRELLIS2, every,
               "pipeline.json", "texturing_pipeline.json"),
        plain_weight("image_encoder", "DINOv3: pictures to tokens", DINOV3, every,
               "config.json", "model.safetensors"),
        network_weight("structure_flow", "which cells are occupied", TRELLIS2, generate,
                 "ckpts/ss_flow_img_dit_1_3B_64_bf16"),
        network_weight("structure_decoder", "structure latent to cells", TRELLIS, generate,
                 "ckpts/ss_dec_conv3d_16l8_fp16"),
        network_weight("shape_flow_512", "shape at 512", TRELLIS2, generate,
                 f"{flow}img2shape_dit_1_3B_512_bf16"),
        network_weight("shape_flow_1024", "shape at 1024 and more", TRELLIS2, generate & fine,
                 f"{flow}img2shape_dit_1_3B_1024_bf16"),
        network_weight("texture_flow_512", "materials at 512", TRELLIS2, frozenset({"draft"}),
                 f"{flow}imgshape2tex_dit_1_3B_512_bf16"),
        network_weight("texture_flow_1024", "materials at 1024 and more", TRELLIS2, fine,
                 f"{flow}imgshape2tex_dit_1_3B_1024_bf16"),
        network_weight("shape_decoder", "shape latent to O-Voxels", TRELLIS2, generate,
                 "ckpts/shape_dec_next_dc_f16c32_fp16"),
        network_weight("material_decoder", "texture latent to materials", TRELLIS2, every,
                 "ckpts/tex_dec_next_dc_f16c32_fp16"),
        network_weight("shape_encoder", "meshes to shape latents", TRELLIS2,
                 frozenset({"texture", "high"}), "ckpts/shape_enc_next_dc_f16c32_fp16"),
        network_weight("material_encoder", "materials to texture latents", TRELLIS2, frozenset(),
                 "ckpts/tex_enc_next_dc_f16c32_fp16"),
    )  # fmt: skip
