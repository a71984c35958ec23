"""What all operators share: the session, and how a refusal is told."""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..core import language
from ..core.language import whole
from ..protocol.errors import EngineError


def session() -> Any:
    """The session, made when it is first needed; an engine that is stopped is started."""
    from ..bl import tick

    engine = tick.snapshot().engine
    if engine.state in ("stopped", "gone") and not engine.remote:
        tick.engine().start()
    return tick.session()


def session_as_it_is() -> Any:
    """The session, for what needs no engine: one that is stopped stays so."""
    from ..bl import tick

    return tick.session()


def attempt(operator: Any, action: Callable[[], object], said: str = "") -> set[str]:
    """Do it; what is refused becomes a report with its remedy.

    Args:
        operator: that reports.
        action: the one call of core or bl.
        said: reported when it is done.
    """
    try:
        action()
    except EngineError as error:
        operator.report({"ERROR"}, sentence(error))
        return {"CANCELLED"}
    if said:
        operator.report({"INFO"}, language.said(said))
    return {"FINISHED"}


def sentence(error: EngineError) -> str:
    """What is wrong, and the remedy."""
    return whole(error.message, error.hint)


def open_folder(folder: Path) -> None:
    """Show a folder in the system's own program.

    Raises:
        EngineError: ``folder_unshown``; its path is in the clipboard then.
    """
    import bpy

    try:
        if sys.platform.startswith("linux") and shutil.which("xdg-open") is None:
            raise RuntimeError  # before Blender prints a traceback of it
        bpy.ops.wm.path_open(filepath=str(folder))
    except RuntimeError as error:
        bpy.context.window_manager.clipboard = str(folder)
        raise EngineError(
            "folder_unshown",
            language.said(
                "This system has no program that shows the folder {folder}.", folder=folder
            ),
            "Its path is in the clipboard.",
        ) from error


def refuse(cls: Any, why_not: str) -> bool:
    """For ``poll``: whether nothing speaks against it; else the tooltip says what."""
    if why_not:
        cls.poll_message_set(language.said(why_not))
    return not why_not


def why_no_viewport(context: Any) -> str:
    """Why what needs a 3D viewport cannot be used here; or empty."""
    area = context.area
    return "" if area is not None and area.type == "VIEW_3D" else "Use it in a 3D viewport."


def redraw() -> None:
    """Draw all areas that show the snapshot again."""
    import bpy

    shown = {"VIEW_3D": "UI", "PREFERENCES": "WINDOW"}
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            for region in area.regions:
                if shown.get(area.type) == region.type:
                    region.tag_redraw()
