"""The selected objects, and whether a verb can be done with them."""

from typing import Any


def meshes(context: Any) -> list[Any]:
    """The selected mesh objects, the active one first."""
    chosen = [ob for ob in context.selected_objects if ob.type == "MESH"]
    active = context.view_layer.objects.active
    return sorted(chosen, key=lambda ob: ob != active)


def why_not(operator: str, thing: Any) -> str:
    """Why a verb cannot be done with an object now, in full, or empty."""
    from ..bl import edits, mesh_out, recipe, replace, tick
    from ..core import refusals

    snapshot, made = tick.snapshot(), bool(recipe.job_of(thing))
    if operator == "maquette.retexture":
        return refusals.why_not_retexture(snapshot) or mesh_out.why_not(thing)
    if operator == "maquette.upscale":
        # What was edited by hand starts from its mesh.
        side = 0 if edits.seen(thing) else recipe.resolution_of(thing)
        refused = refusals.why_not_upscale(snapshot, made_here=made, side=side)
    elif recipe.is_of_look(thing):
        refused = refusals.ONLY_LOOK
    else:
        refused = refusals.why_not_finish(snapshot, made_here=made)
    return refused or replace.why_not(thing)
