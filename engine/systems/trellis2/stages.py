"""The stages that pipelines are made of, each a function of the work and what came before.

Each draws its own noise, in the order in which a pipeline calls them.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from engine.checkpoints.image_encoders import IMAGE_ENCODER
from engine.networks.bound_flow import BoundFlow
from engine.networks.flow import Condition
from engine.networks.material_vae import DecodedMaterial
from engine.networks.sc_vae import Encoded, Pyramid
from engine.networks.shape_vae import DecodedShape
from engine.ovoxel.grid import DualGrid
from engine.sampling import Spread, dense_spread, sample, sparse_spread, stepping
from engine.sparse import SparseTensor, Topology
from engine.systems.kept import sample_key
from engine.systems.trellis2 import needs
from engine.systems.trellis2.names import (
    MATERIAL_DECODER,
    SHAPE_DECODER,
    SHAPE_ENCODER,
    STRUCTURE_DECODER,
    STRUCTURE_FLOW,
    TEXT_ENCODER,
)
from engine.systems.trellis2.recipe import fingerprint
from engine.systems.trellis2.routes import Level, Route
from engine.systems.trellis2.work import Work, repeated_when_full
from protocol.errors import EngineError
from protocol.plain import to_dict
from protocol.samplers import SamplerParams


@repeated_when_full
def image_tokens(work: Work, pixels: int) -> Tensor:
    """``image_tokens`` (1, T, C) of the picture as seen at a size, or of words, in host memory.

    Raises:
        EngineError: ``sentences_missing``, and what loading the encoder raises.
    """
    models, picture = work.models, work.picture

    def encode() -> Tensor:
        if picture.prompt is not None:
            with models.on_device(TEXT_ENCODER) as encoder:
                return encoder.tokens(picture.prompt)
        with models.on_device(IMAGE_ENCODER, needs.ENCODER_BYTES) as encoder:
            return encoder.tokens(picture.square, pixels)

    with work.report.stage("encode"):
        return models.pictures.tokens(picture.key, pixels, encode)


def sample_structure(work: Work, route: Route) -> Topology:
    """Occupied cells of the route's first latent grid, ordered by x, y, z.

    Raises:
        EngineError: ``structure_empty``.
    """
    config = work.models.skeleton(STRUCTURE_FLOW).config
    tokens = image_tokens(work, route.structure_pixels)
    noise = work.noise.draw(1, config.in_channels, *[config.resolution] * 3)
    params = work.samplers["structure"]
    latent = _sample(
        work, "structure", STRUCTURE_FLOW, tokens, params, noise, dense_spread,
        cells=config.resolution**3,
    )  # fmt: skip
    return _decode_structure(work, latent, route.first.latent_grid)


def sample_shape(work: Work, stage: str, level: Level, cells: Topology) -> SparseTensor:
    """The shape_latent on some cells."""
    channels = work.models.skeleton(level.shape_flow).config.in_channels
    tokens = image_tokens(work, level.pixels)
    noise = work.noise.draw(len(cells), channels)
    params = work.samplers["shape"]
    feats = _sample(
        work, stage, level.shape_flow, tokens, params, noise, sparse_spread(cells.offsets),
        cells=len(cells), wrap=lambda x: SparseTensor(cells, x), decided_by=(cells.coords,),
    )  # fmt: skip
    return SparseTensor(cells, work.shape_norm.denormalize(feats))


def sample_texture(work: Work, level: Level, shape: SparseTensor) -> SparseTensor:
    """The texture_latent that goes with a shape_latent."""
    channels = work.models.skeleton(level.texture_flow).config.in_channels
    tokens = image_tokens(work, level.pixels)
    noise = work.noise.draw(len(shape), channels - shape.feats.shape[1])
    concat_cond = shape.replace(work.shape_norm.normalize(shape.feats))
    feats = _sample(
        work, "texture", level.texture_flow, tokens, work.samplers["texture"], noise,
        sparse_spread(shape.topology.offsets),
        cells=len(shape), wrap=shape.replace, more=(concat_cond,),
        decided_by=(shape.coords, concat_cond.feats),
    )  # fmt: skip
    return shape.replace(work.texture_norm.denormalize(feats))


def finer_cells(
    work: Work, coarse: SparseTensor, coarse_resolution: int, route: Route
) -> tuple[Topology, int]:
    """The cells of a cascade's second shape, and the resolution that they are for.

    The decoder says where voxels of the coarse shape are; the cells of the finer latent grid that
    hold one are wanted. While there are ``max_tokens`` or more, the resolution falls step by step
    to that of the finer networks; the report says so.
    """
    voxels = _upsample(work, coarse)
    resolution = route.resolution
    while True:
        places = (voxels[:, 1:] + 0.5) / coarse_resolution * (resolution // route.factor)
        cells = torch.cat([voxels[:, :1], places.int()], dim=1).unique(dim=0)
        if len(cells) < work.max_tokens or resolution <= route.last.resolution:
            break
        resolution = max(route.last.resolution, resolution - route.step)
    if resolution != route.resolution:
        work.report.note(
            f"The resolution was lowered from {route.resolution} to {resolution}: this shape needs "
            f"too many cells (the limit is {work.max_tokens:,})."
        )
    return Topology(cells), resolution


@repeated_when_full
def encode_shape(work: Work, grid: DualGrid) -> Encoded:
    """The shape_latent of O-Voxels, and the pyramid of their parents."""
    models, device = work.models, work.models.device
    cells = Topology(F.pad(torch.from_numpy(grid.coords), (1, 0)).int().to(device))
    working = needs.encoder_room(models, len(cells))
    with (
        work.report.stage("encode_shape"),
        models.on_device(SHAPE_ENCODER, working, grows=True) as encoder,
    ):
        slabs = needs.slabs_of(models, SHAPE_ENCODER, len(cells))
        encoded = encoder(
            cells,
            torch.from_numpy(grid.dual_vertices).to(device),
            torch.from_numpy(grid.intersected).to(device),
            slabs=slabs,
        )
        models.worked_in(slabs.peak)
        work.remember("encode_shape", slabs=slabs.chosen)
        for link in encoded.pyramid:
            # A flow comes next, which has no room for neighbours of voxels.
            link.forget()
        return encoded


@repeated_when_full
def decode_shape(work: Work, shape: SparseTensor) -> DecodedShape:
    """Voxels, dual vertices and intersected edges of a shape_latent.

    Raises:
        EngineError: ``shape_empty``.
    """
    models, working = work.models, needs.codec_room(work.models, SHAPE_DECODER, len(shape))
    with (
        work.report.stage("decode_shape"),
        models.on_device(SHAPE_DECODER, working, grows=True) as decoder,
    ):
        slabs = needs.slabs_of(models, SHAPE_DECODER)
        decoded = decoder(shape, slabs=slabs)
        models.worked_in(slabs.peak)
        work.remember("decode_shape", slabs=slabs.chosen)
    if not bool(decoded.intersected.any()):
        raise EngineError(
            "shape_empty",
            "The model's shape has no surface.",
            "Try another seed, or a picture that shows the object larger.",
        )
    return decoded


@repeated_when_full
def decode_material(work: Work, texture: SparseTensor, pyramid: Pyramid) -> DecodedMaterial:
    """The materials of the voxels that a pyramid leads to."""
    models, working = work.models, needs.codec_room(work.models, MATERIAL_DECODER, len(texture))
    with (
        work.report.stage("decode_material"),
        models.on_device(MATERIAL_DECODER, working, grows=True) as decoder,
    ):
        slabs = needs.slabs_of(models, MATERIAL_DECODER, len(pyramid[-1].children))
        material = decoder(texture, pyramid, slabs=slabs)
        models.worked_in(slabs.peak)
        work.remember("decode_material", slabs=slabs.chosen)
        return material


@repeated_when_full
def _decode_structure(work: Work, latent: Tensor, grid: int) -> Topology:
    """A cell of the grid is occupied if any of the finer cells inside is."""
    models = work.models
    config = models.skeleton(STRUCTURE_DECODER).config
    size = latent.shape[-1] << (len(config.channels) - 1)
    working = needs.structure_bytes(size, min(config.channels))
    with (
        work.report.stage("decode_structure"),
        models.on_device(STRUCTURE_DECODER, working) as decoder,
    ):
        work.remember("decode_structure")
        occupied = (decoder(latent) > 0).float()
        occupied = F.max_pool3d(occupied, occupied.shape[-1] // grid)
        coords = torch.argwhere(occupied > 0.5)[:, [0, 2, 3, 4]].int()
    if len(coords) == 0:
        raise EngineError(
            "structure_empty",
            "The model saw no object in this picture: its structure came out empty.",
            "Try another seed, or a picture that shows the object larger and in front of a plain "
            "background.",
        )
    return Topology(coords)


@repeated_when_full
def _upsample(work: Work, coarse: SparseTensor) -> Tensor:
    """(N, 4) voxels of a coarse shape."""
    models = work.models
    working = needs.codec_room(models, SHAPE_DECODER, len(coarse), upsample=True)
    with (
        work.report.stage("upsample"),
        models.on_device(SHAPE_DECODER, working, grows=True) as decoder,
    ):
        slabs = needs.slabs_of(models, SHAPE_DECODER)
        voxels = decoder.upsample(coarse, len(decoder.blocks) - 1, slabs=slabs)
        models.worked_in(slabs.peak)
        work.remember("upsample", slabs=slabs.chosen)
        return voxels.coords


def _sample(
    work: Work,
    stage: str,
    name: str,
    tokens: Tensor,
    params: SamplerParams,
    noise: Tensor,
    spread: Spread,
    *,
    cells: int,
    wrap: Callable[[Tensor], object] = lambda x: x,
    more: tuple[object, ...] = (),
    decided_by: tuple[Tensor, ...] = (),
) -> Tensor:
    """A sample of a flow: from noise, or as an earlier attempt kept it, and no stage comes.

    Args:
        wrap: makes of the state what the flow takes.
        more: further arguments of the flow.
        decided_by: what the sample depends on beside the network, its settings, the picture and
            the noise.
    """
    models, kept = work.models, work.kept
    if not kept.active:
        return _drawn(work, stage, name, tokens, params, noise, spread, cells, wrap, more)
    network = fingerprint(models.checkpoint.files(name)[1])
    settings = f"{name} {models.dtype(name)} {to_dict(params)}"
    key = sample_key(network, settings, tokens, noise, *decided_by)
    found = kept.find(key)
    if found is not None:
        work.remember(stage)
        models.used.add(name)
        return found.to(models.device)
    drawn = _drawn(work, stage, name, tokens, params, noise, spread, cells, wrap, more)
    kept.put(key, drawn)
    return drawn


@repeated_when_full
def _drawn(
    work: Work,
    stage: str,
    name: str,
    tokens: Tensor,
    params: SamplerParams,
    noise: Tensor,
    spread: Spread,
    cells: int,
    wrap: Callable[[Tensor], object],
    more: tuple[object, ...],
) -> Tensor:
    """As ``_sample``, from noise, looking at the cancel token before every pass."""
    models, cancel = work.models, work.report.cancel
    use, guidance = needs.guided_use(models, name, cells, tokens.shape[1], params)
    with (
        work.report.stage(stage, params.steps) as step_done,
        models.on_device(name, use.working_bytes, kept_bytes=use.kept_bytes) as flow,
    ):
        work.remember(stage, guidance=guidance.name)

        def prepare() -> dict[bool, Condition]:
            picture = flow.prepare(tokens.to(models.device), zero_shortcut=False)
            return {True: picture, False: flow.prepare_zeros(len(tokens))}

        key = work.picture.key
        conditions = models.pictures.prepared(key, name, use.kept_bytes, prepare)
        x = noise.to(models.device)
        with stepping(
            BoundFlow(flow, conditions, wrap, more),
            models.device,
            guidance=guidance,
            recordable=not models.is_streamed(name),
            before_pass=cancel.check,
        ) as velocity:
            for step in sample(velocity, x, params, spread=spread):
                x = step.x
                step_done(step.index + 1)
        return x
