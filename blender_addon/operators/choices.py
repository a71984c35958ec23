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
from ..protocol.errors import EngineError

TEXTURE_SIDES = {name for name, *_ in TEXTURE_SIZES}
MATTE_NAMES = {name for name, *_ in MATTES}


def stages(chosen: Any, checkpoint: Any) -> dict[str, StageSettings]:
    """The changed samplers by the names of their stages.

    Args:
        checkpoint: None: the engine has not told yet; what was changed keeps the name that its
            stage had then.

    Raises:
        EngineError: ``stages_unknown``.
    """
    names = [stage.name for stage in checkpoint.stages] if checkpoint else None
    found: dict[str, StageSettings] = {}
    for number in range(STAGES if names is None else min(STAGES, len(names))):
        changes = chosen.stage(number)
        if not changes.changed:
            continue
        name = changes.stage if names is None else names[number]
        if not name:
            raise EngineError(
                "stages_unknown",
                "What was changed under Advanced cannot be used before the engine has told which "
                "stages there are.",
                "Start the engine, or restore what was changed.",
            )
        found[name] = StageSettings(
            steps=changes.own_steps or None,
            guidance_strength=None if changes.own_guidance < 0 else changes.own_guidance,
        )
    return found


def finish(chosen: Any) -> FinishSettings:
    """How a new object is finished; faces that were not changed are left to the checkpoint."""
    closed, solid = SURFACES[chosen.surface]
    return FinishSettings(
        faces=chosen.own_faces or None,
        texture_size=int(chosen.texture_size) if chosen.changed("texture_size") else None,
        closed=closed,
        solid=solid,
    )


def quality(chosen: Any, checkpoint: Any) -> str:
    """The chosen quality; empty: nobody has chosen one that there is, and it is left to the
    checkpoint."""
    names = [quality.name for quality in checkpoint.qualities] if checkpoint else []
    if chosen.quality in names or chosen.is_property_set("quality"):
        return chosen.quality
    return ""


def generate(chosen: Any, checkpoint: Any) -> GenerateSettings:
    """For the button Generate."""
    return GenerateSettings(
        quality=quality(chosen, checkpoint),
        seed=chosen.seed,
        variants=chosen.variants,
        matte=chosen.matte,
        stages=stages(chosen, checkpoint),
        fast=chosen.fast,
        finish=finish(chosen),
    )


def apply(chosen: Any, settings: GenerateSettings, checkpoint: Any) -> None:
    """Set the choices as a preset has them; the seed stays.

    Raises:
        EngineError: ``stages_unknown``; nothing is set then.
    """
    if checkpoint is None and settings.stages:
        raise EngineError(
            "stages_unknown",
            "This preset changes stages, and the engine has not told yet which there are.",
            "Start the engine, then use the preset.",
        )
    made = settings.finish or FinishSettings()
    if settings.quality:
        chosen.quality = settings.quality
    chosen.variants = settings.variants
    chosen.own_faces = made.faces or 0
    if str(made.texture_size) in TEXTURE_SIDES:
        chosen.texture_size = str(made.texture_size)
    else:
        chosen.property_unset("texture_size")
    chosen.surface = made.surface
    chosen.matte = settings.matte if settings.matte in MATTE_NAMES else "auto"
    chosen.fast = settings.fast
    for number, stage in enumerate(checkpoint.stages[:STAGES] if checkpoint else ()):
        given, changes = settings.stages.get(stage.name, StageSettings()), chosen.stage(number)
        changes.own_steps = given.steps or 0
        changes.own_guidance = -1.0 if given.guidance_strength is None else given.guidance_strength
        changes.stage = stage.name


def texture(chosen: Any, checkpoint: Any) -> TextureSettings:
    """For Retexture."""
    return TextureSettings(
        texture_size=int(chosen.texture_size) if chosen.changed("texture_size") else None,
        seed=chosen.seed,
        matte=chosen.matte,
        stages={n: s for n, s in stages(chosen, checkpoint).items() if n == "texture"},
        fast=chosen.fast,
    )


def upscale(chosen: Any) -> UpscaleSettings:
    """For Upscale."""
    return UpscaleSettings(matte=chosen.matte, fast=chosen.fast)


def finish_again(chosen: Any) -> FinishSettings:
    """For Finish Again."""
    closed, solid = SURFACES[chosen.finish_surface]
    return FinishSettings(
        faces=None if chosen.finish_quads else chosen.finish_faces,
        quads=chosen.finish_quads or None,
        texture_size=int(chosen.finish_texture_size),
        closed=closed,
        solid=solid,
        normal_map=chosen.finish_normal_map,
        levels=chosen.finish_levels,
        collision_hull=chosen.finish_hull,
    )
