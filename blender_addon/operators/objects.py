"""Verbs of selected objects: retexture, upscale, finish again, their recipe."""

from typing import Any

from bpy.props import StringProperty
from bpy.types import Operator

from ..core import finishes
from ..core.language import said
from ..protocol.errors import EngineError
from . import choices, targets
from .acting import attempt, refuse, sentence, session
from .selection import meshes, why_not

NO_MESH = "Select a mesh object first."


class OnMeshes:
    """A verb of selected meshes: each of them is sent to the engine as a job of its own."""

    @classmethod
    def poll(cls, context: Any) -> bool:
        chosen = meshes(context)
        return refuse(cls, why_not(cls.bl_idname, chosen[0]) if chosen else NO_MESH)


def each(operator: Any, context: Any, action: Any, things: Any = None) -> set[str]:
    """Do it for every object: the selected meshes, or those given. Those that cannot are told of,
    and the others go on."""
    done, failed = 0, []
    for thing in meshes(context) if things is None else things:
        name = thing.name
        try:
            action(thing)
            done += 1
        except EngineError as error:
            failed.append(f"{name}: {sentence(error)}")
    if failed:
        operator.report({"WARNING" if done else "ERROR"}, "\n".join(failed))
    return {"FINISHED"} if done else {"CANCELLED"}


class MAQUETTE_OT_retexture(OnMeshes, Operator):
    """Make new materials for the selected meshes from the chosen picture; their shape stays"""

    bl_idname = "maquette.retexture"
    bl_label = "Retexture"

    def execute(self, context: Any) -> set[str]:
        from ..bl import mesh_out, tick

        chosen = context.scene.maquette

        def begin(thing: Any) -> None:
            settings = choices.texture(chosen, tick.snapshot().checkpoint)
            sent = mesh_out.gather(thing, keep_uvs=chosen.texture_method == "keep")
            target = targets.of(context, thing, "retexture", sent)
            session().texture(settings, sent.attached(), target)
            self.report({"INFO"}, f"{thing.name}: {sent.sentence}")

        return each(self, context, begin)


class MAQUETTE_OT_upscale(OnMeshes, Operator):
    """Make a finer version of the selected meshes, in place"""

    bl_idname = "maquette.upscale"
    bl_label = "Upscale"

    def execute(self, context: Any) -> set[str]:
        from ..bl import edits, mesh_out, recipe

        chosen = context.scene.maquette
        settings = choices.upscale(chosen)

        def begin(thing: Any) -> None:
            # A look's picture need not show the shape, which would become another one by it.
            job = recipe.job_of(thing, of_shape=True)
            edited = bool(job) and edits.edited(thing)
            if job and (chosen.drop_edits or not edited):
                target = targets.of(context, thing, "replace")
                session().upscale(settings, target, source=job)
                if edited:
                    told = said("{name}: the edits made by hand are dropped.")
                    self.report({"WARNING"}, told.format(name=thing.name))
                return
            sent = mesh_out.shape_of(thing)
            target = targets.of(context, thing, "replace", sent)
            session().upscale(settings, target, sent.attached(), source=job)
            if edited:
                told = said("{name} was edited by hand: the mesh as it is now is used.")
                self.report({"INFO"}, told.format(name=thing.name))

        begun = each(self, context, begin)
        chosen.drop_edits = False  # a choice for this time, since edits to come are others
        return begun


def finish(operator: Any, context: Any, settings: Any) -> set[str]:
    """Finish the selected objects again with these settings."""
    from ..bl import recipe

    def begin(thing: Any) -> None:
        # What made a look has no voxels of this shape, so that only its textures could change.
        target = targets.of(context, thing, "replace")
        session().finish(settings, target, source=recipe.job_of(thing, of_shape=True))

    return each(operator, context, begin)


class MAQUETTE_OT_finish(OnMeshes, Operator):
    """Finish the selected objects again from their stored results; nothing is generated"""

    bl_idname = "maquette.finish"
    bl_label = "Finish Again"

    def execute(self, context: Any) -> set[str]:
        return finish(self, context, choices.finish_again(context.scene.maquette))


class MAQUETTE_OT_game_ready(OnMeshes, Operator):
    """Finish for games"""

    bl_idname = "maquette.game_ready"
    bl_label = "Game-Ready"

    @classmethod
    def description(cls, _context: Any, _properties: Any) -> str:
        return f"{said('Finish for games')}: {finishes.game_ready()}"

    def execute(self, context: Any) -> set[str]:
        from ..core.settings import FinishSettings

        return finish(self, context, FinishSettings(finish="game"))


