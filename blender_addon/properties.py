"""What the user chooses: for the document on the scene, for the moment on the window manager.

The truth about jobs and results lies in the session and in the engine's store, not here.
"""

from typing import Any

import bpy
from bpy.props import (
    BoolProperty,
    EnumProperty,
    FloatProperty,
    IntProperty,
    PointerProperty,
    StringProperty,
)
from bpy.types import PropertyGroup

from .core.language import OWN
from .protocol.finishes import FINISHES, MOST_QUADS
from .protocol.references import LONGEST_PROMPT

STAGES = 6
"""Stages of a checkpoint that can be changed under "Advanced": as many as ``MaquetteScene`` has."""
USUAL_FACES = FINISHES["standard"].faces


def _snapshot() -> Any:
    from .bl import tick

    return tick.snapshot()


def _stage(group: "MaquetteStage") -> Any:
    """The checkpoint's stage that the group changes, or None; its path ends with its number."""
    checkpoint = _snapshot().checkpoint
    number = int(group.path_from_id().rpartition("_")[2])
    if checkpoint is None or number >= len(checkpoint.stages):
        return None
    return checkpoint.stages[number]


def _steps(group: "MaquetteStage") -> int:
    stage = _stage(group)
    return group.own_steps or (stage.steps if stage else 12)


def _set_steps(group: "MaquetteStage", value: int) -> None:
    stage = _stage(group)
    group.own_steps = 0 if stage and value == stage.steps else value
    group.stage = stage.name if stage else ""


def _guidance(group: "MaquetteStage") -> float:
    stage = _stage(group)
    if group.own_guidance >= 0:
        return group.own_guidance
    return stage.guidance_strength if stage else 3.0


def _set_guidance(group: "MaquetteStage", value: float) -> None:
    stage = _stage(group)
    usual = stage is not None and abs(value - stage.guidance_strength) < 1e-6
    group.own_guidance = -1.0 if usual else value
    group.stage = stage.name if stage else ""


class MaquetteStage(PropertyGroup):
    """Changes to one stage's sampler; what is not changed is the checkpoint's."""

    steps: IntProperty(  # type: ignore[valid-type]
        name="Steps",
        description="How many steps this stage takes; more take longer and rarely show after 25",
        min=1,
        max=1000,
        soft_max=50,
        get=_steps,
        set=_set_steps,
    )
    guidance: FloatProperty(  # type: ignore[valid-type]
        name="Guidance",
        description="How strictly this stage follows the picture; 1 takes it as it is, "
        "higher values exaggerate it",
        min=0.0,
        max=100.0,
        soft_max=15.0,
        precision=1,
        step=10,
        get=_guidance,
        set=_set_guidance,
    )
    stage: StringProperty(
        name="Stage", description="That is changed, as the networks call it", options={"HIDDEN"}
    )  # type: ignore[valid-type]
    own_steps: IntProperty(
        name="Own Steps", description="0: as the networks advise", options={"HIDDEN"}
    )  # type: ignore[valid-type]
    own_guidance: FloatProperty(
        name="Own Guidance",
        description="Negative: as the networks advise",
        default=-1.0,
        options={"HIDDEN"},
    )  # type: ignore[valid-type]

    @property
    def changed(self) -> bool:
        """Whether it differs from the checkpoint's."""
        return self.own_steps > 0 or self.own_guidance >= 0


def _usual_faces() -> int:
    checkpoint = _snapshot().checkpoint
    advised = checkpoint.faces if checkpoint else None
    return min(USUAL_FACES, advised or USUAL_FACES)


def _faces(group: "MaquetteScene") -> int:
    return group.own_faces or _usual_faces()


def _set_faces(group: "MaquetteScene", value: int) -> None:
    group.own_faces = 0 if value == _usual_faces() else value


def _matte_changed(group: "MaquetteScene", _context: Any) -> None:
    from .operators import matte

    matte.correct(group)


QUALITIES = (
    ("draft", "Draft", "A first look: the coarsest shape, soonest there"),
    ("standard", "Standard", "What most objects need"),
    ("high", "High", "Half as fine again: takes longer and needs more memory"),
)
TEXTURE_SIZES = (
    ("512", "512 px", "Textures of 512 by 512 pixels"),
    ("1024", "1024 px", "Textures of 1024 by 1024 pixels"),
    ("2048", "2048 px", "Textures of 2048 by 2048 pixels"),
    ("4096", "4096 px", "Textures of 4096 by 4096 pixels"),
    ("8192", "8192 px", "Textures of 8192 by 8192 pixels"),
)
SURFACES = (
    ("auto", "As Advised", "Open or closed, as suits the networks in use best"),
    ("closed", "Closed", "One closed surface: for booleans, simulation"),
    ("open", "Open", "Thin parts such as leaves and cloth stay single surfaces"),
    ("solid", "Solid", "For 3D print: closed, no faces cross, thin parts get walls"),
)
MATTES = (
    ("auto", "Automatic", "The picture's own transparency where it has one, else found"),
    ("alpha", "Picture's Own", "The transparency that the picture came with"),
    ("rembg", "Find Object", "A network looks for the object in front of any background"),
    ("plain", "Plain Background", "A background of one colour is taken away"),
)


