"""The selected object: new materials, a finer version, finished again, its recipe."""

from typing import Any

from bpy.app.translations import pgettext_iface as translated
from bpy.types import Panel

from ..bl import tick
from . import text, words
from .sidebar import Sidebar


def meshes(context: Any) -> list[Any]:
    """The selected mesh objects, the active one first."""
    chosen = [ob for ob in context.selected_objects if ob.type == "MESH"]
    active = context.view_layer.objects.active
    return sorted(chosen, key=lambda ob: ob != active)


class OfObject(Sidebar):
    """A panel that needs a selected mesh."""

    bl_options = {"DEFAULT_CLOSED"}

    @classmethod
    def poll(cls, context: Any) -> bool:
        return super().poll(context) and bool(meshes(context))


class MAQUETTE_PT_object(OfObject, Panel):
    """Which objects the sub-panels change."""

    bl_label = "Selected Object"
    bl_order = 3
    bl_options = set()

    def draw(self, context: Any) -> None:
        chosen = meshes(context)
        width = text.room(context, icon=True)
        column = self.layout.column(align=True)
        for ob in chosen[:3]:
            column.label(
                text=text.short(context, ob.name, width), icon="OBJECT_DATA", translate=False
            )
        if len(chosen) > 3:
            more = translated("and {count} more").format(count=len(chosen) - 3)
            column.label(text=more, icon="BLANK1", translate=False)
        draw_look(self.layout, context, chosen[0])


def draw_look(layout: Any, context: Any, ob: Any) -> None:
    """After a retexture: the new look beside the old, and which one is kept."""
    from ..bl import retexture

    shown = retexture.look(ob)
    if shown is None:
        return
    box = layout.box().column()
    text.say(box, context, "A new look is here. Compare, then keep one.", boxes=1)
    row = box.row(align=True)
    for look, label in (("old", "Old Look"), ("new", "New Look")):
        row.operator("maquette.show_look", text=label, depress=shown == look).look = look
    row = box.row(align=True)
    row.scale_y = 1.3
    row.operator("maquette.keep_look", icon="CHECKMARK")
    row.operator("maquette.discard_look", icon="X")


class MAQUETTE_PT_retexture(OfObject, Panel):
    """New materials from the chosen picture."""

    bl_label = "Retexture"
    bl_parent_id = "MAQUETTE_PT_object"

    def draw(self, context: Any) -> None:
        from ..bl import mesh_out, thumbnails
        from ..core import refusals

        layout, snapshot = self.layout, tick.snapshot()
        chosen, ob = context.scene.maquette, meshes(context)[0]
        if snapshot.picture.title:
            row = layout.row(align=True)
            icon = thumbnails.picture_icon(False)
            width = text.room(context, icon=True)
            name = text.short(context, snapshot.picture.title, width)
            row.label(text=name, icon_value=icon, translate=False)
        column = layout.column()
        column.use_property_split = True
        column.use_property_decorate = False
        column.row(align=True).prop(chosen, "texture_method", expand=True)
        text.say(layout, context, mesh_out.uv_plan(ob, chosen.texture_method == "keep"), icon="UV")
        button(layout, context, "maquette.retexture", "Retexture", "SHADING_TEXTURE",
               refusals.why_not_retexture(snapshot) or mesh_out.why_not(ob))  # fmt: skip


def button(
    layout: Any, context: Any, operator: str, words_on_it: str, icon: str, why_not: str
) -> None:
    """A main button, and under it the whole reason where it cannot be pressed."""
    row = layout.row()
    row.scale_y = 1.5
    row.operator(operator, text=words_on_it, icon=icon, translate=False)
    text.say(layout, context, why_not, icon="INFO")


