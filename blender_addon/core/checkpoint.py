"""What the networks in use can do, for panels: qualities, their cost, and what can be changed."""

from ..protocol.replies import CheckpointDescription
from .snapshot import CheckpointView, QualityView, StageView


def checkpoint_view(told: CheckpointDescription) -> CheckpointView:
    """As panels draw it."""
    return CheckpointView(
        name=told.name,
        small=told.small,
        qualities=tuple(
            QualityView(
                name=row.name,
                resolution=row.resolution,
                seconds=row.seconds,
                memory=row.memory,
                missing=row.missing,
            )
            for row in told.qualities
        ),
        stages=tuple(
            StageView(
                name=row.stage,
                label=row.label,
                steps=row.default.steps,
                guidance_strength=row.default.guidance_strength,
                reuse_after=row.reuse_after,
            )
            for row in told.samplers
            if row.job == "generate"
        ),
        default_quality=told.quality,
        note=told.note,
        upscale_resolution=told.upscale_resolution or 0,
        upscale_seconds=told.upscale_seconds,
        texture_resolution=told.texture_resolution or 0,
        texture_seconds=told.texture_seconds,
        game_seconds=told.game_seconds,
        closed=told.finishing.closed,
        faces=told.finishing.faces,
        words=told.prompts,
        words_missing=told.prompts_missing,
    )
