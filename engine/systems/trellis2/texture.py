"""New materials for a mesh that exists."""

from dataclasses import replace

import torch

from engine.assets.asset import Asset, Latent
from engine.finishing.given_mesh import mesh_key, voxelise
from engine.report import Report
from engine.residency.models import Models
from engine.sampling.noise import Noise
from engine.systems.inputs import Inputs
from engine.systems.trellis2.names import COARSE, SHAPE, TEXTURE
from engine.systems.trellis2.needs import needs_of_texturing
from engine.systems.trellis2.recipe import recipe_of
from engine.systems.trellis2.routes import levels_of, offer_of, texture_level
from engine.systems.trellis2.stages import decode_material, encode_shape, sample_texture
from engine.systems.trellis2.work import begin_work, samplers_of
from protocol.jobs import TextureJob


@torch.inference_mode()
def texture(job: TextureJob, models: Models, report: Report, inputs: Inputs | None = None) -> Asset:
    """Give a mesh the materials of the object in a picture.

    The mesh keeps its vertices, faces and coordinates; the O-Voxels around it lie in the unit
    cube, to which their placement leads.

    Args:
        job: what is wanted.
        models, report, inputs: as for ``generate``.

    Raises:
        Cancelled, EngineError: as ``generate``, and what is wrong with the mesh.
    """
    inputs = inputs or Inputs()
    spec, offer = models.texturing, offer_of(models)
    resolution = job.resolution or levels_of(offer)[-1].resolution
    level = texture_level(offer, resolution)
    samplers = samplers_of(spec, TextureJob, job.samplers, fast=job.fast)
    uses = needs_of_texturing(models, level, resolution, offer.factor)
    with report.stage("reading"):
        mesh = inputs.mesh(job.mesh, require_textures=job.require_textures, tell=report.note)
    work = begin_work(
        models, report, inputs, uses,
        spec=spec, picture=inputs.picture(job.picture), matte=job.matte,
        noise=Noise(job.seed), samplers=samplers,
    )  # fmt: skip

    voxels = voxelise(mesh, resolution, report)
    encoded = encode_shape(work, voxels.grid)
    shape = encoded.mean
    latent = sample_texture(work, level, shape)
    material = decode_material(work, latent, encoded.pyramid)

    shape_latent = Latent.of(shape, resolution)
    asset = Asset(
        # The decoder leads back to the encoded voxels in their own order.
        voxels=replace(voxels, materials=material.attributes.cpu().numpy()),
        latents={
            COARSE: shape_latent,
            SHAPE: shape_latent,
            TEXTURE: Latent.of(latent, resolution),
        },
        recipe=recipe_of("texture", work, job.seed, None, resolution, 0, mesh_key=mesh_key(mesh)),
        picture=work.picture.cutout,
        given_mesh=mesh,
    )
    report.part("mesh", lambda: asset.mesh)
    return asset
