"""What a request will need of the device, before anything is known but its type."""

from engine.assets.asset import Asset
from engine.checkpoints.image_encoders import IMAGE_ENCODER
from engine.networks.scaled_linear import widened_bytes
from engine.residency import memory
from engine.residency.models import Models
from engine.residency.plan import Policy, Use
from engine.systems.trellis2.names import (
    COARSE,
    MATERIAL_DECODER,
    SHAPE_DECODER,
    SHAPE_ENCODER,
    STRUCTURE_DECODER,
    STRUCTURE_FLOW,
)
from engine.systems.trellis2.routes import Level, Route

CELLS_OF_A_SURFACE = 2.35
"""Times the square of the latent grid: a usual object (9.6 K cells at 64^3)."""
PATCH = 16
MOST_SLABS = 32
HALO = 2
"""A slab with what it needs at both sides is at most so many times the slab."""
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
        uses.append(Use(SHAPE_DECODER, decoder_bytes(models, SHAPE_DECODER, coarse, upsample=True)))
        uses.append(flow_use(models, route.fine.shape_flow, count, route.fine.pixels))
    uses.append(flow_use(models, route.last.texture_flow, count, route.last.pixels))
    return [
        *uses,
        decoder_use(models, SHAPE_DECODER, count),
        decoder_use(models, MATERIAL_DECODER, count),
    ]


def needs_of_texturing(models: Models, level: Level, resolution: int, factor: int) -> list[Use]:
    """The stages of ``texture``."""
    count = cells(resolution // factor)
    return [
        encoder_use(),
        encoding_use(models, count),
        flow_use(models, level.texture_flow, count, level.pixels),
        decoder_use(models, MATERIAL_DECODER, count),
    ]


def needs_of_upscaling(
    models: Models, route: Route, max_tokens: int, source: Asset | None
) -> list[Use]:
    """The stages of ``upscale``; ``source`` None: from a mesh, which is encoded first."""
    uses = [encoder_use()]
    if source is None:
        coarse = cells(route.first.latent_grid)
        uses.append(encoding_use(models, coarse))
    else:
        # The coarse shape of an asset may be one of the finer networks.
        coarse = len(source.latents[COARSE].coords)
    return [*uses, *needs_of_refinement(models, route, max_tokens, coarse)]


def encoder_use() -> Use:
    return Use(IMAGE_ENCODER, ENCODER_BYTES)


def encoding_use(models: Models, count: int) -> Use:
    return Use(SHAPE_ENCODER, decoder_bytes(models, SHAPE_ENCODER, count))


def encoder_bytes(models: Models, voxels: int) -> int:
    """The shape encoder on that many voxels."""
    levels = len(models.skeleton(SHAPE_ENCODER).config.model_channels)
    return decoder_bytes(models, SHAPE_ENCODER, round(voxels / memory.GROWTH ** (levels - 1)) + 1)


def flow_use(models: Models, name: str, count: int, pixels: int) -> Use:
    """A flow on ``count`` cells, with the image_tokens of a picture of ``pixels`` a side."""
    return exact_flow_use(models, name, count, 5 + (pixels // PATCH) ** 2)


def exact_flow_use(models: Models, name: str, count: int, context: int) -> Use:
    """A flow on ``count`` cells with ``context`` image_tokens."""
    flow, size = models.skeleton(name), models.dtype(name).itemsize
    config = flow.config
    return Use(
        name,
        memory.flow_bytes(config, count, context, size) + widened_bytes(flow),
        memory.condition_bytes(config, context, size),
    )


def decoder_bytes(models: Models, name: str, count: int, *, upsample: bool = False) -> int:
    """An SC-VAE network whose latent has ``count`` cells; ``upsample``: all but its last level."""
    widths = list(models.skeleton(name).config.model_channels)
    if name == SHAPE_ENCODER:
        widths.reverse()
    if upsample:
        widths.pop()
    guess = memory.cells_guess(count, len(widths))
    return memory.decoder_bytes(widths, guess, models.dtype(name).itemsize)


def decoder_use(models: Models, name: str, count: int) -> Use:
    """A decoder on a latent of ``count`` cells, at the least with its finest level in slabs."""
    whole = decoder_bytes(models, name, count)
    return Use(name, whole, least_bytes=min(whole, slab_bytes(models, name, count, MOST_SLABS)))


def slab_bytes(models: Models, name: str, count: int, slabs: int) -> int:
    """As ``decoder_bytes``, with the finest level in slabs."""
    if slabs == 1:
        return decoder_bytes(models, name, count)
    widths = list(models.skeleton(name).config.model_channels)
    guess = memory.cells_guess(count, len(widths))
    size = models.dtype(name).itemsize
    # What stays of every fine cell: coords, the way from its parent, and what came out.
    staying = guess[-1] * (16 + 16 + 8 * 4)
    parents = guess[-2] * widths[-2] * size
    slab = decoder_bytes(models, name, count) * HALO // slabs
    return max(decoder_bytes(models, name, count, upsample=True), parents + slab) + staying


def slabs_for(models: Models, name: str, count: int) -> int:
    """Into how many slabs a decoder's finest level has to be cut to fit into the budget."""
    if models.budget is None:
        return 1
    weights = models.weights(name)
    held = weights.streamed if models.policy is Policy.STREAMED else weights.whole
    available = models.budget - held
    return next(
        (n for n in (1, 2, 4, 8, 16) if slab_bytes(models, name, count, n) <= available),
        MOST_SLABS,
    )


def structure_bytes(grid: int, width: int) -> int:
    """The structure decoder at its finest level, in float32."""
    return grid**3 * width * 4 * 5


def cells(latent_grid: int) -> int:
    """Occupied cells of a usual object."""
    return round(CELLS_OF_A_SURFACE * latent_grid**2)
