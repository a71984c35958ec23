"""Verbs of jobs: generate, cancel, retry, order."""

from typing import Any

from bpy.props import EnumProperty, IntProperty, StringProperty
from bpy.types import Operator

from ..core.language import said
from ..properties import (
    QUALITIES,
    faces_property,
    hull_property,
    levels_property,
    normal_map_property,
    surface_property,
    texture_property,
)
from . import choices, targets
from .acting import attempt, refuse, session, session_as_it_is, why_no_viewport


def generate_now(context: Any, picture: Any = None) -> None:
    """Begin a generation with the choices of the scene.

    Args:
        picture: None: the chosen one, with its matte.

    Raises:
        EngineError: what the session refuses.
    """
    from ..bl import tick

    settings = choices.generate(context.scene.maquette, tick.snapshot().checkpoint)
    session().generate(settings, targets.at_cursor(context), picture)


class MAQUETTE_OT_generate(Operator):
    """Make a 3D object of the chosen picture, at the 3D cursor"""

    bl_idname = "maquette.generate"
    bl_label = "Generate"

    @classmethod
    def poll(cls, context: Any) -> bool:
        from ..bl import tick
        from ..core import refusals

        snapshot = tick.snapshot()
        quality = choices.quality(context.scene.maquette, snapshot.checkpoint)
        return refuse(cls, refusals.why_not_generate(snapshot, quality))

    def execute(self, context: Any) -> set[str]:
        return attempt(self, lambda: generate_now(context))


class MAQUETTE_OT_reroll(Operator):
    """Take another seed, by chance"""

    bl_idname = "maquette.reroll"
    bl_label = "Another Seed"
    bl_options = {"UNDO", "INTERNAL"}

    def execute(self, context: Any) -> set[str]:
        import random

        context.scene.maquette.seed = random.randrange(1_000_000)
        return {"FINISHED"}


class MAQUETTE_OT_restore(Operator):
    """Restore what the networks in use advise"""

    bl_idname = "maquette.restore"
    bl_label = "Restore"
    bl_options = {"UNDO", "INTERNAL"}

    what: StringProperty(options={"SKIP_SAVE", "HIDDEN"})  # type: ignore[valid-type]

    def execute(self, context: Any) -> set[str]:
        chosen = context.scene.maquette
        for name in self.what.split(","):
            if name.startswith("stage_"):
                stage = getattr(chosen, name)
                stage.property_unset("own_steps")
                stage.property_unset("own_guidance")
            else:
                chosen.property_unset("own_faces" if name == "faces" else name)
        return {"FINISHED"}


class OfJob:
    """A verb of one job."""

    bl_options = {"INTERNAL"}
    job: StringProperty(options={"SKIP_SAVE", "HIDDEN"})  # type: ignore[valid-type]


class MAQUETTE_OT_cancel(OfJob, Operator):
    """Cancel this job"""

    bl_idname = "maquette.cancel"
    bl_label = "Cancel"

    def execute(self, _context: Any) -> set[str]:
        return attempt(self, lambda: session_as_it_is().cancel(self.job))


class MAQUETTE_OT_cancel_all(Operator):
    """Cancel the running job and all that wait"""

    bl_idname = "maquette.cancel_all"
    bl_label = "Cancel All Jobs"

    @classmethod
    def poll(cls, _context: Any) -> bool:
        return refuse(cls, "" if _cancellable() else "No job runs or waits.")

    def execute(self, _context: Any) -> set[str]:
        def cancel_all() -> None:
            for job in _cancellable():
                session_as_it_is().cancel(job)

        return attempt(self, cancel_all)


def _cancellable() -> list[str]:
    from ..bl import tick

    states = ("sending", "queued", "running", "fetching")
    return [job.id for job in tick.snapshot().jobs if job.state in states]


class MAQUETTE_OT_retry(OfJob, Operator):
    """Try this job again as it was"""

    bl_idname = "maquette.retry"
    bl_label = "Try Again"

    @classmethod
    def description(cls, _context: Any, properties: Any) -> str:
        """Of an interrupted job it is another thing."""
        from ..bl import tick

        job = next((job for job in tick.snapshot().jobs if job.id == properties.job), None)
        if job is not None and job.state == "interrupted":
            return said(
                "Continue after the last finished stage; an engine that does not run is started"
            )
        return said("Try this job again as it was")

    def execute(self, _context: Any) -> set[str]:
        return attempt(self, lambda: session().retry(self.job, None))


