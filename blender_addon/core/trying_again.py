"""Another try of a job with other settings: what it was made with, as values that a dialog holds.

Only what was changed in the dialog is changed; the rest stays as it was, also where it was left to
the checkpoint.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..protocol.errors import EngineError
from . import recipes
from .costs import quality_of
from .settings import SURFACES, FinishSettings, Settings, TextureSettings, UpscaleSettings
from .snapshot import CheckpointView

if TYPE_CHECKING:
    from .following import Followed

Values = Mapping[str, Any]
_OF_FINISH = ("faces", "texture_size", "surface")
_OF_FINISHING_AGAIN = ("levels", "normal_map", "hull")


def settings_of(job: "Followed") -> Settings:
    """What a job is made with.

    Raises:
        EngineError: ``settings_unknown``: the engine has not told yet.
    """
    if job.job is None:
        raise EngineError(
            "settings_unknown",
            "The engine has not told yet what this job was made with.",
            "Wait a moment, or try it again as it was.",
        )
    settings = recipes.settings_of(recipes.recipe_of(job))
    if isinstance(settings, FinishSettings):
        return settings
    return replace(settings, checkpoint=job.checkpoint)  # a folder too, which no recipe has


def values_of(settings: Settings, checkpoint: CheckpointView | None = None) -> dict[str, Any]:
    """What can be changed for such a job: names and values as a dialog shows them.

    Args:
        checkpoint: says what is meant where the settings leave it to the networks; or None.
    """
    from ..protocol.finishes import FinishAdvice

    values: dict[str, Any] = {}
    if not isinstance(settings, FinishSettings | TextureSettings):
        usual = quality_of(checkpoint, "")
        finest = checkpoint.qualities[-1] if checkpoint and checkpoint.qualities else None
        row = finest if isinstance(settings, UpscaleSettings) else usual
        if quality := settings.quality or (row.name if row else ""):
            values["quality"] = quality
    if not isinstance(settings, FinishSettings) and settings.seed is not None:
        values["seed"] = settings.seed
    finish = settings if isinstance(settings, FinishSettings) else settings.finish
    if finish is None:
        return values
    advice = FinishAdvice(faces=checkpoint.faces if checkpoint else None)
    made = finish.choice().settled(advice)
    values["texture_size"] = made.texture_size
    if isinstance(settings, TextureSettings):
        return values  # its faces stay as they are
    if made.quads is None:
        values["faces"] = made.faces
    values["surface"] = finish.surface
    if isinstance(settings, FinishSettings):
        values["levels"] = len(made.lod_shares)
        values["normal_map"], values["hull"] = made.normal_map, made.collision_hull
    return values


def changed(settings: Settings, before: Values, after: Values) -> Settings:
    """The settings with what the user has changed.

    Args:
        before: as ``values_of`` gave them.
        after: the same names; further ones do not count.

    Raises:
        EngineError: what is out of range.
    """
    new = {name: after[name] for name in before if after[name] != before[name]}
    finish = {name: new.pop(name) for name in (*_OF_FINISH, *_OF_FINISHING_AGAIN) if name in new}
    if "surface" in finish:
        finish["closed"], finish["solid"] = SURFACES[finish.pop("surface")]
    if "hull" in finish:
        finish["collision_hull"] = finish.pop("hull")
    if isinstance(settings, FinishSettings):
        return replace(settings, **finish)
    if isinstance(settings, TextureSettings):
        return replace(settings, **new, **finish)
    if finish:
        new["finish"] = replace(settings.finish or FinishSettings(), **finish)
    return replace(settings, **new)
