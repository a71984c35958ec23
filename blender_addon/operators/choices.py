"""What the panels hold, as the plain settings of ``core``."""

from typing import Any

from ..core.settings import (
    SURFACES,
    FinishSettings,
    GenerateSettings,
    StageSettings,
    TextureSettings,
    UpscaleSettings,
)
from ..properties import MATTES, STAGES, TEXTURE_SIZES

TEXTURE_SIDES = {name for name, *_ in TEXTURE_SIZES}
MATTE_NAMES = {name for name, *_ in MATTES}


def stages(chosen: Any, checkpoint: Any) -> dict[str, StageSettings]:
    """The changed samplers by the names of their stages."""
    found: dict[str, StageSettings] = {}
    for number, stage in enumerate(checkpoint.stages[:STAGES] if checkpoint else ()):
        changes = chosen.stage(number)
        if changes.changed:
            found[stage.name] = StageSettings(
                steps=changes.own_steps or None,
                guidance_strength=None if changes.own_guidance < 0 else changes.own_guidance,
            )
    return found


def finish(chosen: Any) -> FinishSettings:
    """How a new object is finished; faces that were not changed are left to the checkpoint."""
    return FinishSettings(
        faces=chosen.own_faces or None,
        texture_size=int(chosen.texture_size) if chosen.changed("texture_size") else None,
        closed=SURFACES[chosen.surface],
    )


def quality(chosen: Any, checkpoint: Any) -> str:
    """The chosen quality where the checkpoint has it; empty: it is left to the checkpoint."""
    names = [quality.name for quality in checkpoint.qualities] if checkpoint else []
    return chosen.quality if chosen.quality in names else ""


def generate(chosen: Any, checkpoint: Any) -> GenerateSettings:
    """For the button Generate."""
    return GenerateSettings(
        quality=quality(chosen, checkpoint),
        seed=chosen.seed,
        variants=chosen.variants,
        matte=chosen.matte,
        stages=stages(chosen, checkpoint),
        finish=finish(chosen),
    )


def apply(chosen: Any, settings: GenerateSettings, checkpoint: Any) -> None:
    """Set the choices as a preset has them; the seed stays."""
    made = settings.finish or FinishSettings()
    if settings.quality:
        chosen.quality = settings.quality
    chosen.variants = settings.variants
    chosen.own_faces = made.faces or 0
    if str(made.texture_size) in TEXTURE_SIDES:
        chosen.texture_size = str(made.texture_size)
    else:
        chosen.property_unset("texture_size")
    chosen.surface = next(name for name, closed in SURFACES.items() if closed is made.closed)
    chosen.matte = settings.matte if settings.matte in MATTE_NAMES else "auto"
    for number, stage in enumerate(checkpoint.stages[:STAGES] if checkpoint else ()):
        given, changes = settings.stages.get(stage.name, StageSettings()), chosen.stage(number)
        changes.own_steps = given.steps or 0
        changes.own_guidance = -1.0 if given.guidance_strength is None else given.guidance_strength


def texture(chosen: Any, checkpoint: Any) -> TextureSettings:
    """For Retexture."""
    return TextureSettings(
        texture_size=int(chosen.texture_size) if chosen.changed("texture_size") else None,
        seed=chosen.seed,
        matte=chosen.matte,
        stages={n: s for n, s in stages(chosen, checkpoint).items() if n == "texture"},
    )


def upscale(chosen: Any) -> UpscaleSettings:
    """For Upscale."""
    return UpscaleSettings(matte=chosen.matte)


def finish_again(chosen: Any) -> FinishSettings:
    """For Finish Again."""
    return FinishSettings(
        faces=chosen.finish_faces,
        texture_size=int(chosen.finish_texture_size),
        closed=SURFACES[chosen.finish_surface],
        normal_map=chosen.finish_normal_map,
        levels=chosen.finish_levels,
        collision_hull=chosen.finish_hull,
    )
