"""The selected object: new materials, a finer version, finished again, its recipe."""

from typing import Any

from bpy.types import Panel

from ..bl import text, thumbnails, tick
from ..core import costs, finishes
from ..core.language import said
from ..operators.selection import meshes, why_not
from . import jobs
from .sidebar import Sidebar


def draw_button(
    layout: Any, context: Any, operator: str, thing: Any, icon: str, label: str = "",
    scale: float = 1.5,
) -> None:  # fmt: skip
    """A main button, and under it the whole reason where it cannot be pressed."""
    row = layout.row()
    row.scale_y = scale
    if label:
        row.operator(operator, text=label, icon=icon, translate=False)
    else:
        row.operator(operator, icon=icon)
    text.say(layout, context, why_not(operator, thing), icon="INFO")


def edited_by_hand(things: list[Any]) -> list[Any]:
    """Those whose mesh is no longer what their stored result shows, as far as it is known."""
    from ..bl import edits, recipe

    return [thing for thing in things if recipe.job_of(thing) and edits.seen(thing)]


def draw_edits(layout: Any, context: Any, things: list[Any], *, lost: bool) -> None:
    """What becomes of what was edited by hand since the meshes of some objects came."""
    if not things:
        return
    names = ", ".join(thing.name for thing in things)
    told = (
        said("Edited by hand: {names}. The edits will be lost.", names=names)
        if lost
        else said("Edited by hand: {names}. The mesh as it is now is used.", names=names)
    )
    text.say(layout, context, told, icon="ERROR" if lost else "INFO")


def draw_replaced(layout: Any, context: Any, thing: Any, *, as_it_is: bool = False) -> None:
    """What a new mesh cannot keep, and whether other objects with the mesh change too; ``as_it_is``
    as ``replace.modifiers_in``."""
    from ..bl import replace

    lost = replace.what_is_lost(thing)
    if lost:
        told = said("The new mesh will not have its {what}.", what=", ".join(lost))
        text.say(layout, context, told, icon="ERROR")
    text.say(layout, context, replace.looks_lost(thing), icon="ERROR")
    if modifiers := replace.modifiers_in(thing, as_it_is=as_it_is):
        told = said("Part of the new mesh, and switched off then: {what}.")
        text.say(layout, context, told.format(what=", ".join(modifiers)), icon="MODIFIER")
    draw_users(layout, context, thing)


def draw_users(layout: Any, context: Any, thing: Any) -> None:
    """One object or all, where several share the mesh."""
    if thing.data.users > 1:
        told = said("{count} objects share this mesh.", count=thing.data.users)
        text.say(layout, context, told, icon="LINKED")
        layout.prop(context.scene.maquette, "all_users", text="Change Them All")


class OfObject(Sidebar):
    """A panel that needs a selected mesh."""

    bl_options = {"DEFAULT_CLOSED"}

    @classmethod
    def poll(cls, context: Any) -> bool:
        return super().poll(context) and bool(meshes(context))


class MAQUETTE_PT_object(Sidebar, Panel):
    """Which objects the sub-panels change."""

    bl_label = "Selected Object"
    bl_order = 3

    def draw(self, context: Any) -> None:
        from ..bl import materials, mesh_out, retexture

        chosen = meshes(context)
        if not chosen:
            text.say(
                self.layout, context,
                "Select a mesh object to retexture, upscale or finish it.", dim=True,
            )  # fmt: skip
            return
        width = text.room(context, icon=True)
        column = self.layout.column(align=True)
        for ob in chosen[:3]:
            column.label(
                text=text.short(context, ob.name, width), icon="OBJECT_DATA", translate=False
            )
        if len(chosen) > 3:
            more = said("and {count} more", count=len(chosen) - 3)
            column.label(text=more, icon="BLANK1", translate=False)
        if mesh_out.not_local(chosen[0]):
            self.layout.operator("maquette.make_local", icon="LIBRARY_DATA_OVERRIDE")
        draw_look(self.layout, context, chosen[0])
        textured = any(materials.has_textures(ob) for ob in chosen)
        seen = textured or retexture.preview_of(chosen[0]) is not None
        if seen and not jobs.shows_materials(tick.snapshot()):  # the news above may have it
            jobs.draw_show_materials(self.layout, context)


def draw_look(layout: Any, context: Any, thing: Any) -> None:
    """A new look that is not kept yet; the looks that an object has."""
    from ..bl import looks, retexture

    if retexture.preview_of(thing) is not None:
        box = layout.box().column()
        text.say(
            box, context, "The new look stands beside the old one. Compare, then decide.", boxes=1
        )
        row = box.row(align=True)
        row.scale_y = 1.3
        row.operator("maquette.keep_look", icon="CHECKMARK")
        row.operator("maquette.discard_look", icon="X")
        return
    given = looks.of(thing)
    if not given:
        return
    slot = thing.material_slots[0] if len(thing.material_slots) else None
    shown = slot.material if slot and slot.link == "OBJECT" else None
    column = layout.column(align=True)
    column.label(text="Look")
    column.operator("maquette.choose_look", text="Original", depress=shown is None).look = ""
    for look in given:
        column.operator(
            "maquette.choose_look", text=look.name, depress=look == shown, translate=False
        ).look = look.name