def texture_property(**more: Any) -> Any:
    """The side of the textures."""
    return EnumProperty(
        name="Textures",
        description="Side of the textures in pixels",
        items=TEXTURE_SIZES,
        default="2048",
        **more,
    )


def surface_property(**more: Any) -> Any:
    """Open, closed or solid."""
    return EnumProperty(
        name="Surface",
        description="Whether the mesh becomes one closed surface",
        items=SURFACES,
        default="auto",
        translation_context=OWN,
        **more,
    )


def faces_property(**more: Any) -> Any:
    """How many faces a mesh gets."""
    return IntProperty(
        name="Faces",
        description="Triangles that the finished mesh has at most",
        min=4,
        max=20_000_000,
        soft_min=1000,
        soft_max=1_000_000,
        step=1000,
        **more,
    )


def quads_property(**more: Any) -> Any:
    """How many quads a mesh gets."""
    return IntProperty(
        name="Quads",
        description="About how many quads that follow the shape; 0 for triangles",
        default=0,
        min=0,
        max=MOST_QUADS,
        soft_max=50_000,
        step=500,
        **more,
    )


def levels_property(**more: Any) -> Any:
    """How many levels of detail are made."""
    return IntProperty(
        name="Levels of Detail",
        description="Meshes in all: each has half as many faces as the one before it",
        default=1,
        min=1,
        max=4,
        **more,
    )


def normal_map_property(**more: Any) -> Any:
    """Whether there is a normal map."""
    return BoolProperty(
        name="Normal Map",
        description="Detail that fewer faces cannot show goes into a normal map",
        default=True,
        **more,
    )


def hull_property(**more: Any) -> Any:
    """Whether there is a collision hull."""
    return BoolProperty(
        name="Collision Hull",
        description="Add a simple convex mesh for physics, named UCX_ as game engines expect",
        default=False,
        **more,
    )


def _changes(name: str) -> Any:
    return PointerProperty(type=MaquetteStage, name=name, description="Changes to its sampler")


class MaquetteScene(PropertyGroup):
    """Choices that belong to the document."""

    quality: EnumProperty(  # type: ignore[valid-type]
        name="Quality", description="How fine the shape becomes", items=QUALITIES,
        default="standard",
    )  # fmt: skip
    seed: IntProperty(  # type: ignore[valid-type]
        name="Seed",
        description="Another number makes another object of the same picture; "
        "the same number makes the same one again",
        default=42,
        min=0,
    )
    variants: IntProperty(  # type: ignore[valid-type]
        name="Variants",
        description="How many objects are made of the picture, each with the next seed",
        default=1,
        min=1,
        max=8,
    )
    faces: faces_property(get=_faces, set=_set_faces)  # type: ignore[valid-type]
    own_faces: IntProperty(
        name="Own Faces", description="0: as the networks advise", options={"HIDDEN"}
    )  # type: ignore[valid-type]
    texture_size: texture_property()  # type: ignore[valid-type]
    surface: surface_property()  # type: ignore[valid-type]
    height: FloatProperty(  # type: ignore[valid-type]
        name="Height",
        description="How tall the object becomes",
        default=1.0,
        min=0.001,
        soft_max=10.0,
        subtype="DISTANCE",
        unit="LENGTH",
    )
    as_asset: BoolProperty(  # type: ignore[valid-type]
        name="Mark as Asset",
        description="The object goes into the Asset Browser, with a preview, "
        "in the catalog Maquette",
        default=False,
    )
    block_in: BoolProperty(  # type: ignore[valid-type]
        name="Show Early",
        description="Show a coarse block-in and then the untextured surface while the rest is made",
        default=True,
    )
    matte: EnumProperty(  # type: ignore[valid-type]
        name="Background", description="How the background of the picture is taken away",
        items=MATTES, default="auto", update=_matte_changed,
    )  # fmt: skip
    threshold: FloatProperty(  # type: ignore[valid-type]
        name="Threshold",
        description="How sure it must be that a pixel belongs to the object",
        default=0.5,
        min=0.0,
        max=1.0,
        subtype="FACTOR",
        update=_matte_changed,
    )
    grow: IntProperty(  # type: ignore[valid-type]
        name="Grow",
        description="Make the object's outline wider, or narrower where negative",
        default=0,
        min=-64,
        max=64,
        soft_min=-16,
        soft_max=16,
        subtype="PIXEL",
        update=_matte_changed,
    )
    fast: BoolProperty(  # type: ignore[valid-type]
        name="Fast",
        description="Save steps of the networks for a small error: of those that come last, every "
        "other one is told from the steps before it. Where there are few steps, none is saved",
        default=False,
        translation_context=OWN,
    )
    texture_method: EnumProperty(  # type: ignore[valid-type]
        name="UVs",
        description="Where the new textures lie on the mesh",
        items=(
            ("keep", "Keep", "The object's own UV map is used where it fits"),
            ("new", "New Map", "A UV map is added; the object's own stay as they are"),
        ),
        default="keep",
    )
    drop_edits: BoolProperty(  # type: ignore[valid-type]
        name="Drop the Edits",
        description="Start from the stored result, so that what was edited by hand since is lost; "
        "otherwise from the mesh as it is now",
    )
    all_users: BoolProperty(  # type: ignore[valid-type]
        name="All Objects with This Mesh",
        description="Change all objects that share the mesh, not just the selected one",
        default=False,
    )
    finish_faces: faces_property(default=USUAL_FACES)  # type: ignore[valid-type]
    finish_quads: quads_property()  # type: ignore[valid-type]
    finish_texture_size: texture_property()  # type: ignore[valid-type]
    finish_surface: surface_property()  # type: ignore[valid-type]
    finish_levels: levels_property()  # type: ignore[valid-type]
    finish_normal_map: normal_map_property()  # type: ignore[valid-type]
    finish_hull: hull_property()  # type: ignore[valid-type]
    stage_0: _changes(name="Stage 1")  # type: ignore[valid-type]
    stage_1: _changes(name="Stage 2")  # type: ignore[valid-type]
    stage_2: _changes(name="Stage 3")  # type: ignore[valid-type]
    stage_3: _changes(name="Stage 4")  # type: ignore[valid-type]
    stage_4: _changes(name="Stage 5")  # type: ignore[valid-type]
    stage_5: _changes(name="Stage 6")  # type: ignore[valid-type]

    def stage(self, number: int) -> MaquetteStage:
        """The changes to the checkpoint's stage of that number, 0 to 5."""
        return getattr(self, f"stage_{number}")

    def changed(self, name: str) -> bool:
        """Whether a choice differs from what it is at first."""
        if name == "faces":
            return self.own_faces > 0
        return getattr(self, name) != self.bl_rna.properties[name].default


