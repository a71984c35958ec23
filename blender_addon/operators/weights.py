"""Verbs of the weights: list, download, cancel, and the two ways to what is gated."""

from typing import Any

import bpy
from bpy.props import StringProperty
from bpy.types import Operator

from ..core.language import said
from .acting import attempt, refuse, session, session_as_it_is


class MAQUETTE_OT_list_weights(Operator):
    """Ask what the published weights take, and what of them is here"""

    bl_idname = "maquette.list_weights"
    bl_label = "Show the List"

    def execute(self, _context: Any) -> set[str]:
        return attempt(self, lambda: session().weights.load())


class OfDownload:
    """A verb that downloads weights which are listed."""

    @classmethod
    def poll(cls, _context: Any) -> bool:
        from ..bl import network, tick
        from ..core import online, refusals

        why_not = refusals.why_not_download(tick.snapshot())
        return refuse(cls, why_not or online.why_no_download(network.access()))


class MAQUETTE_OT_download_weights(OfDownload, Operator):
    """Download the weights that are missing; what was cut off continues"""

    bl_idname = "maquette.download_weights"
    bl_label = "Download Weights"

    def execute(self, _context: Any) -> set[str]:
        return attempt(self, lambda: session().weights.download("standard"))


class MAQUETTE_OT_download_finder(Operator):
    """Download a small network that finds the object in front of any background"""

    bl_idname = "maquette.download_finder"
    bl_label = "Download Background Removal"

    @classmethod
    def poll(cls, _context: Any) -> bool:
        from ..bl import network, tick
        from ..core import online, refusals

        why_not = refusals.why_not_finder(tick.snapshot())
        return refuse(cls, why_not or online.why_no_download(network.access()))

    def execute(self, _context: Any) -> set[str]:
        from ..core.weights import FINDS_OBJECTS

        return attempt(self, lambda: session().weights.download(FINDS_OBJECTS))


class MAQUETTE_OT_cancel_download(Operator):
    """Stop the download; what is here is kept for the next time"""

    bl_idname = "maquette.cancel_download"
    bl_label = "Cancel the Download"

    def execute(self, _context: Any) -> set[str]:
        return attempt(self, lambda: session_as_it_is().weights.cancel())


class MAQUETTE_OT_open_page(Operator):
    """Open the page where its owner gives access"""

    bl_idname = "maquette.open_page"
    bl_label = "Open Page"
    bl_options = {"INTERNAL"}

    page: StringProperty(options={"SKIP_SAVE", "HIDDEN"})  # type: ignore[valid-type]

    def execute(self, _context: Any) -> set[str]:
        if not self.page.startswith("https://"):
            self.report({"ERROR"}, said("That page's address is not known."))
            return {"CANCELLED"}
        bpy.ops.wm.url_open(url=self.page)
        return {"FINISHED"}


class MAQUETTE_OT_use_copy(OfDownload, Operator):
    """Download a copy of these weights that needs no login; the owner's licence still applies"""

    bl_idname = "maquette.use_copy"
    bl_label = "Use Open Copy"

    def execute(self, _context: Any) -> set[str]:
        return attempt(self, lambda: session().weights.download("standard", ungated=True))


CLASSES = (
    MAQUETTE_OT_list_weights,
    MAQUETTE_OT_download_weights,
    MAQUETTE_OT_download_finder,
    MAQUETTE_OT_cancel_download,
    MAQUETTE_OT_open_page,
    MAQUETTE_OT_use_copy,
)