class MAQUETTE_OT_make_local(Operator):
    """Make the selected meshes this file's own, so that they can be changed"""

    bl_idname = "maquette.make_local"
    bl_label = "Make Local"
    bl_options = {"UNDO"}

    @classmethod
    def poll(cls, context: Any) -> bool:
        from ..bl import mesh_out

        found = any(mesh_out.not_local(thing) for thing in meshes(context))
        return refuse(cls, "" if found else "Select a mesh that comes from another file.")

    def execute(self, context: Any) -> set[str]:
        from ..bl import mesh_out

        foreign = [thing for thing in meshes(context) if mesh_out.not_local(thing)]
        return each(self, context, mesh_out.make_local, foreign)


class OnPreview:
    """A verb of an object that has the preview of a new look beside it, or is that preview."""

    bl_options = {"UNDO"}

    @classmethod
    def poll(cls, context: Any) -> bool:
        from ..bl import retexture

        found = any(retexture.preview_of(thing) for thing in meshes(context))
        return refuse(cls, "" if found else "Select an object with a new look beside it.")


class MAQUETTE_OT_keep_look(OnPreview, Operator):
    """Give the new look to the object; the old one can be chosen again"""

    bl_idname = "maquette.keep_look"
    bl_label = "Keep"

    def execute(self, context: Any) -> set[str]:
        from ..bl import retexture

        return each(self, context, retexture.keep, previews(context))


class MAQUETTE_OT_discard_look(OnPreview, Operator):
    """Remove the new look; the object is not touched"""

    bl_idname = "maquette.discard_look"
    bl_label = "Discard"

    def execute(self, context: Any) -> set[str]:
        from ..bl import retexture

        return each(self, context, retexture.discard, previews(context))


def previews(context: Any) -> list[Any]:
    """The previews of the selected objects, each once."""
    from ..bl import retexture

    found = [retexture.preview_of(thing) for thing in meshes(context)]
    return [one for number, one in enumerate(found) if one and one not in found[:number]]


class MAQUETTE_OT_choose_look(Operator):
    """Show the object with this look"""

    bl_idname = "maquette.choose_look"
    bl_label = "Choose Look"
    bl_options = {"UNDO", "INTERNAL"}

    look: StringProperty(options={"SKIP_SAVE", "HIDDEN"})  # type: ignore[valid-type]

    def execute(self, context: Any) -> set[str]:
        from ..bl import looks

        thing = meshes(context)[0]
        material = next((one for one in looks.of(thing) if one.name == self.look), None)
        return attempt(self, lambda: looks.choose(thing, material))


class OnMade:
    """A verb of the recipe of the active object."""

    @classmethod
    def poll(cls, context: Any) -> bool:
        from ..bl import recipe

        chosen = meshes(context)
        made = bool(chosen) and bool(recipe.read(chosen[0]))
        return refuse(cls, "" if made else "Select an object that Maquette made.")


class MAQUETTE_OT_recipe_copy(OnMade, Operator):
    """Copy the recipe of the active object as text"""

    bl_idname = "maquette.recipe_copy"
    bl_label = "Copy Recipe"

    def execute(self, context: Any) -> set[str]:
        import json

        from ..bl import recipe

        text = json.dumps(recipe.read(meshes(context)[0]), indent=2, ensure_ascii=False)
        context.window_manager.clipboard = text
        self.report({"INFO"}, said("The recipe is in the clipboard."))
        return {"FINISHED"}


class MAQUETTE_OT_recipe_repeat(OnMade, Operator):
    """Make the object again by its recipe, as a new object at the 3D cursor"""

    bl_idname = "maquette.recipe_repeat"
    bl_label = "Repeat Recipe"

    def execute(self, context: Any) -> set[str]:
        from ..bl import recipe

        job, target = recipe.job_of(meshes(context)[0]), targets.at_cursor(context)
        return attempt(self, lambda: session().again(job, target))


CLASSES = (
    MAQUETTE_OT_retexture,
    MAQUETTE_OT_upscale,
    MAQUETTE_OT_finish,
    MAQUETTE_OT_game_ready,
    MAQUETTE_OT_make_local,
    MAQUETTE_OT_choose_look,
    MAQUETTE_OT_keep_look,
    MAQUETTE_OT_discard_look,
    MAQUETTE_OT_recipe_copy,
    MAQUETTE_OT_recipe_repeat,
)
