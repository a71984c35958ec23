"""Which of our networks the class names in a TRELLIS.2 checkpoint mean: one table."""

from functools import partial

from engine.checkpoints import build, checkpoint
from engine.checkpoints.build import NetworkKind, NetworkKinds
from engine.networks.dit import FlowConfig
from engine.networks.latent_flow import LatentFlow
from engine.networks.material_vae import (
    MaterialDecoder,
    MaterialDecoderConfig,
    MaterialEncoder,
    MaterialEncoderConfig,
)
from engine.networks.shape_vae import (
    ShapeDecoder,
    ShapeDecoderConfig,
    ShapeEncoder,
    ShapeEncoderConfig,
)
from engine.networks.small_encoder import SmallEncoder, SmallEncoderConfig
from engine.networks.structure_flow import StructureFlow
from engine.networks.structure_vae import (
    StructureDecoder,
    StructureDecoderConfig,
    StructureEncoder,
    StructureEncoderConfig,
)
from engine.networks.text_encoder import TextEncoder, TextEncoderConfig

NETWORKS: NetworkKinds = {
    "SparseStructureFlowModel": NetworkKind(StructureFlow, FlowConfig, "flow"),
    "SLatFlowModel": NetworkKind(LatentFlow, FlowConfig, "flow"),
    "ElasticSLatFlowModel": NetworkKind(LatentFlow, FlowConfig, "flow"),
    "SparseStructureEncoder": NetworkKind(StructureEncoder, StructureEncoderConfig),
    "SparseStructureDecoder": NetworkKind(StructureDecoder, StructureDecoderConfig),
    "FlexiDualGridVaeEncoder": NetworkKind(ShapeEncoder, ShapeEncoderConfig),
    "FlexiDualGridVaeDecoder": NetworkKind(ShapeDecoder, ShapeDecoderConfig),
    "SparseUnetVaeEncoder": NetworkKind(MaterialEncoder, MaterialEncoderConfig),
    "SparseUnetVaeDecoder": NetworkKind(MaterialDecoder, MaterialDecoderConfig),
    "SmallImageEncoder": NetworkKind(SmallEncoder, SmallEncoderConfig, "float32"),
    "SmallTextEncoder": NetworkKind(TextEncoder, TextEncoderConfig, "float32"),
}

build_network = partial(build.build_network, NETWORKS)
"""``engine.checkpoints.build.build_network`` for networks of this system."""
load_network = partial(checkpoint.load_network, NETWORKS)
"""``engine.checkpoints.checkpoint.load_network`` for networks of this system."""
