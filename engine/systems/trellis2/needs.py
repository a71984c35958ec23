"""What a request will need of the device, before anything is known but its type."""

import math
from dataclasses import replace

from engine.assets.asset import Asset
from engine.checkpoints.image_encoders import IMAGE_ENCODER
from engine.networks.sc_vae_blocks import chunk_bytes
from engine.networks.scaled_linear import widened_bytes
from engine.residency import memory
from engine.residency.models import Models
from engine.residency.plan import Use
from engine.residency.slabs import (
    TABLE_BYTES,
    DecoderSize,
    EncoderSize,
    SlabChoice,
    VaeSize,
    walked,
)
from engine.sampling import GUIDANCE, guided_steps
from engine.sampling.passes import TWO_PASSES
from engine.sparse.attention import score_bytes
from engine.sparse.backends import Backend
from engine.systems.trellis2.names import (
    COARSE,
    MATERIAL_DECODER,
    SHAPE_DECODER,
    SHAPE_ENCODER,
    STRUCTURE_DECODER,
    STRUCTURE_FLOW,
)
from engine.systems.trellis2.routes import Level, Route
from protocol.samplers import SamplerParams

CELLS_OF_A_SURFACE = 2.35
"""Times the square of the latent grid: a usual object (9.6 K cells at 64^3)."""
PATCH = 16
LIES_BESIDE = {MATERIAL_DECODER: 48, SHAPE_ENCODER: 39}
"""Bytes of each voxel that are there beside a network's work: of the decoded shape whose material
is wanted, and of the O-Voxels that are encoded."""
ENCODER_BYTES = 400 << 20
"""Working memory of DINOv3 at 1024 pixels."""


def needs_of_generation(models: Models, route: Route, max_tokens: int) -> list[Use]:
    """The stages of ``generate``."""
    config = models.skeleton(STRUCTURE_FLOW).config
    pixels = route.structure_pixels
    decoder = models.skeleton(STRUCTURE_DECODER).config
    grid = config.resolution << (len(decoder.channels) - 1)
    return [
        encoder_use(),
        flow_use(models, STRUCTURE_FLOW, config.resolution**3, pixels),
        Use(STRUCTURE_DECODER, structure_bytes(grid, min(decoder.channels))),
        flow_use(
            models, route.first.shape_flow, cells(route.first.latent_grid), route.first.pixels
        ),
        *needs_of_refinement(models, route, max_tokens, cells(route.first.latent_grid)),
    ]


