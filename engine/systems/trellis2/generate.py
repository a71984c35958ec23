"""An asset from a picture."""

import torch

from engine.assets.asset import Asset, Latent
from engine.ovoxel.placement import Placement
from engine.report import Report
from engine.residency.models import Models
from engine.sampling.noise import Noise
from engine.systems.inputs import Inputs
from engine.systems.trellis2.assemble import voxels_of
from engine.systems.trellis2.names import COARSE, MAX_TOKENS, SHAPE, STRUCTURE, TEXTURE
from engine.systems.trellis2.needs import needs_of_generation
from engine.systems.trellis2.recipe import recipe_of
from engine.systems.trellis2.routes import offer_of, route_of
from engine.systems.trellis2.stages import (
    decode_material,
    decode_shape,
    finer_cells,
    sample_shape,
    sample_structure,
    sample_texture,
)
from engine.systems.trellis2.work import begin_work, samplers_of
from protocol.jobs import GenerateJob


@torch.inference_mode()
def generate(
    job: GenerateJob, models: Models, report: Report, inputs: Inputs | None = None
) -> Asset:
    """Make an asset from a picture.

    Args:
        job: what is wanted.
        models: a checkpoint's networks. What they made of the picture is kept for the next job
            with the same one, and the networks themselves as the memory allows.
        report: told about stages, steps, parts and what the user should know.
        inputs: what was attached to the job; None: nothing.

    Raises:
        Cancelled: through ``report.cancel``, within one step.
        EngineError: what is wrong with the picture, the type, the checkpoint or the memory.
    """
    inputs = inputs or Inputs()
    route = route_of(offer_of(models), job.type, job.quality)
    samplers = samplers_of(models.generation, GenerateJob, job.samplers, fast=job.fast)
    max_tokens = job.max_tokens or MAX_TOKENS
    noise = Noise(job.seed)
    work = begin_work(
        models, report, inputs, needs_of_generation(models, route, max_tokens),
        spec=models.generation, picture=inputs.picture(job.picture), matte=job.matte,
        noise=noise, samplers=samplers, max_tokens=max_tokens,
    )  # fmt: skip

    structure = sample_structure(work, route)
    grid = route.first.latent_grid
    report.part("structure", lambda: (structure.coords[:, 1:].cpu().numpy(), grid))
    coarse = shape = sample_shape(work, "shape", route.first, structure)
    coarse_draws, resolution = len(noise.shapes), route.resolution
    if route.fine is not None:
        cells, resolution = finer_cells(work, coarse, route.first.resolution, route)
        shape = sample_shape(work, "fine_shape", route.fine, cells)
    texture = sample_texture(work, route.last, shape)
    decoded = decode_shape(work, shape)
    material = decode_material(work, texture, decoded.pyramid)

    asset = Asset(
        voxels=voxels_of(decoded, material, resolution, Placement()),
        latents={
            COARSE: Latent.of(coarse, route.first.resolution),
            SHAPE: Latent.of(shape, resolution),
            TEXTURE: Latent.of(texture, resolution),
        },
        recipe=recipe_of(
            "generate", work, job.seed, route, resolution, coarse_draws, quality=job.quality
        ),
        picture=work.picture.cutout,
        tensors={STRUCTURE: structure.coords[:, 1:].cpu().clone()},
    )
    report.part("mesh", lambda: asset.mesh)
    return asset
