"""Maquette without a window, in two lines::

    from bl_ext.user_default.maquette import api
    chair = api.generate("chair.png")

for instance on a farm, where no timer fires and so nothing happens by itself::

    blender -b --python-exit-code 1 --python-expr "
    from bl_ext.user_default.maquette import api
    api.generate('/in/chair.png', height=0.9)
    import bpy; bpy.ops.wm.save_as_mainfile(filepath='/out/chair.blend')"

The call returns when the object is in the scene. It starts the engine that was set up on this
machine unless one runs, and leaves it running for the next call; it ends by itself when nobody
needs it. Blender exits with 0 when all is well. What goes wrong is an ``EngineError`` whose text
says what to do; with ``--python-exit-code 1``, which must stand before the script, Blender then
exits with 1, and without it with 0, as after every error of a script.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .protocol.errors import EngineError

if TYPE_CHECKING:
    from .core.settings import GenerateSettings
    from .core.snapshot import JobView


def generate(
    picture: str | Path,
    *,
    settings: "GenerateSettings | None" = None,
    location: tuple[float, float, float] | None = None,
    height: float = 0.0,
    as_asset: bool = False,
    told: "Callable[[JobView], None] | None" = None,
) -> Any:
    """An object from a picture, in the current scene.

    Args:
        picture: path of a PNG, JPEG or WebP file.
        settings: quality, seed, faces and so on: ``core.settings.GenerateSettings``; None: the
            checkpoint's own. Variants become several objects, of which the first is returned.
        location: where its base stands, in metres, whatever stands there (variants stand in a row
            from there); None: at the 3D cursor, beside what would hide it.
        height: in metres; 0: about 1.
        as_asset: mark it as an asset, with a preview.
        told: called with the job whenever it has moved on.

    Returns:
        The ``bpy.types.Object``.

    Raises:
        EngineError: ``file_unreadable``; ``engine_absent`` where none is set up; the reason why the
            engine refused or failed; ``object_lost`` with the reason why it is not in the scene.
    """
    import bpy  # pyright: ignore[reportMissingImports]

    from .bl import open_file, place, tick
    from .core.deliveries import Target
    from .core.pictures import read_picture
    from .core.settings import GenerateSettings

    chosen = read_picture(Path(picture), "Give the path of a picture.")
    scene = bpy.context.scene
    target = Target(
        file=open_file.key(),
        scene=scene.session_uid,
        matrix=place.at_cursor(scene) if location is None else place.upright(location),
        exact=location is not None and (settings is None or settings.variants == 1),
        height=height,
        as_asset=as_asset,
        block_in=False,
    )
    jobs = tick.session().generate(settings or GenerateSettings(), target, chosen)
    objects = _wait(jobs, told)
    return objects[jobs[0]]


def _wait(jobs: list[str], told: "Callable[[JobView], None] | None") -> dict[str, Any]:
    """Until all jobs are in the scene; their objects."""
    import bpy  # pyright: ignore[reportMissingImports]

    from .bl import open_file, tick
    from .core.deliveries import Delivery, Placed
    from .core.waiting import wait

    placed: dict[str, Placed] = {}

    def deliver(delivery: Delivery) -> Placed:
        placed[delivery.job] = tick.deliver(delivery, undo=not bpy.app.background)
        return placed[delivery.job]

    def each() -> None:
        tick.poll_engine()
        tick.refresh()

    process = tick.engine()
    process.poll()
    if process.facts.engine.state in ("absent", "stopped"):
        process.start()
    wait(tick.session(), jobs, deliver, each=each, told=told or (lambda _: None))
    found: dict[str, Any] = {}
    for job in jobs:
        what = placed.get(job)
        thing = open_file.by_uid(bpy.data.objects, what.object) if what is not None else None
        if thing is None:
            sentence = what.sentence if what is not None else "The result did not come."
            raise EngineError("object_lost", sentence, "Insert it from the history.")
        found[job] = thing
    return found
