"""Pictures of every state in a real window, and what drawing them takes.

Without more arguments: every state with the panels as they are at first. With ``open``: states
whose panels are folded at first, opened, with the others left out. ``de_DE`` before that: in that
language.
"""

import json
import statistics
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import bpy
import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
import window
from states import states

GIVEN = sys.argv[sys.argv.index("--") + 1 :]
GENERATE = ("MAQUETTE_PT_generate",)
OBJECT = ("MAQUETTE_PT_object",)
OPENED = {
    "24_other_engine": ("01_no_engine", ("MAQUETTE_PT_first_run", "MAQUETTE_PT_other_engine")),
    "30_cut_out": ("08_picture", (*GENERATE, "MAQUETTE_PT_cut_out")),
    "31_options": ("08_picture", (*GENERATE, "MAQUETTE_PT_options")),
    "32_advanced": ("08_picture", (*GENERATE, "MAQUETTE_PT_sampling")),
    "33_presets": ("08_picture", (*GENERATE, "MAQUETTE_PT_presets")),
    "34_retexture": ("08_picture", (*OBJECT, "MAQUETTE_PT_retexture")),
    "35_upscale": ("08_picture", (*OBJECT, "MAQUETTE_PT_upscale")),
    "36_finish": ("08_picture", (*OBJECT, "MAQUETTE_PT_finish")),
    "37_recipe": ("08_picture", (*OBJECT, "MAQUETTE_PT_recipe")),
    "38_look": ("08_picture", (*OBJECT, "MAQUETTE_PT_retexture")),
    "39_looks": ("08_picture", OBJECT),
    "40_history": ("19_history", ("MAQUETTE_PT_history",)),
    "41_history_empty": ("06_ready", ("MAQUETTE_PT_history",)),
    "42_engine": ("08_picture", ("MAQUETTE_PT_engine",)),
    "43_weights": ("20_weights", ("MAQUETTE_PT_engine", "MAQUETTE_PT_weights")),
    "44_downloading": ("21_downloading", ("MAQUETTE_PT_engine", "MAQUETTE_PT_weights")),
    "45_remote": ("23_remote", ("MAQUETTE_PT_engine",)),
    "48_nothing_selected": ("08_picture", OBJECT),
    "49_engine_asleep": ("47_asleep", ("MAQUETTE_PT_engine",)),
}
PREFERENCES = {
    "50_prefs_none": "01_no_engine",
    "51_prefs_ready": "06_ready",
    "52_prefs_gone": "17_gone",
    "53_prefs_weights": "20_weights",
}
took: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
now = {"state": "", "visible": None}


def panels() -> list[Any]:
    """All panels of the extension."""
    classes = window.module("registration").CLASSES
    return [cls for cls in classes if issubclass(cls, bpy.types.Panel)]


def time_draws() -> None:
    """Measure every draw of ours, and show the wanted panels only."""
    for cls in panels():
        for name in ("draw", "draw_header_preset"):
            if name in vars(cls):
                setattr(cls, name, timed(cls, name, getattr(cls, name)))
        cls.poll = classmethod(filtered(cls, cls.poll))


def timed(cls: Any, name: str, draw: Any) -> Any:
    """The same drawing, measured."""

    def measured(self: Any, context: Any) -> None:
        begin = time.perf_counter()
        draw(self, context)
        took[now["state"]][f"{cls.__name__}.{name}"].append(time.perf_counter() - begin)

    return measured


def filtered(cls: Any, poll: Any) -> Any:
    """The same poll, which also looks at what the state wants to show."""

    def asked(_cls: Any, context: Any) -> bool:
        visible = now["visible"]
        return (visible is None or cls.__name__ in visible) and poll(context)

    return asked


def unfold() -> None:
    """Open what is folded at first; before anything was drawn."""
    registration = window.module("registration")
    registration.unregister()
    for cls in panels():
        cls.bl_options = set(getattr(cls, "bl_options", ())) - {"DEFAULT_CLOSED"}
    registration.register()


_KEPT: list[object] = []
"""Blender frees previews that nobody holds."""


def give_thumbnails() -> None:
    """Thumbnails of the kind that the engine sends, made of the examples."""
    import bpy.utils.previews

    kept = bpy.utils.previews.new()
    _KEPT.append(kept)
    examples = Path(__file__).resolve().parents[3] / "examples"
    icons: list[tuple[int, int]] = []
    for name in ("mushroom", "rocket", "lighthouse", "duck", "armchair", "trophy"):
        image = bpy.data.images.load(str(examples / f"{name}.png"))
        pixels = np.empty(512 * 512 * 4, np.float32)
        image.pixels.foreach_get(pixels)
        bpy.data.images.remove(image)
        pixels = pixels.reshape(512, 512, 4)[::2, ::2]
        rows, columns = np.mgrid[0:256, 0:256] // 16
        ground = np.where((rows + columns) % 2, 0.30, 0.38)[..., None]
        alpha = pixels[..., 3:]
        cut = pixels[..., :3] * alpha + ground * (1 - alpha)
        cut = np.concatenate([cut, np.ones_like(alpha)], axis=2)
        for kind, values in (("cut", cut), ("full", pixels)):
            preview = kept.new(f"{name}.{kind}")
            preview.image_size = (256, 256)
            preview.image_pixels_float.foreach_set(values.astype(np.float32).reshape(-1))
        icons.append((kept[f"{name}.cut"].icon_id, kept[f"{name}.full"].icon_id))
    thumbnails = window.module("bl.thumbnails")
    thumbnails.icon = lambda job: icons[int(job, 16) % 6][1]
    thumbnails.picture_icon = lambda original: icons[0][1 if original else 0]


