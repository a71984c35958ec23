"""The panel Generate: picture, quality, the button, what runs; options in sub-panels."""

from typing import Any

from bpy.types import Panel

from ..bl import text, tick
from ..core import costs
from ..core.language import said
from ..operators import choices, presets
from ..properties import STAGES
from . import source
from .sidebar import Sidebar


class MAQUETTE_PT_generate(Sidebar, Panel):
    """From a picture to an object."""

    bl_label = "Generate"
    bl_order = 0  # as that of what may stand above it: see MAQUETTE_PT_now

    def draw_header_preset(self, context: Any) -> None:
        self.layout.operator("maquette.open_preferences", text="", icon="PREFERENCES", emboss=False)

    def draw(self, context: Any) -> None:
        layout, snapshot = self.layout, tick.snapshot()
        source.draw(layout, context, snapshot)
        picture = snapshot.picture
        if picture.of_words or (picture.title and not picture.problem) or picture.count > 1:
            draw_quality(layout, context, snapshot)
        draw_button(layout, context, snapshot)


def draw_quality(layout: Any, context: Any, snapshot: Any) -> None:
    """The qualities that there are, and what the chosen one costs on this machine."""
    chosen = context.scene.maquette
    checkpoint = snapshot.checkpoint
    names = [quality.name for quality in checkpoint.qualities] if checkpoint else []
    if len(names) > 1 or (names and chosen.quality not in names):
        row = layout.row(align=True)
        for name in names:
            row.prop_enum(chosen, "quality", name)
    if checkpoint:
        quality = choices.quality(chosen, snapshot.checkpoint)
        cost = costs.cost_of_generating(
            checkpoint, quality, chosen.variants * max(1, snapshot.picture.made)
        )
        text.say(layout, context, cost[:1].upper() + cost[1:], icon="TIME")
    if checkpoint and checkpoint.small:
        row = layout.row(align=True)
        row.label(text="Small model: simple toys only", icon="INFO")
        row.operator("maquette.open_preferences", text="", icon="IMPORT", emboss=False)


def draw_button(layout: Any, context: Any, snapshot: Any) -> None:
    """The button; where it cannot be pressed, the whole reason under it."""
    from ..core import refusals

    chosen = context.scene.maquette
    why_not = refusals.why_not_generate(snapshot, choices.quality(chosen, snapshot.checkpoint))
    row = layout.row()
    row.scale_y = 1.8
    count = chosen.variants * snapshot.picture.made
    if snapshot.picture.count > 1 and count > 1:
        words_on_it = said("Generate {count} Objects", count=count)
    elif chosen.variants > 1:
        words_on_it = said("Generate {count} Variants", count=chosen.variants)
    else:
        words_on_it = said("Generate")
    row.operator("maquette.generate", text=words_on_it, icon="SHADERFX", translate=False)
    above = (snapshot.picture.problem, snapshot.engine.sentence)
    if why_not and not any(told and why_not.startswith(told) for told in above):
        text.say(layout, context, why_not, icon="INFO")


class MAQUETTE_PT_options(Sidebar, Panel):
    """What the object becomes."""

    bl_label = "Options"
    bl_parent_id = "MAQUETTE_PT_generate"
    bl_options = {"DEFAULT_CLOSED"}
    bl_order = 2

    def draw_header_preset(self, context: Any) -> None:
        chosen = context.scene.maquette
        if any(chosen.changed(name) for name in OPTIONS):
            self.layout.operator(
                "maquette.restore", text="", icon="LOOP_BACK", emboss=False
            ).what = ",".join(OPTIONS)

    def draw(self, context: Any) -> None:
        layout, chosen = self.layout, context.scene.maquette
        layout.use_property_split = True
        layout.use_property_decorate = False
        column = layout.column(align=True)
        row = column.row(align=True)
        row.prop(chosen, "seed")
        row.operator("maquette.reroll", text="", icon="FILE_REFRESH")
        marked(column, chosen, "variants")
        column = layout.column(align=True)
        marked(column, chosen, "height")
        marked(column, chosen, "faces")
        marked(column, chosen, "texture_size")
        marked(column, chosen, "surface")
        column = layout.column(heading="Scene")
        column.prop(chosen, "block_in")
        column.prop(chosen, "as_asset")


OPTIONS = ("variants", "height", "faces", "texture_size", "surface")


def marked(layout: Any, owner: Any, name: str) -> None:
    """A property; one that is not as it is at first has the button that restores it."""
    row = layout.row(align=True)
    row.prop(owner, name)
    if owner.changed(name):
        row.operator("maquette.restore", text="", icon="LOOP_BACK").what = name


class MAQUETTE_PT_sampling(Sidebar, Panel):
    """Steps and guidance of every stage, and whether steps are saved."""

    bl_label = "Advanced"
    bl_parent_id = "MAQUETTE_PT_generate"
    bl_options = {"DEFAULT_CLOSED"}
    bl_order = 3

    @classmethod
    def poll(cls, context: Any) -> bool:
        return super().poll(context) and tick.snapshot().checkpoint is not None

    def draw_header_preset(self, context: Any) -> None:
        chosen, checkpoint = context.scene.maquette, tick.snapshot().checkpoint
        count = min(STAGES, len(checkpoint.stages))
        if chosen.fast or any(chosen.stage(number).changed for number in range(count)):
            self.layout.operator(
                "maquette.restore", text="", icon="LOOP_BACK", emboss=False
            ).what = ",".join(("fast", *(f"stage_{number}" for number in range(count))))

    def draw(self, context: Any) -> None:
        layout, chosen = self.layout, context.scene.maquette
        layout.use_property_split = True
        layout.use_property_decorate = False
        checkpoint = tick.snapshot().checkpoint
        saved = costs.saved_by_fast(checkpoint, choices.stages(chosen, checkpoint))
        column = layout.column()
        column.active = bool(saved)
        marked(column, chosen, "fast")
        if saved:
            text.say(column, context, said("Steps saved: {stages}", stages=saved))
        else:
            text.say(column, context, "There are so few steps that none is saved.")
        for number, stage in enumerate(checkpoint.stages[:STAGES]):
            changes = chosen.stage(number)
            column = layout.column(align=True)
            row = column.row()
            row.label(text=stage.label)
            if changes.changed:
                row.operator(
                    "maquette.restore", text="", icon="LOOP_BACK", emboss=False
                ).what = f"stage_{number}"
            column.prop(changes, "steps")
            column.prop(changes, "guidance")


class MAQUETTE_PT_presets(Sidebar, Panel):
    """Own presets of all choices."""

    bl_label = "Presets"
    bl_parent_id = "MAQUETTE_PT_generate"
    bl_options = {"DEFAULT_CLOSED"}
    bl_order = 4

    def draw(self, context: Any) -> None:
        column = self.layout.column(align=True)
        for name in presets.names():
            row = column.row(align=True)
            row.operator("maquette.preset_use", text=name, translate=False).name = name
            row.operator("maquette.preset_delete", text="", icon="X").name = name
        for sentence in presets.unreadable():
            text.say(column, context, sentence, icon="ERROR")
        if not presets.names():
            text.say(column, context, "Keep the choices above under a name of their own.")
        self.layout.operator("maquette.preset_save", icon="ADD")


CLASSES = (
    MAQUETTE_PT_generate,
    source.MAQUETTE_PT_cut_out,
    MAQUETTE_PT_options,
    MAQUETTE_PT_sampling,
    MAQUETTE_PT_presets,
)