class MAQUETTE_PT_upscale(OfObject, Panel):
    """A finer version, in place."""

    bl_label = "Upscale"
    bl_parent_id = "MAQUETTE_PT_object"

    def draw(self, context: Any) -> None:
        from ..bl import mesh_out, recipe
        from ..core import refusals

        snapshot, ob = tick.snapshot(), meshes(context)[0]
        checkpoint = snapshot.checkpoint
        side = checkpoint.upscale_resolution if checkpoint else 0
        label = translated("Upscale to {side}³").format(side=side) if side else "Upscale"
        if side:
            told = upscale_cost(checkpoint)
            text.say(self.layout, context, told, icon="TIME")
        if recipe.read(ob) is None and snapshot.picture.title:
            text.say(
                self.layout, context,
                "This mesh was not made here: the chosen picture says what it shows.", icon="INFO",
            )  # fmt: skip
        button(self.layout, context, "maquette.upscale", label, "MOD_MULTIRES",
               refusals.why_not_upscale(snapshot) or mesh_out.why_not(ob))  # fmt: skip


def upscale_cost(checkpoint: Any) -> str:
    """What an upscale costs, as far as known."""
    for quality in checkpoint.qualities:
        if quality.resolution == checkpoint.upscale_resolution:
            told = []
            if quality.seconds is not None:
                told.append(translated("About {time}").format(time=words.duration(quality.seconds)))
            if quality.memory:
                told.append(translated("{size} of memory").format(size=words.size(quality.memory)))
            return " · ".join(told)
    return ""


class MAQUETTE_PT_finish(OfObject, Panel):
    """Other faces, textures, levels from the stored result."""

    bl_label = "Finish Again"
    bl_parent_id = "MAQUETTE_PT_object"

    def draw(self, context: Any) -> None:
        from ..bl import recipe
        from ..core import refusals

        layout, chosen, ob = self.layout, context.scene.maquette, meshes(context)[0]
        snapshot = tick.snapshot()
        why_not = refusals.why_not_finish(snapshot)
        if recipe.read(ob) is None:
            why_not = "Select an object that Maquette made: its stored result is finished again."
        row = layout.row()
        row.scale_y = 1.5
        row.operator("maquette.game_ready", icon="MOD_DECIM")
        text.say(
            layout, context,
            "20,000 faces, normal map, four levels of detail, collision hull. Takes seconds.",
            dim=True,
        )  # fmt: skip
        layout.separator(factor=0.5)
        layout.use_property_split = True
        layout.use_property_decorate = False
        column = layout.column(align=True)
        column.prop(chosen, "finish_faces")
        column.prop(chosen, "finish_texture_size")
        column.prop(chosen, "finish_surface")
        column.prop(chosen, "finish_levels")
        column = layout.column(heading="Add")
        column.prop(chosen, "finish_normal_map")
        column.prop(chosen, "finish_hull")
        layout.operator("maquette.finish", icon="FILE_REFRESH")
        text.say(layout, context, why_not, icon="INFO")


class MAQUETTE_PT_recipe(OfObject, Panel):
    """How the object was made."""

    bl_label = "Recipe"
    bl_parent_id = "MAQUETTE_PT_object"

    @classmethod
    def poll(cls, context: Any) -> bool:
        from ..bl import recipe

        return super().poll(context) and recipe.read(meshes(context)[0]) is not None

    def draw(self, context: Any) -> None:
        from ..bl import recipe
        from ..core import recipes

        column = self.layout.column(align=True)
        width = int(text.room(context) * 0.55)
        for label, value in recipes.summary(recipe.read(meshes(context)[0])):
            row = text.split(column, label)
            row.label(text=text.short(context, value, width), translate=False)
        row = self.layout.row(align=True)
        row.operator("maquette.recipe_repeat", icon="FILE_REFRESH")
        row.operator("maquette.recipe_copy", icon="COPYDOWN")


CLASSES = (
    MAQUETTE_PT_object,
    MAQUETTE_PT_retexture,
    MAQUETTE_PT_upscale,
    MAQUETTE_PT_finish,
    MAQUETTE_PT_recipe,
)