def needs_of_refinement(models: Models, route: Route, max_tokens: int, coarse: int) -> list[Use]:
    """The stages after the first shape, whose latent has ``coarse`` cells."""
    uses: list[Use] = []
    count = min(cells(route.resolution // route.factor), max_tokens)
    if route.fine is not None:
        uses.append(codec_use(models, SHAPE_DECODER, coarse, upsample=True))
        uses.append(flow_use(models, route.fine.shape_flow, count, route.fine.pixels))
    uses.append(flow_use(models, route.last.texture_flow, count, route.last.pixels))
    return [
        *uses,
        codec_use(models, SHAPE_DECODER, count),
        codec_use(models, MATERIAL_DECODER, count),
    ]


def needs_of_texturing(models: Models, level: Level, resolution: int, factor: int) -> list[Use]:
    """The stages of ``texture``."""
    count = cells(resolution // factor)
    flow = flow_use(models, level.texture_flow, count, level.pixels)
    voxels = memory.cells_guess(count, len(models.skeleton(SHAPE_ENCODER).config.model_channels))
    return [
        encoder_use(),
        codec_use(models, SHAPE_ENCODER, count),
        # Where the encoded voxels were lies on the device until their materials are decoded.
        replace(flow, working_bytes=flow.working_bytes + sum(voxels) * TABLE_BYTES),
        codec_use(models, MATERIAL_DECODER, count),
    ]


def needs_of_upscaling(
    models: Models, route: Route, max_tokens: int, source: Asset | None
) -> list[Use]:
    """The stages of ``upscale``; ``source`` None: from a mesh, which is encoded first."""
    uses = [encoder_use()]
    if source is None:
        coarse = cells(route.first.latent_grid)
        uses.append(codec_use(models, SHAPE_ENCODER, coarse))
    else:
        # The coarse shape of an asset may be one of the finer networks.
        coarse = len(source.latents[COARSE].coords)
    return [*uses, *needs_of_refinement(models, route, max_tokens, coarse)]


def encoder_use() -> Use:
    return Use(IMAGE_ENCODER, ENCODER_BYTES)


def flow_use(models: Models, name: str, count: int, pixels: int) -> Use:
    """A flow on ``count`` cells, with the image_tokens of a picture of ``pixels`` a side."""
    return exact_flow_use(models, name, count, 5 + (pixels // PATCH) ** 2)


def exact_flow_use(models: Models, name: str, count: int, context: int, batch: int = 1) -> Use:
    """A flow on ``count`` cells, ``batch`` times at once, with ``context`` image_tokens."""
    flow, dtype = models.skeleton(name), models.dtype(name)
    config = flow.config
    working = memory.flow_bytes(config, batch * count, context, dtype.itemsize)
    working += widened_bytes(flow)
    # Items of a batch have their scores one after the other.
    working += score_bytes(
        models.device,
        dtype,
        heads=config.heads,
        width=config.head_dim,
        scores=count * max(count, context),
    )
    return Use(name, working, memory.condition_bytes(config, context, dtype.itemsize))


def guided_use(
    models: Models, name: str, count: int, context: int, params: SamplerParams
) -> tuple[Use, Backend]:
    """As ``exact_flow_use``, and how guided steps are computed: in one batch, where the device is
    faster so and the plan has room for it."""
    once = exact_flow_use(models, name, count, context)
    guidance = GUIDANCE.choose(models.device, models.dtype(name))
    if guidance.name == TWO_PASSES:
        return once, guidance
    twice = exact_flow_use(models, name, count, context, batch=2)
    if guided_steps(params) and models.has_room(twice):
        return twice, guidance
    return once, GUIDANCE.choose(models.device, models.dtype(name), TWO_PASSES)


def codec_use(models: Models, name: str, count: int, *, upsample: bool = False) -> Use:
    """An SC-VAE network whose latent has ``count`` cells, at the least with its levels in slabs."""
    whole = codec_bytes(models, name, count, upsample=upsample)
    least = codec_bytes(models, name, count, upsample=upsample, room=0)
    return Use(name, whole, least_bytes=min(whole, least))


def codec_bytes(
    models: Models, name: str, count: int, *, upsample: bool = False, room: int | None = None
) -> int:
    """An SC-VAE network whose latent has ``count`` cells.

    Args:
        upsample: only down to where a decoder's finest cells are.
        room: bytes within which it stays by its levels in slabs as far as it can; None: whole.
    """
    size = codec_size(models, name)
    guess = memory.cells_guess(count, len(size.widths))
    choice = SlabChoice(size, room, LIES_BESIDE.get(name, 0) * guess[-1])
    extent = math.sqrt(count / CELLS_OF_A_SURFACE)
    return walked(choice, guess[::-1] if size.encodes else guess, extent, upsample=upsample)


def codec_room(models: Models, name: str, count: int, *, upsample: bool = False) -> int:
    """What to ask for when such a network is put on the device: as little as the budget wants."""
    room = None
    if models.budget is not None:
        room = models.budget - models.weights(name).under(models.policy)
    return codec_bytes(models, name, count, upsample=upsample, room=room)


def encoder_room(models: Models, voxels: int) -> int:
    """``codec_room`` of the shape encoder on that many voxels."""
    levels = len(models.skeleton(SHAPE_ENCODER).config.model_channels)
    return codec_room(models, SHAPE_ENCODER, math.ceil(voxels / memory.GROWTH ** (levels - 1)))


def slabs_of(models: Models, name: str, voxels: int = 0) -> SlabChoice:
    """How an SC-VAE network that is on the device stays within what is left there.

    Args:
        voxels: of the shape that lies beside it, see ``LIES_BESIDE``.
    """
    beside = LIES_BESIDE.get(name, 0) * voxels
    return SlabChoice(codec_size(models, name), models.room, beside)


def codec_size(models: Models, name: str) -> VaeSize:
    """What the memory of an SC-VAE network follows from."""
    config = models.skeleton(name).config
    encodes = name == SHAPE_ENCODER
    return (EncoderSize if encodes else DecoderSize)(
        tuple(config.model_channels),
        tuple(config.num_blocks),
        config.in_channels if encodes else config.out_channels,
        models.dtype(name).itemsize,
        chunk_bytes(models.device),
    )


def structure_bytes(grid: int, width: int) -> int:
    """The structure decoder at its finest level, in float32."""
    return grid**3 * width * 4 * 5


def cells(latent_grid: int) -> int:
    """Occupied cells of a usual object."""
    return round(CELLS_OF_A_SURFACE * latent_grid**2)