class MAQUETTE_OT_retry_changed(OfJob, Operator):
    """Try this job again with other settings than it had"""

    bl_idname = "maquette.retry_changed"
    bl_label = "Try Again with Other Settings"

    CHANGED = (
        *("quality", "seed", "faces", "texture_size", "surface"),
        *("levels", "normal_map", "hull"),
    )
    quality: EnumProperty(  # type: ignore[valid-type]
        name="Quality", description="How fine the shape becomes", items=QUALITIES,
        options={"SKIP_SAVE"},
    )  # fmt: skip
    seed: IntProperty(  # type: ignore[valid-type]
        name="Seed", description="Another number makes another object", min=0,
        options={"SKIP_SAVE"},
    )  # fmt: skip
    faces: faces_property(options={"SKIP_SAVE"})  # type: ignore[valid-type]
    texture_size: texture_property(options={"SKIP_SAVE"})  # type: ignore[valid-type]
    surface: surface_property(options={"SKIP_SAVE"})  # type: ignore[valid-type]
    levels: levels_property(options={"SKIP_SAVE"})  # type: ignore[valid-type]
    normal_map: normal_map_property(options={"SKIP_SAVE"})  # type: ignore[valid-type]
    hull: hull_property(options={"SKIP_SAVE"})  # type: ignore[valid-type]

    def invoke(self, context: Any, _event: Any) -> set[str]:
        done = attempt(self, lambda: self._show(*self._values()))
        if done != {"FINISHED"}:
            return done
        return context.window_manager.invoke_props_dialog(
            self, width=320, title="Try Again with Other Settings", confirm_text="Try Again"
        )

    def _values(self) -> tuple[Any, dict[str, Any]]:
        from ..bl import tick
        from ..core.trying_again import values_of

        settings = session_as_it_is().settings_of(self.job)
        return settings, values_of(settings, tick.snapshot().checkpoint)

    def _show(self, _settings: Any, values: dict[str, Any]) -> None:
        for name, value in values.items():
            if name != "texture_size":
                setattr(self, name, value)
            elif str(value) in choices.TEXTURE_SIDES:
                self.texture_size = str(value)

    def draw(self, _context: Any) -> None:
        from ..bl import tick

        layout, checkpoint = self.layout, tick.snapshot().checkpoint
        layout.use_property_split = True
        layout.use_property_decorate = False
        for name in self.CHANGED:
            if not self.properties.is_property_set(name):
                continue
            if name == "quality":
                row = layout.row(align=True)
                for quality in checkpoint.qualities if checkpoint else ():
                    row.prop_enum(self, "quality", quality.name)
            else:
                layout.prop(self, name)

    def execute(self, _context: Any) -> set[str]:
        from ..core.trying_again import changed

        def again() -> None:
            settings, before = self._values()
            given = {n: getattr(self, n) for n in before if self.properties.is_property_set(n)}
            if "texture_size" in given:
                given["texture_size"] = int(given["texture_size"])
            session().retry(self.job, changed(settings, before, {**before, **given}))

        return attempt(self, again)


class MAQUETTE_OT_dismiss(OfJob, Operator):
    """Show this job no longer"""

    bl_idname = "maquette.dismiss"
    bl_label = "Dismiss"

    def execute(self, _context: Any) -> set[str]:
        return attempt(self, lambda: session_as_it_is().dismiss(self.job))


class MAQUETTE_OT_dismiss_banner(Operator):
    """Take this line away; a job that failed stays in the panel"""

    bl_idname = "maquette.dismiss_banner"
    bl_label = "Dismiss"
    bl_options = {"INTERNAL"}

    def execute(self, _context: Any) -> set[str]:
        return attempt(self, lambda: session_as_it_is().dismiss_banner())


class MAQUETTE_OT_show_result(Operator):
    """Select the object, and show it in the viewport"""

    bl_idname = "maquette.show_result"
    bl_label = "Show"
    bl_options = {"UNDO", "INTERNAL"}

    object: IntProperty(options={"SKIP_SAVE", "HIDDEN"})  # type: ignore[valid-type]

    def execute(self, context: Any) -> set[str]:
        from ..bl import show

        done = attempt(self, lambda: show.show(context, self.object))
        session_as_it_is().dismiss_banner()
        return done


class MAQUETTE_OT_show_materials(Operator):
    """Show this viewport in Material Preview: Solid shading shows no textures"""

    bl_idname = "maquette.show_materials"
    bl_label = "Show Materials"

    @classmethod
    def poll(cls, context: Any) -> bool:
        return refuse(cls, why_no_viewport(context))

    def execute(self, context: Any) -> set[str]:
        context.space_data.shading.type = "MATERIAL"
        return {"FINISHED"}


class MAQUETTE_OT_move(OfJob, Operator):
    """Move this job in the queue"""

    bl_idname = "maquette.move"
    bl_label = "Move in the Queue"

    by: IntProperty(options={"SKIP_SAVE", "HIDDEN"})  # type: ignore[valid-type]

    def execute(self, _context: Any) -> set[str]:
        from ..bl import tick

        waiting = [job.id for job in tick.snapshot().jobs if job.state == "queued"]
        if self.job not in waiting:
            return {"CANCELLED"}
        here = waiting.index(self.job)
        # Before which job it is to stand: one further on, that is the one after the next.
        place = here - 1 if self.by < 0 else here + 2
        if place < 0:
            return {"CANCELLED"}
        before = waiting[place] if place < len(waiting) else None
        return attempt(self, lambda: session_as_it_is().reorder(self.job, before))


CLASSES = (
    MAQUETTE_OT_generate,
    MAQUETTE_OT_reroll,
    MAQUETTE_OT_restore,
    MAQUETTE_OT_cancel,
    MAQUETTE_OT_cancel_all,
    MAQUETTE_OT_retry,
    MAQUETTE_OT_retry_changed,
    MAQUETTE_OT_dismiss,
    MAQUETTE_OT_dismiss_banner,
    MAQUETTE_OT_show_result,
    MAQUETTE_OT_show_materials,
    MAQUETTE_OT_move,
)