class MAQUETTE_PT_retexture(OfObject, Panel):
    """New materials from the chosen picture."""

    bl_label = "Retexture"
    bl_parent_id = "MAQUETTE_PT_object"

    def draw(self, context: Any) -> None:
        layout, snapshot = self.layout, tick.snapshot()
        chosen, thing = context.scene.maquette, meshes(context)[0]
        if snapshot.picture.title:
            icon = 0 if snapshot.picture.of_words else thumbnails.picture_icon(False)
            name = text.short(context, snapshot.picture.title, text.room(context, icon=True))
            layout.label(text=name, icon_value=icon, translate=False)
        column = layout.column()
        column.use_property_split = True
        column.use_property_decorate = False
        column.row(align=True).prop(chosen, "texture_method", expand=True)
        text.say(layout, context, uv_words(thing, chosen.texture_method == "keep"), icon="UV")
        if snapshot.checkpoint:
            count = len(meshes(context))
            cost = costs.cost_of_texturing(snapshot.checkpoint, count)
            text.say(layout, context, cost[:1].upper() + cost[1:], icon="TIME")
        draw_users(layout, context, thing)
        draw_button(layout, context, "maquette.retexture", thing, "SHADING_TEXTURE")


def uv_words(thing: Any, keep: bool) -> str:
    """Which UVs will be used, as far as it can be said without looking at every face."""
    own = thing.data.uv_layers.active
    if not keep or own is None:
        return said("New UVs are made, in a UV map of their own.")
    return said("Its own UV map {name} is used, or a new one where it overlaps.", name=own.name)


class MAQUETTE_PT_upscale(OfObject, Panel):
    """A finer version, in place."""

    bl_label = "Upscale"
    bl_parent_id = "MAQUETTE_PT_object"

    def draw(self, context: Any) -> None:
        from ..bl import recipe

        layout, snapshot, thing = self.layout, tick.snapshot(), meshes(context)[0]
        checkpoint = snapshot.checkpoint
        side = checkpoint.upscale_resolution if checkpoint else 0
        label = said("Upscale to {side}³", side=side) if side else ""
        if side:
            cost = costs.cost_of_upscaling(checkpoint, len(meshes(context)))
            text.say(layout, context, cost[:1].upper() + cost[1:], icon="TIME")
        if not recipe.job_of(thing):
            text.say(
                layout, context,
                "This mesh was not made here: the chosen picture says what it shows.", icon="INFO",
            )  # fmt: skip
        elif recipe.is_of_look(thing):
            text.say(
                layout, context,
                "The picture of its look says what it shows: if it shows something else, the shape "
                "becomes that.", icon="ERROR",
            )  # fmt: skip
        edited, lost = edited_by_hand(meshes(context)), context.scene.maquette.drop_edits
        draw_edits(layout, context, edited, lost=lost)
        if edited:
            layout.prop(context.scene.maquette, "drop_edits")
        draw_replaced(layout, context, thing, as_it_is=thing in edited and not lost)
        draw_button(layout, context, "maquette.upscale", thing, "MOD_MULTIRES", label)


class MAQUETTE_PT_finish(OfObject, Panel):
    """Other faces, textures, levels from the stored result."""

    bl_label = "Finish Again"
    bl_parent_id = "MAQUETTE_PT_object"

    def draw(self, context: Any) -> None:
        layout, chosen, thing = self.layout, context.scene.maquette, meshes(context)[0]
        draw_button(layout, context, "maquette.game_ready", thing, "MOD_DECIM")
        text.say(layout, context, f"{finishes.game_ready()}.", dim=True)
        if checkpoint := tick.snapshot().checkpoint:
            cost = costs.cost_of_game_ready(checkpoint, len(meshes(context)))
            text.say(layout, context, cost[:1].upper() + cost[1:], icon="TIME")
        draw_edits(layout, context, edited_by_hand(meshes(context)), lost=True)
        draw_replaced(layout, context, thing)
        layout.separator(factor=0.5)
        column = layout.column(align=True)
        column.use_property_split = True
        column.use_property_decorate = False
        faces = column.row(align=True)
        faces.active = not chosen.finish_quads
        faces.prop(chosen, "finish_faces")
        for name in ("finish_quads", "finish_texture_size", "finish_surface", "finish_levels"):
            column.prop(chosen, name)
        column = layout.column(heading="Add")
        column.use_property_split = True
        column.use_property_decorate = False
        column.prop(chosen, "finish_normal_map")
        column.prop(chosen, "finish_hull")
        layout.operator("maquette.finish", icon="FILE_REFRESH")


class MAQUETTE_PT_recipe(OfObject, Panel):
    """How the object was made."""

    bl_label = "Recipe"
    bl_parent_id = "MAQUETTE_PT_object"

    @classmethod
    def poll(cls, context: Any) -> bool:
        from ..bl import recipe

        return super().poll(context) and bool(recipe.read(meshes(context)[0]))

    def draw(self, context: Any) -> None:
        from ..bl import recipe
        from ..core import recipes

        column = self.layout.column(align=True)
        width = int(text.room(context) * 0.55)
        for label, value in recipes.summary(recipe.read(meshes(context)[0])):
            text.say(text.split(column, label), context, value, width=width)
        row = self.layout.row(align=True)
        row.operator("maquette.recipe_repeat", text="Repeat", icon="FILE_REFRESH")
        row.operator("maquette.recipe_copy", text="Copy", icon="COPYDOWN")


CLASSES = (
    MAQUETTE_PT_object,
    MAQUETTE_PT_retexture,
    MAQUETTE_PT_upscale,
    MAQUETTE_PT_finish,
    MAQUETTE_PT_recipe,
)
