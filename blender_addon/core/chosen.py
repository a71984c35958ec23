"""The picture that is chosen: what the engine says of it, its matte, and the corrections to it."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ..protocol.errors import EngineError
from ..protocol.limits import MatteMethod
from ..protocol.references import Attached
from ..protocol.replies import CutOutPicture, PictureNotes, Refused
from ..protocol.requests import CutOut
from .asking import Asking
from .pictures import PictureIn, cut_out_picture
from .refusals import matte_note, remedy
from .snapshot import PictureView

if TYPE_CHECKING:
    from ..protocol.client import Answer

PICTURE = "picture"
"""Name under which a picture is attached."""
PAINTED = "The painted mask is used."
USUAL_THRESHOLD = 0.5
CutOutRows = tuple[int, int, bytes]


@dataclass(frozen=True)
class Matte:
    """How the background is taken away, as sliders say it.

    Attributes:
        method: "alpha" keeps the picture's own alpha.
        threshold: alpha from 0 to 1 below which nothing is left; None, or ``USUAL_THRESHOLD``
            where a slider rests: soft borders stay as they are.
        grow: pixels, negative to shrink.
    """

    method: MatteMethod = "auto"
    threshold: float | None = None
    grow: int = 0

    @property
    def corrected(self) -> bool:
        """Whether it is another one than a job would find by itself."""
        request = self.request()
        return (request.matte, request.threshold, request.grow) != ("auto", None, None)

    def request(self) -> CutOut:
        """
        Raises:
            EngineError: what is out of range.
        """
        threshold = None if self.threshold == USUAL_THRESHOLD else self.threshold
        return CutOut(
            picture=Attached(PICTURE),
            matte=self.method,
            threshold=threshold,
            grow=self.grow or None,
        )


AS_FOUND = Matte()
"""Nothing is corrected."""


class Chosen:
    """One picture at a time.

    Attributes:
        picture: that is chosen; None: none.
        cut_out: (width, height, RGBA8 rows top first) with straight alpha; None: not here.
        corrected: the matte is no longer what a job would find by itself.
    """

    def __init__(self, asking: Asking) -> None:
        self._asking = asking
        self.picture: PictureIn | None = None
        self.cut_out: CutOutRows | None = None
        self.corrected = False
        self.view = PictureView()
        self._asked = 0
        self._request: CutOut | None = None
        self._again = False
        self._serial = 0

    def choose(self, picture: PictureIn | None, matte: Matte) -> None:
        """Another picture, which the engine is asked about at once; None: none.

        A picture that cannot be used is chosen nevertheless: the panel says why.

        Args:
            matte: as the sliders stand.
        """
        self.picture, self.cut_out, self.corrected = picture, None, matte.corrected
        self._asked, self._again = 0, False
        if picture is None:
            self.view = PictureView(serial=self._next_serial())
            return
        self.view = PictureView(
            title=picture.title,
            width=picture.width,
            height=picture.height,
            serial=self._next_serial(),
        )
        self._ask(matte.request())

    def correct(self, matte: Matte) -> None:
        """Another matte of the same picture. While the engine looks for one, only the last that is
        wanted waits: a slider that is dragged does not send the picture a hundred times.

        Raises:
            EngineError: ``picture_none``, and what is out of range.
        """
        if self.picture is None:
            raise no_picture()
        request = matte.request()
        self.corrected = matte.corrected
        if self._asked:
            self._request, self._again = request, True
        else:
            self._ask(request)

    def use_mask(self, width: int, height: int, rows: bytes | bytearray | memoryview) -> None:
        """A matte that was painted: RGBA8 rows, top first, straight alpha.

        Raises:
            EngineError: ``picture_none``, ``picture_unusable``.
        """
        if self.picture is None:
            raise no_picture()
        if memoryview(rows).nbytes != width * height * 4 or min(width, height) < 1:
            raise EngineError(
                "picture_unusable",
                f"The mask has not {width} x {height} pixels of 4 bytes.",
                "Paint it again.",
            )
        self._asked, self._again = 0, False
        self.cut_out, self.corrected = (width, height, bytes(rows)), True
        self.view = replace(
            self.view,
            checking=False,
            notes=(*self.view.notes[:-1], PAINTED),  # the last one told of the matte before
            cut_out=True,
            problem="",
            hint="",
            serial=self._next_serial(),
        )

    def submission(self) -> tuple[PictureIn, MatteMethod | None]:
        """What a job is given: the picture, and how its background is removed; None: as the
        settings say. A corrected matte travels with it.

        Raises:
            EngineError: ``picture_none``, ``picture_checking``.
        """
        if self.picture is None:
            raise no_picture()
        if not self.corrected:
            return self.picture, None
        if self.cut_out is None or self._asked:
            raise EngineError(
                "picture_checking",
                "The corrected matte is not here yet.",
                "Wait a moment, or reset the matte.",
            )
        return cut_out_picture(self.picture, *self.cut_out), "cutout"

    def renew(self) -> None:
        """Another engine is used from here on: it is asked what the one before has not answered."""
        self._again = False
        if self.view.checking and self._request is not None:
            self._ask(self._request)

    def _ask(self, request: CutOut) -> None:
        if self.picture is None:
            return
        self._request = request
        try:
            buffers = {PICTURE: self.picture.buffer()}
            self._asked = self._asking.ask(request, self._take, buffers)
        except EngineError as error:
            self._asked = 0
            self._refuse(error.message, error.hint)
            return
        self.view = replace(self.view, checking=True, problem="", hint="")

    def _take(self, answer: "Answer") -> None:
        if answer.id != self._asked:
            return  # of another picture, or of an earlier correction
        self._asked = 0
        reply = answer.reply
        if isinstance(reply, Refused):
            self._refuse(reply.message, remedy(reply.code, reply.hint))
        elif isinstance(reply, CutOutPicture) and PICTURE in answer.buffers:
            rows = bytes(answer.buffers[PICTURE].data)
            self.cut_out = (reply.width, reply.height, rows)
            self._note(reply.check, matte_note(reply.method, reply.note), cut_out=True)
        if self._again and self._request is not None:
            self._again = False
            self._ask(self._request)

    def _note(self, check: PictureNotes, matte: str, *, cut_out: bool) -> None:
        notes = [note.sentence for note in check.notes] + [matte] * bool(matte)
        self.view = replace(
            self.view,
            width=check.width,
            height=check.height,
            checking=False,
            notes=tuple(notes),
            cut_out=cut_out,
            serial=self._next_serial(),
        )

    def _refuse(self, problem: str, hint: str) -> None:
        self.cut_out = None
        self.view = replace(
            self.view,
            checking=False,
            notes=(),
            problem=problem,
            hint=hint,
            cut_out=False,
            serial=self._next_serial(),
        )

    def _next_serial(self) -> int:
        self._serial += 1
        return self._serial


def no_picture() -> EngineError:
    """Nothing is chosen."""
    return EngineError("picture_none", "No picture is chosen.", "Choose a picture first.")