def prepare(name: str) -> None:
    """What a state needs beside its snapshot."""
    chosen, thing = bpy.context.scene.maquette, bpy.context.view_layer.objects.active
    thing.name = "Mushroom"
    thing.select_set(name != "48_nothing_selected")
    recipe, retexture = window.module("bl.recipe"), window.module("bl.retexture")
    if name == "37_recipe":
        recipe.write(thing, RECIPE)
    if name == "38_look":
        preview = bpy.data.objects.new("Mushroom Preview", thing.data)
        preview[retexture.PREVIEW] = "{}"
        preview[retexture.ORIGINAL] = thing
    if name == "39_looks":
        retexture.discard(retexture.preview_of(thing))
        for end in ("", ".001"):
            window.module("bl.looks").add(thing, bpy.data.materials.new(f"Mushroom Look{end}"))
    bpy.context.window_manager.maquette.history_chosen = f"{4:032x}"
    if name == "32_advanced":
        chosen.stage_1.steps, chosen.stage_1.guidance = 25, 6.0
        chosen.fast = True
    if name == "31_options":
        chosen.faces, chosen.variants = 50_000, 4
        chosen.height = 0.45
    presets = window.module("operators.presets")
    presets.names = lambda: ("Print", "Props 20k") if name == "33_presets" else ()


RECIPE = {
    "version": 1,
    "job": "a" * 32,
    "kind": "generate",
    "title": "mushroom",
    "engine": "maquette 0.1.0",
    "checkpoint": "microsoft/TRELLIS.2-4B",
    "settings": {"quality": "standard", "seed": 42},
    "finish": {"finish": "standard", "faces": 50000, "texture_size": 2048},
}


def preferences(known: dict[str, Any]) -> window.Steps:
    """The preferences as they are without an engine, ready, and with weights to download."""
    tick = window.module("bl.tick")
    area = window.area()
    area.type = "PREFERENCES"
    bpy.context.preferences.active_section = "ADDONS"
    bpy.context.window_manager.addon_search = "Maquette"
    module = window.module("registration").PACKAGE
    yield 0.5
    with bpy.context.temp_override(window=bpy.context.window_manager.windows[0], area=area):
        bpy.ops.preferences.addon_expand(module=module)
    for name, state in PREFERENCES.items():
        tick.snapshot = lambda snapshot=known[state]: snapshot
        window.redraw()
        yield 1.0
        window.shot(name, window.crop_of(window.region("WINDOW", "PREFERENCES")))


def story() -> window.Steps:
    if GIVEN[:1] == ["de_DE"]:
        view = bpy.context.preferences.view
        view.language = GIVEN.pop(0)
        view.use_translate_interface = view.use_translate_tooltips = True
    opened = GIVEN[:1] == ["open"]
    wanted = GIVEN[1:] if opened else GIVEN
    if opened:
        unfold()
    time_draws()
    bpy.context.preferences.system.use_region_overlap = False
    yield from window.open_tab()
    tick, known = window.module("bl.tick"), states(window.module("core.snapshot"))
    give_thumbnails()
    names = {name: (name, None) for name in known} if not opened else OPENED
    for name, (state, visible) in names.items():
        if wanted and not any(name.startswith(one) for one in wanted):
            continue
        tick.snapshot = lambda snapshot=known[state]: snapshot
        now.update(state=name, visible=visible)
        prepare(name)
        window.redraw()
        yield 0.8
        for _ in range(5):
            window.redraw()
            yield 0.05
        yield 0.3
        window.sidebar_shot(name)
        if not opened and (known[state].banner or known[state].jobs):
            window.status_bar_shot(f"{name}_bar")
    if not opened and (not wanted or "prefs" in wanted):
        yield from preferences(known)
    figures = {
        state: {draw: round(1e3 * statistics.median(times), 3) for draw, times in draws.items()}
        for state, draws in took.items()
    }
    for draws in figures.values():
        draws["sum"] = round(sum(draws.values()), 3)
    (window.OUT / f"draw_{'open' if opened else 'first'}.json").write_text(
        json.dumps(figures, indent=1)
    )


window.run(story)
