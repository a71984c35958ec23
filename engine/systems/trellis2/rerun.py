"""The job that makes an asset again, from what the asset itself remembers."""

from dataclasses import replace
from typing import Any

from engine.assets.asset import Asset
from engine.systems.inputs import Inputs
from engine.systems.trellis2.names import COARSE, SHAPE, SYSTEM
from engine.systems.trellis2.recipe import check_recipe
from protocol.errors import EngineError
from protocol.jobs import GenerateJob, MakingJob, TextureJob, UpscaleJob
from protocol.references import Prompt
from protocol.samplers import Sampling


def job_again(asset: Asset) -> tuple[MakingJob, Inputs]:
    """The job that makes an asset again, by the recipe's kind, and what is attached to it.

    Equal bit for bit on the same checkpoint, versions and device, as long as every stage runs
    again as it ran (``memory`` in the recipe): an encoder or decoder in slabs sums up in another
    order, and so do larger products where guided steps are one batch.

    Raises:
        EngineError: ``mesh_missing`` for a textured asset that has lost its mesh, and as
            ``check_recipe``.
    """
    recipe, inputs = asset.recipe, Inputs()
    check_recipe(recipe)
    common: dict[str, Any] = {
        "picture": Prompt(prompt)
        if (prompt := recipe.get("prompt"))
        else inputs.attach(asset.picture),
        "system": SYSTEM,
        "seed": recipe["seed"],
        "matte": "cutout",
        "samplers": {name: Sampling(**values) for name, values in recipe["samplers"].items()},
    }
    if recipe["kind"] == "texture":
        if asset.given_mesh is None:
            raise EngineError(
                "mesh_missing",
                "The asset does not hold the mesh that was textured.",
                "Texture the mesh again.",
            )
        mesh = inputs.attach(asset.given_mesh)
        return TextureJob(mesh=mesh, resolution=recipe["resolution"], **common), inputs
    common |= {"type": recipe["type"], "max_tokens": recipe["max_tokens"]}
    if recipe["kind"] == "generate":
        return GenerateJob(**common), inputs
    # Its finer shape was sampled on top of the coarse one, which it still has.
    before = replace(asset, latents={**asset.latents, SHAPE: asset.latents[COARSE]})
    return UpscaleJob(source=inputs.attach(before), **common), inputs
