"""What a modeler sees who works in Solid shading: several objects in a row, each with its colour,
a new look beside them, and *Show Materials*, pressed by a real click; and running work while the
panel Generate is folded, by a real click too.

Deliveries are made here, so that no engine is needed; the extension has to come from a zip. With
the argument ``quick`` Material Preview is left out, whose shaders take half a minute in software.
"""

import sys
from pathlib import Path
from typing import Any

import bpy
import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[3]))
import window
from states import states

COLORS = {"mushroom": (40, 170, 130), "rocket": (200, 50, 40), "duck": (240, 190, 40)}


def textures(color: tuple[int, ...]) -> Any:
    """The pictures of a material, with the mean of its base colour as the engine tells it: stripes
    of a colour and of white."""
    from tests.blender import parts

    rows = np.full((64, 64, 3), 255, np.uint8)
    rows[(np.arange(64) // 8) % 2 == 0] = color
    light = (rows.reshape(-1, 3) / 255) ** 2.2
    mean = tuple(float(x) for x in light.mean(axis=0))
    pictures = {
        "base_color": (parts.png_of(rows), False),
        "metallic_roughness": (parts.png(64, (0, 180, 30)), False),
    }
    pack = window.module("protocol.parts").pack_images
    return parts.fetched("textures", pack(pictures, means={"base_color": mean}))


def deliver() -> list[Any]:
    """Three objects at the same cursor."""
    from tests.blender import parts

    tick, place = window.module("bl.tick"), window.module("bl.place")
    found: list[Any] = []
    for number, (name, color) in enumerate(COLORS.items()):
        placed = tick.deliver(
            parts.delivery(
                title=name,
                job=f"{number:032x}",
                height=1.0,
                matrix=place.at_cursor(bpy.context.scene),
                parts={"finished": parts.mesh_part(), "textures": textures(color)},
            )
        )
        assert placed.outcome == "placed", placed
        found.append(next(o for o in bpy.data.objects if o.session_uid == placed.object))
    return found


def retextured(thing: Any) -> Any:
    """A new look of an object, as a preview beside it."""
    from tests.blender import parts

    sent = window.module("bl.mesh_out").gather(thing)
    mesh = parts.fetched(
        "finished",
        window.module("protocol.parts").pack_mesh(
            sent.position, sent.corner_vert.reshape(-1, 3), corner_uv=sent.corner_uv
        ),
    )
    placed = window.module("bl.tick").deliver(
        parts.delivery(
            purpose="retexture",
            object=thing.session_uid,
            object_name=thing.name,
            parts={"finished": mesh, "textures": textures((60, 90, 220))},
        )
    )
    assert placed.outcome == "placed", placed
    return next(o for o in bpy.data.objects if o.session_uid == placed.object)


def story() -> window.Steps:
    sys.modules["tests.blender.addon"] = type(sys)("addon")
    sys.modules["tests.blender.addon"].module = window.module  # pyright: ignore
    bpy.data.objects.remove(bpy.data.objects["Cube"])
    bpy.context.preferences.system.use_region_overlap = False
    yield from window.open_tab()
    known = states(window.module("core.snapshot"))
    tick = window.module("bl.tick")
    tick.snapshot = lambda: known["06_ready"]
    space = window.area().spaces.active
    space.region_3d.view_distance = 7.0
    space.region_3d.view_location = (1.8, 0, 0.5)
    row = deliver()
    assert [round(thing.location.x, 3) for thing in row] == [0.0, 1.2, 2.4]
    yield 0.5
    preview = retextured(row[1])
    assert preview.location.x > row[2].location.x + 1
    row[1].select_set(True)
    bpy.context.view_layer.objects.active = row[1]
    window.redraw()
    yield 3.0  # Blender moves panels that lie below one that has grown by an animation
    assert space.shading.type == "SOLID"
    window.shot("solid_1")
    region = window.crop_of(window.region("WINDOW"))
    seen = window.pixels(region).astype(int)
    colourful = (seen.max(axis=2) - seen.min(axis=2) > 30).mean()
    assert colourful > 0.01, f"{colourful:.4f} of the viewport has a colour"

    if "quick" not in sys.argv:
        yield from show_materials(space)
    yield from folded(tick, known, space)


def show_materials(space: Any) -> window.Steps:
    """Press *Show Materials*."""
    # It stands under the verbs of the preview: the last button of the selected object.
    x, y, _ = window.buttons(0.25)[-1]
    window.click(x, y)
    yield 1.0
    yield from window.wait_for("Material Preview", lambda: space.shading.type == "MATERIAL", 10)
    yield 30.0
    window.redraw()
    yield 2.0
    window.shot("solid_2")


def folded(tick: Any, known: dict[str, Any], space: Any) -> window.Steps:
    """Running work is seen although Generate is folded, by a real click."""
    space.shading.type = "SOLID"
    part = window.region()
    window.click(part.x + 60, part.y + part.height - int(14 * window.SCALE))
    yield 1.5
    tick.snapshot = lambda: known["12_running"]
    window.redraw()
    yield 1.0
    window.sidebar_shot("solid_folded")


window.run(story)
