"""Where a result goes, and what arrives: plain values between the session and the bpy work.

No bpy object is named but by its name and ``session_uid``, since any of them may be gone when the
result comes (deleted, undone, another file).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from ..protocol.client import Fetched

Purpose = Literal["new", "retexture", "replace"]
"""What is done with a result: "new" makes an object; "retexture" adds a material, and UVs where
there were none, to an object; "replace" puts mesh and materials into an object (upscale, finish
again)."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """Where a result goes.

    Attributes:
        purpose: what is done with it.
        file: key of the open file (``bl.open_file`` draws a new one for every file that is opened
            or made), so that a result never lands in another file than its own.
        scene: ``session_uid`` of the scene.
        object, object_name: of the object to change; 0 and empty for a new one.
        matrix: 4 rows of 4. For a new object the world transform of its place: cursor, on the
            ground; it steps aside where it would stand in another (``bl.elbow_room``). For others
            that of the object when its mesh was sent as it stood in the world, also where the
            source is the stored result of such a mesh; empty where it never was.
        exact: a new object stays at its place, whatever stands there.
        bounds: lowest and highest corner, in the space of the object, of what was sent, where its
            own mesh is smaller or larger: modifiers and shape keys were in it. Else empty.
        modifiers: names of those that were in what was sent.
        height: of a new object in metres; 0: as it comes.
        as_asset: mark it as an asset.
        keep_uvs: for "retexture": the object's own UVs are used.
        preview: for "retexture": show it beside the old look first, to be kept or discarded.
        all_users: for "retexture" and "replace": change all objects that share the mesh.
        block_in: show the structure first.
    """

    purpose: Purpose = "new"
    file: str = ""
    scene: int = 0
    object: int = 0
    object_name: str = ""
    matrix: tuple[float, ...] = ()
    exact: bool = False
    bounds: tuple[float, ...] = ()
    modifiers: tuple[str, ...] = ()
    height: float = 0.0
    as_asset: bool = False
    keep_uvs: bool = True
    preview: bool = True
    all_users: bool = False
    block_in: bool = True


Stage = Literal["structure", "mesh", "finished"]


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """Parts of a job that are here and checked, ready for the scene.

    Attributes:
        job: its id.
        stage: "structure" (block-in), "mesh" (surface with colours by vertex), "finished" (UVs and
            textures, levels of detail, hull). A later one makes an earlier one worthless.
        title: for the name of the object.
        target: where it goes.
        parts: by name (engine/worker/parts.py has the list), whole and checked.
        recipe: how it was made, for the object's custom property; empty before "finished".
    """

    job: str
    stage: Stage
    title: str
    target: Target
    parts: "Mapping[str, Fetched]"
    recipe: Mapping[str, Any] = field(default_factory=dict[str, Any])


Outcome = Literal["placed", "later", "lost"]


@dataclass(frozen=True, kw_only=True)
class Placed:
    """What became of a delivery in the scene.

    Attributes:
        outcome: "placed"; "later": not now (Edit mode, a modal operator, a render), try again;
            "lost": its target is gone. Of a finished result that is final: it stays in the
            history; of an earlier stage it is not, since an undo may bring the target back.
        object, object_name: that it became or changed.
        sentence: for the user: where it is, or why not.
    """

    outcome: Outcome
    object: int = 0
    object_name: str = ""
    sentence: str = ""
