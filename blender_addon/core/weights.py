"""The published weights: what there is, what is missing, and a download of it."""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from ..protocol.events import ModelProgress
from ..protocol.replies import ModelList, ModelRow, Refused
from ..protocol.requests import CancelModels, DownloadModels, ListModels
from .asking import Asking
from .snapshot import WeightsView, WeightView

if TYPE_CHECKING:
    from ..protocol.client import Answer

_WORDS = {
    "matte": "Background removal",
    "matte_lite": "Background removal, small",
    "pipeline": "Settings",
    "image_encoder": "DINOv3: reads pictures",
    "structure_flow": "Rough shape",
    "structure_decoder": "Rough shape, decoding",
    "shape_flow_512": "Shape, draft",
    "shape_flow_1024": "Shape, fine",
    "shape_decoder": "Shape, decoding",
    "texture_flow_1024": "Materials",
    "material_decoder": "Materials, decoding",
}
"""What a network is for, for people who make models and not networks: by its name."""
STANDARD, FINDS_OBJECTS = "standard", "matte_lite"
"""The group that is listed, and the small network that finds an object before any background."""
HUB = "https://huggingface.co/"
CANCELLED = "cancelled"


class Weights:
    """The list, for one group at a time.

    Args:
        changed: called when the view is another one though nothing has come from the engine.

    Attributes:
        view: None as long as the engine has not told.
    """

    def __init__(self, asking: Asking, changed: Callable[[], None]) -> None:
        self._asking, self._changed = asking, changed
        self._list: ModelList | None = None
        self._group = STANDARD
        self._request = 0
        self.view: WeightsView | None = None

    def load(self, group: str = "") -> None:
        """Ask what there is.

        Args:
            group: of ``protocol.limits.WEIGHT_GROUPS`` or a network that is wanted; empty: as
                before.

        Raises:
            EngineError: as ``Asking.ask``.
        """
        self._group = group or self._group
        self._asking.ask(ListModels(), self._take)
        self._make()

    def download(self, group: str, *, ungated: bool = False) -> None:
        """Get what is missing of a group; what has arrived before stays.

        Args:
            ungated: ask copies of gated repositories, which need no login.

        Raises:
            EngineError: as ``Asking.ask``.
        """
        self._group = group
        if self._list is None:
            self._asking.ask(ListModels(), self._take)
        rows = self._list.rows if self._list else ()
        mirrors = {row.repository: row.mirror for row in rows if row.gated and row.mirror}
        request = DownloadModels(names=(group,), mirrors=mirrors if ungated else {})
        self._request = self._asking.ask(request, self._begun)
        self._make()
        self._show(running=True, file="", done=0, problem="", hint="")
        self._changed()

    def cancel(self) -> None:
        """Stop the download; it can be resumed."""
        self._asking.ask(CancelModels())

    def take(self, event: ModelProgress) -> None:
        """How far it is."""
        if event.request != self._request:
            return
        self._show(running=not event.ended, file=event.file, done=event.done)
        if event.ended:
            self._request = 0
            if event.message and event.code != CANCELLED:
                self._show(problem=event.message, hint=event.hint)
            self.load(STANDARD)

    def lost(self) -> None:
        """The engine is another one, which does not continue the download of the one before."""
        if self._request:
            self._request, self._group = 0, STANDARD
            self._make()
            self._show(
                running=False,
                problem="The engine ended during the download.",
                hint="Download again: it resumes where it stopped.",
            )

    def renew(self) -> None:
        """Another engine is used from here on, with weights of its own."""
        self._list = self.view = None
        self._request = 0

    def _begun(self, answer: "Answer") -> None:
        if isinstance(answer.reply, Refused):
            self._request = 0
            self._show(running=False, problem=answer.reply.message, hint=answer.reply.hint)

    def _take(self, answer: "Answer") -> None:
        if isinstance(answer.reply, ModelList):
            self._list = answer.reply
            self._make()
        elif isinstance(answer.reply, Refused):
            self._show(problem=answer.reply.message, hint=answer.reply.hint)

    def _make(self) -> None:
        """The view of the wanted group."""
        if self._list is None:
            return
        rows = tuple(row for row in self._list.rows if self._group in (row.name, *row.groups))
        old = self.view or WeightsView()
        self.view = replace(
            old,
            rows=tuple(_view(row) for row in rows),
            folder=self._list.folder,
            free=self._list.free,
            total=sum(row.bytes for row in rows),
            missing=sum(row.missing for row in rows),
        )

    def _show(self, **values: object) -> None:
        self.view = replace(self.view or WeightsView(), **values)  # pyright: ignore[reportArgumentType]


def _view(row: ModelRow) -> WeightView:
    return WeightView(
        name=row.name,
        purpose=_WORDS.get(row.name, row.purpose),
        bytes=row.bytes,
        missing=row.missing,
        gated=row.gated,
        page=HUB + row.repository if row.gated else "",
    )
