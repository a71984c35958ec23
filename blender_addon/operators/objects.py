"""Verbs of selected objects: retexture, upscale, finish again, their recipe."""

from typing import Any

from bpy.props import EnumProperty
from bpy.types import Operator

from ..protocol.errors import EngineError
from . import choices
from .acting import attempt, refuse, sentence, session


def meshes(context: Any) -> list[Any]:
    """The selected mesh objects, the active one first."""
    from ..ui.objects import meshes as selected

    return selected(context)


NO_MESH = "Select a mesh object first."


class OnMeshes:
    """A verb of selected meshes; what refuses it is in core."""

    refusal = ""

    @classmethod
    def poll(cls, context: Any) -> bool:
        from ..bl import mesh_out, tick
        from ..core import refusals

        chosen = meshes(context)
        if not chosen:
            return refuse(cls, NO_MESH)
        why_not = getattr(refusals, cls.refusal)(tick.snapshot())
        return refuse(cls, why_not or mesh_out.why_not(chosen[0]))


def each(operator: Any, context: Any, action: Any) -> set[str]:
    """Do it for every selected mesh; those that cannot are told of, the others go on."""
    done, failed = 0, []
    for ob in meshes(context):
        try:
            action(ob)
            done += 1
        except EngineError as error:
            failed.append(f"{ob.name}: {sentence(error)}")
    if failed:
        operator.report({"WARNING" if done else "ERROR"}, "\n".join(failed))
    return {"FINISHED"} if done else {"CANCELLED"}


class MAQUETTE_OT_retexture(OnMeshes, Operator):
    """Paint the selected meshes anew from the chosen picture; their shape is not touched"""

    bl_idname = "maquette.retexture"
    bl_label = "Retexture"
    refusal = "why_not_retexture"

    def execute(self, context: Any) -> set[str]:
        from ..bl import retexture, tick

        chosen = context.scene.maquette
        settings = choices.texture(chosen, tick.snapshot().checkpoint)
        keep = chosen.texture_method == "keep"
        return each(
            self,
            context,
            lambda ob: retexture.begin(context, session(), ob, settings, keep_uvs=keep),
        )


class MAQUETTE_OT_upscale(OnMeshes, Operator):
    """Make a finer version of the selected meshes, in place"""

    bl_idname = "maquette.upscale"
    bl_label = "Upscale"
    refusal = "why_not_upscale"

    def execute(self, context: Any) -> set[str]:
        from ..bl import replace

        settings = choices.upscale(context.scene.maquette)
        return each(
            self, context, lambda ob: replace.begin_upscale(context, session(), ob, settings)
        )


class OnMade:
    """A verb of objects that Maquette made."""

    @classmethod
    def poll(cls, context: Any) -> bool:
        from ..bl import recipe, tick
        from ..core import refusals

        chosen = meshes(context)
        if not chosen:
            return refuse(cls, NO_MESH)
        if recipe.read(chosen[0]) is None:
            return refuse(cls, "Select an object that Maquette made.")
        return refuse(cls, refusals.why_not_finish(tick.snapshot()))


class MAQUETTE_OT_finish(OnMade, Operator):
    """Finish the selected objects again from their stored results; nothing is generated"""

    bl_idname = "maquette.finish"
    bl_label = "Finish Again"

    def execute(self, context: Any) -> set[str]:
        from ..bl import replace

        settings = choices.finish_again(context.scene.maquette)
        return each(
            self, context, lambda ob: replace.begin_finish(context, session(), ob, settings)
        )


class MAQUETTE_OT_game_ready(OnMade, Operator):
    """Make the selected objects ready for a game engine: 20,000 faces, a normal map,
    four levels of detail and a collision hull"""

    bl_idname = "maquette.game_ready"
    bl_label = "Game-Ready"

    def execute(self, context: Any) -> set[str]:
        from ..bl import replace
        from ..core.settings import FinishSettings

        game = FinishSettings(finish="game")
        return each(self, context, lambda ob: replace.begin_finish(context, session(), ob, game))


class OnLook:
    """A verb of an object with a new look that is not kept yet."""

    bl_options = {"UNDO", "INTERNAL"}

    @classmethod
    def poll(cls, context: Any) -> bool:
        from ..bl import retexture

        chosen = meshes(context)
        has = bool(chosen) and retexture.look(chosen[0]) is not None
        return refuse(cls, "" if has else "Retexture an object first.")


class MAQUETTE_OT_show_look(OnLook, Operator):
    """Show the object with its old or its new materials"""

    bl_idname = "maquette.show_look"
    bl_label = "Show Look"

    look: EnumProperty(  # type: ignore[valid-type]
        name="Look",
        items=(
            ("old", "Old Look", "The materials as they were"),
            ("new", "New Look", "The materials from the picture"),
        ),
    )

    def execute(self, context: Any) -> set[str]:
        from ..bl import retexture

        return each(self, context, lambda ob: retexture.show(ob, self.look))


class MAQUETTE_OT_keep_look(OnLook, Operator):
    """Keep the new materials"""

    bl_idname = "maquette.keep_look"
    bl_label = "Keep"

    def execute(self, context: Any) -> set[str]:
        from ..bl import retexture

        return each(self, context, retexture.keep)


class MAQUETTE_OT_discard_look(OnLook, Operator):
    """Go back to the old materials and remove the new ones"""

    bl_idname = "maquette.discard_look"
    bl_label = "Discard"

    def execute(self, context: Any) -> set[str]:
        from ..bl import retexture

        return each(self, context, retexture.discard)


class MAQUETTE_OT_recipe_copy(Operator):
    """Copy the recipe of the active object as text"""

    bl_idname = "maquette.recipe_copy"
    bl_label = "Copy"
    bl_options = {"INTERNAL"}

    def execute(self, context: Any) -> set[str]:
        import json

        from ..bl import recipe

        text = json.dumps(recipe.read(meshes(context)[0]), indent=2, ensure_ascii=False)
        context.window_manager.clipboard = text
        self.report({"INFO"}, "The recipe is in the clipboard.")
        return {"FINISHED"}


class MAQUETTE_OT_recipe_repeat(OnMade, Operator):
    """Make the object again by its recipe, as a new object at the 3D cursor"""

    bl_idname = "maquette.recipe_repeat"
    bl_label = "Repeat"

    def execute(self, context: Any) -> set[str]:
        from ..bl import place, recipe

        def repeat() -> None:
            target = place.target_at_cursor(context, height=context.scene.maquette.height)
            session().repeat(recipe.read(meshes(context)[0]), target)

        return attempt(self, repeat)


CLASSES = (
    MAQUETTE_OT_retexture,
    MAQUETTE_OT_upscale,
    MAQUETTE_OT_finish,
    MAQUETTE_OT_game_ready,
    MAQUETTE_OT_show_look,
    MAQUETTE_OT_keep_look,
    MAQUETTE_OT_discard_look,
    MAQUETTE_OT_recipe_copy,
    MAQUETTE_OT_recipe_repeat,
)
