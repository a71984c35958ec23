"""A finer version of an asset or of a mesh."""

import torch
import torch.nn.functional as F

from engine.assets.asset import Asset, Latent
from engine.finishing.given_mesh import mesh_key, voxelise
from engine.images.picture import PictureSource
from engine.report import Report
from engine.residency.models import Models
from engine.sampling.noise import Noise
from engine.sparse import SparseTensor
from engine.systems.inputs import Inputs
from engine.systems.trellis2.assemble import voxels_of
from engine.systems.trellis2.names import (
    COARSE,
    MAX_TOKENS,
    SAMPLED,
    SHAPE,
    SHAPE_DECODER,
    TEXTURE,
)
from engine.systems.trellis2.needs import needs_of_upscaling
from engine.systems.trellis2.recipe import check_recipe, recipe_of
from engine.systems.trellis2.routes import cascade_of, check_finer, offer_of
from engine.systems.trellis2.stages import (
    decode_material,
    decode_shape,
    encode_shape,
    finer_cells,
    sample_shape,
    sample_texture,
)
from engine.systems.trellis2.work import Work, begin_work, samplers_of
from protocol.errors import EngineError
from protocol.jobs import UpscaleJob
from protocol.limits import DEFAULT_SEED, MatteMethod
from protocol.references import Prompt
from protocol.samplers import SamplerParams, Sampling


@torch.inference_mode()
def upscale(job: UpscaleJob, models: Models, report: Report, inputs: Inputs | None = None) -> Asset:
    """Sample shape and texture of an asset again on a finer grid, on top of its coarse shape.

    An asset continues from where it began to be fine: with the same seed and picture the result is
    that of generating at the finer type at once. A mesh is encoded first.

    Args:
        job: what is wanted.
        models, report, inputs: as for ``generate``.

    Raises:
        Cancelled, EngineError: as ``generate``, what is wrong with the mesh, and
            ``picture_missing`` for a mesh without a picture.
    """
    inputs, max_tokens = inputs or Inputs(), job.max_tokens or MAX_TOKENS
    origin = inputs.asset(job.source) if inputs.is_asset(job.source) else None
    if origin is not None:
        check_recipe(origin.recipe)
    picture, matte = _picture_of(job, origin, inputs)
    offer = offer_of(models)
    route, fine = cascade_of(offer, job.type, job.quality, finer_than=_resolution(origin))
    uses = needs_of_upscaling(models, route, max_tokens, origin)
    seed, noise = _randomness(job, origin)
    samplers = _samplers(job, origin, models)
    source = origin
    if source is None:
        with report.stage("reading"):
            source = inputs.mesh(
                job.source, require_textures=job.require_textures, tell=report.note
            )
    work = begin_work(
        models, report, inputs, uses,
        spec=models.generation, picture=picture, matte=matte,
        noise=noise, samplers=samplers, max_tokens=max_tokens,
    )  # fmt: skip

    coarse_draws = len(noise.shapes)
    if isinstance(source, Asset):
        kept, coarse_latent = source.tensors, source.latents[COARSE]
        placement, key = source.voxels.placement, source.recipe.get("mesh_sha256")
    else:
        voxels = voxelise(source, route.first.resolution, report)
        placement = voxels.placement
        coarse_latent = Latent.of(encode_shape(work, voxels.grid).mean, route.first.resolution)
        kept, key = {}, mesh_key(source)
    coarse = _on_device(work, coarse_latent)
    cells, resolution = finer_cells(work, coarse, coarse_latent.resolution, route)
    lowered = resolution < route.resolution
    check_finer(offer, resolution, finer_than=_resolution(origin), lowered=lowered)
    shape = sample_shape(work, "fine_shape", fine, cells)
    texture = sample_texture(work, fine, shape)
    decoded = decode_shape(work, shape)
    material = decode_material(work, texture, decoded.pyramid)

    asset = Asset(
        voxels=voxels_of(decoded, material, resolution, placement),
        latents={
            COARSE: coarse_latent,
            SHAPE: Latent.of(shape, resolution),
            TEXTURE: Latent.of(texture, resolution),
        },
        recipe=recipe_of(
            "upscale",
            work,
            seed,
            route,
            resolution,
            coarse_draws,
            quality=job.quality,
            mesh_key=key,
        ),
        picture=work.picture.cutout,
        tensors=kept,
    )
    report.part("mesh", lambda: asset.mesh)
    return asset


def _resolution(origin: Asset | None) -> int:
    """Voxels an axis that the source has already; 0 for a mesh."""
    return 0 if origin is None else origin.latents[SHAPE].resolution


def _picture_of(
    job: UpscaleJob, origin: Asset | None, inputs: Inputs
) -> tuple[PictureSource | Prompt, MatteMethod]:
    """What the finer details are taken from, and how its background goes.

    Raises:
        EngineError: ``picture_missing``.
    """
    if job.picture is not None and not inputs.is_asset(job.picture):
        return inputs.picture(job.picture), job.matte
    shown = origin if job.picture is None else inputs.asset(job.picture)
    if shown is not None:
        prompt = shown.recipe.get("prompt")
        return Prompt(prompt) if prompt else shown.picture, "cutout"
    raise EngineError(
        "picture_missing",
        "A mesh alone does not say what its finer details look like.",
        "Give a picture of the object as well.",
    )


def _randomness(job: UpscaleJob, origin: Asset | None) -> tuple[int, Noise]:
    """The seed, and a generator that stands where the asset's stood after its coarse shape."""
    seed = job.seed
    if seed is None:
        seed = DEFAULT_SEED if origin is None else int(origin.recipe["seed"])
    return seed, Noise(seed, origin.recipe["coarse_draws"] if origin else ())


def _samplers(job: UpscaleJob, origin: Asset | None, models: Models) -> dict[str, SamplerParams]:
    """The job's changes over the asset's own settings, or else over the checkpoint's."""
    made = origin.recipe["samplers"] if origin else {}
    own = {name: Sampling(**made[name]) for name in SAMPLED[UpscaleJob] if name in made}
    changes = {
        name: own.get(name, Sampling()).before(change) for name, change in job.samplers.items()
    }
    return samplers_of(models.generation, UpscaleJob, own | changes, fast=job.fast)


def _on_device(work: Work, latent: Latent) -> SparseTensor:
    """A stored latent, where the networks are.

    Raises:
        EngineError: ``latent_foreign``.
    """
    channels = work.models.skeleton(SHAPE_DECODER).config.latent_channels
    if latent.feats.shape[1] != channels:
        raise EngineError(
            "latent_foreign",
            f"The asset's latents have {latent.feats.shape[1]} channels, the checkpoint's networks "
            f"want {channels}.",
            "Use the checkpoint that the asset was made with.",
        )
    coords = F.pad(latent.coords, (1, 0)).int()
    return SparseTensor.from_coords(coords, latent.feats).to(work.models.device)
