"""Whether the scene can take something now; if not, what for it waits, in full words."""

from typing import Any

import bpy  # pyright: ignore[reportMissingImports]

from ..core.language import said

_MODES = {
    "EDIT": "Edit Mode",
    "SCULPT": "Sculpt Mode",
    "VERTEX_PAINT": "Vertex Paint",
    "WEIGHT_PAINT": "Weight Paint",
    "TEXTURE_PAINT": "Texture Paint",
    "PARTICLE_EDIT": "Particle Edit",
}
_JOBS = {"RENDER": "the render ends", "OBJECT_BAKE": "the bake ends"}


def why_later(changed: "Any | None" = None) -> str:
    """Why nothing can be inserted now, such as "the render ends" (after "Waits until"), or empty.

    Args:
        changed: the object whose mesh is going to be replaced; None: a new object comes.
    """
    for job, words in _JOBS.items():
        if bpy.app.is_job_running(job):
            return said(words)
    for window in bpy.context.window_manager.windows:
        # A tool that is being used pushes its own undo step at its end, and ours would mix with
        # it. Others, such as add-ons that listen to keys, run for hours.
        for operator in window.modal_operators:
            if {"UNDO", "BLOCKING"} & set(operator.bl_options):
                return said("{tool} ends", tool=operator.bl_label or said("the tool"))
    return why_mode_forbids(changed)


def why_mode_forbids(changed: "Any | None") -> str:
    """As ``why_later``, for the mode of an object alone.

    In Edit Mode Blender ignores another mesh, and in the other modes the user works on the old one.
    """
    if changed is None:
        return ""
    if changed.mode == "OBJECT":
        shared = changed.type == "MESH" and changed.data.is_editmode
        if not shared:
            return ""
        return said("another object with the mesh of {name} leaves Edit Mode", name=changed.name)
    return said(
        "{name} leaves {mode}", name=changed.name, mode=said(_MODES.get(changed.mode, "its mode"))
    )
