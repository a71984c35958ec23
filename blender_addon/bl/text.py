"""Sentences, wrapped by their measured width, since Blender cuts what is too long."""

from functools import lru_cache
from typing import Any

import blf

from ..core.language import said

TABS = 24
"""Pixels at 100 % that the tabs of a sidebar take."""
MARGIN = 36
"""Pixels at 100 % around the text of a label: panel, label, and the scroll bar's share."""
ICON = 20
BOX = 12
"""Pixels at 100 % that a box takes from its width."""


def room(context: Any, *, icon: bool = False, boxes: int = 0) -> int:
    """Pixels that a sentence has in the region that is drawn, inside so many boxes."""
    scale = context.preferences.system.ui_scale
    region = context.region
    taken = MARGIN + BOX * boxes + (ICON if icon else 0)
    if region.type == "UI":
        taken += TABS
    return int(region.width - taken * scale)


def points(context: Any) -> float:
    """Size of the letters of labels in pixels."""
    style = context.preferences.ui_styles[0].widget
    return style.points * context.preferences.system.ui_scale


@lru_cache(maxsize=1000)
def lines(text: str, width: int, size: float) -> tuple[str, ...]:
    """The text in lines of at most ``width`` pixels; a word that is longer is cut into pieces."""
    blf.size(0, size)
    found: list[str] = []
    for paragraph in text.split("\n"):
        line = ""
        for word in paragraph.split():
            longer = f"{line} {word}" if line else word
            if blf.dimensions(0, longer)[0] <= width:
                line = longer
                continue
            if line:
                found.append(line)
            *whole, line = _pieces(word, width)
            found += whole
        found.append(line)
    return tuple(found)


def _pieces(word: str, width: int) -> list[str]:
    pieces = [""]
    for letter in word:
        if pieces[-1] and blf.dimensions(0, pieces[-1] + letter)[0] > width:
            pieces.append("")
        pieces[-1] += letter
    return pieces


def say(
    layout: Any,
    context: Any,
    text: str,
    *,
    icon: str = "NONE",
    boxes: int = 0,
    width: int | None = None,
    alert: bool = False,
    dim: bool = False,
) -> None:
    """Draw a sentence in as many lines as it takes.

    Args:
        layout: where.
        text: a translatable sentence.
        icon: before the first line.
        boxes: around ``layout``, inside of the panel.
        width: pixels for it; None: the region's.
        alert: in the colour of a warning.
        dim: in the colour of what is of less weight.
    """
    if not text:
        return
    has_icon = icon != "NONE"
    if width is None:
        width = room(context, icon=has_icon, boxes=boxes)
    column = layout.column(align=True)
    column.scale_y = 0.8
    column.alert = alert
    column.active = not dim
    for number, line in enumerate(lines(said(text), width, points(context))):
        first = number == 0
        if has_icon:
            column.label(text=line, icon=icon if first else "BLANK1", translate=False)
        else:
            column.label(text=line, translate=False)


def problem(
    layout: Any, context: Any, what: str, hint: str = "", *, boxes: int = 0, icon: str = "ERROR"
) -> None:
    """Draw what is wrong, and under it, the remedy."""
    say(layout, context, what, icon=icon, boxes=boxes, alert=icon == "ERROR")
    if hint:
        say(layout, context, hint, icon="BLANK1", boxes=boxes)


def short(context: Any, name: str, width: int) -> str:
    """A name that fits into ``width`` pixels: its end is left out where it does not."""
    size = points(context)
    first = lines(name, width, size)
    if len(first) <= 1 and "\n" not in name:
        return name
    blf.size(0, size)
    cut = name
    while cut and blf.dimensions(0, cut + "…")[0] > width:
        cut = cut[:-1]
    return cut.rstrip() + "…"


def split(layout: Any, heading: str, factor: float = 0.4) -> Any:
    """A row like those of properties: the heading to the right of its share, then the values."""
    row = layout.split(factor=factor)
    left = row.column()
    left.scale_y = 0.8
    left.alignment = "RIGHT"
    left.label(text=heading)
    return row.column(align=True)
