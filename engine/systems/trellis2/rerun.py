"""The job that makes an asset again, from what the asset itself remembers."""

from dataclasses import replace
from typing import Any

from engine.assets.asset import Asset
from engine.render.turntable import png_bytes
from engine.systems.jobs import GenerateJob, Sampling, TextureJob, UpscaleJob
from protocol.errors import EngineError


def job_again(asset: Asset) -> GenerateJob | TextureJob | UpscaleJob:
    """The job that makes an asset again, by the recipe's kind.

    Equal bit for bit on the same checkpoint, versions and device, as long as every stage runs
    whole again where it ran whole (``memory`` in the recipe): a decoder in slabs sums up in
    another order.

    Raises:
        EngineError: ``mesh_missing`` for a textured asset that has lost its mesh.
    """
    recipe = asset.recipe
    common: dict[str, Any] = {
        "picture": png_bytes(asset.picture),
        "seed": recipe["seed"],
        "matte": "cutout",
        **{name: Sampling(**values) for name, values in recipe["samplers"].items()},
    }
    if recipe["kind"] == "texture":
        if asset.given_mesh is None:
            raise EngineError(
                "mesh_missing",
                "The asset does not hold the mesh that was textured.",
                "Texture the mesh anew.",
            )
        return TextureJob(mesh=asset.given_mesh, resolution=recipe["resolution"], **common)
    common |= {"type": recipe["type"], "max_tokens": recipe["max_tokens"]}
    if recipe["kind"] == "generate":
        return GenerateJob(**common)
    # Its finer shape was sampled on top of the coarse one, which it still has.
    before = replace(asset, latents=replace(asset.latents, shape=asset.latents.coarse))
    return UpscaleJob(source=before, **common)