def _history_filtered(group: "MaquetteWindow", _context: Any) -> None:
    from .operators import history

    group.history_page = 0
    history.search(group)


def is_a_picture(image: Any) -> bool:
    """Whether an image has pixels of its own."""
    return image.type not in ("RENDER_RESULT", "COMPOSITING")


def _prompt(_group: "MaquetteWindow") -> str:
    return _snapshot().picture.words


def _set_prompt(_group: "MaquetteWindow", value: str) -> None:
    from .bl import tick

    tick.session().chosen.write(value)
    tick.refresh()


class MaquetteWindow(PropertyGroup):
    """Choices of the moment; nothing is lost with them."""

    prompt: StringProperty(  # type: ignore[valid-type]
        name="Text",
        description="What the object is and how it looks, in English",
        maxlen=LONGEST_PROMPT,
        options={"TEXTEDIT_UPDATE", "SKIP_SAVE"},
        get=_prompt,
        set=_set_prompt,
    )
    image: PointerProperty(  # type: ignore[valid-type]
        type=bpy.types.Image,
        name="Image",
        description="Of this file, that becomes the picture",
        poll=lambda _window, image: is_a_picture(image),
    )

    history_search: StringProperty(  # type: ignore[valid-type]
        name="Search",
        description="Show results that have these words in their name or in what was done, such "
        "as: high seed 42",
        options={"TEXTEDIT_UPDATE", "SKIP_SAVE"},
        update=_history_filtered,
    )
    history_picture: StringProperty(
        name="Picture", description="Show results of this picture", options={"HIDDEN", "SKIP_SAVE"}
    )  # type: ignore[valid-type]
    history_page: IntProperty(
        name="Page", description="Of the history", min=0, options={"HIDDEN", "SKIP_SAVE"}
    )  # type: ignore[valid-type]
    history_chosen: StringProperty(
        name="Result", description="The chosen one", options={"HIDDEN", "SKIP_SAVE"}
    )  # type: ignore[valid-type]
    show_original: BoolProperty(  # type: ignore[valid-type]
        name="Original",
        description="Show the picture as it is, not cut out",
        options={"SKIP_SAVE"},
    )


CLASSES = (MaquetteStage, MaquetteScene, MaquetteWindow)


def attach() -> None:
    """Give scenes and window managers their properties; the classes are registered."""
    scene: Any = bpy.types.Scene
    scene.maquette = PointerProperty(
        type=MaquetteScene, name="Maquette", description="What is made of pictures in this scene"
    )
    window: Any = bpy.types.WindowManager
    window.maquette = PointerProperty(
        type=MaquetteWindow, name="Maquette", description="What its panels show at the moment"
    )


def detach() -> None:
    """Take them away; their values stay in the file."""
    for owner in (bpy.types.Scene, bpy.types.WindowManager):
        if hasattr(owner, "maquette"):
            del owner.maquette
