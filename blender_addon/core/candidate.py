"""One of the chosen pictures: what the engine says of it, its matte, and the corrections to it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import count
from typing import TYPE_CHECKING

from ..protocol.errors import EngineError
from ..protocol.limits import MatteMethod
from ..protocol.references import Attached
from ..protocol.replies import CutOutPicture, PictureNotes, Refused
from ..protocol.requests import CutOut
from .asking import Asking
from .given import PICTURE, Given, of_picture
from .language import said
from .pictures import PictureIn, cut_out_picture
from .refusals import MASKABLE, READ, WANT_NETWORK, matte_note, remedy
from .snapshot import PictureView

if TYPE_CHECKING:
    from ..protocol.client import Answer

PAINTED = "The painted mask is used."
NO_PLAIN = "no_plain_background"
"""Code of a remark of the engine's check of a picture."""
USUAL_THRESHOLD = 0.5
CutOutRows = tuple[int, int, bytes]
serials = count(1)
"""Of views: another one for another matte, whatever picture it belongs to."""


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


class Candidate:
    """A picture that cannot be used is one as well: the panel says why.

    Args:
        matte: as the sliders stand.
        answered: called when the engine has said something of it.

    Attributes:
        cut_out: (width, height, RGBA8 rows top first) with straight alpha; None: not here.
        matte: the corrections.
        corrected: the matte is no longer what a job would find by itself.
        left_out: nothing is made from it.
        seen: the engine has said something of it, or it cannot be sent.
    """

    def __init__(
        self, asking: Asking, picture: PictureIn, matte: Matte, answered: Callable[[], None]
    ) -> None:
        self._asking, self._answered = asking, answered
        self.picture, self.matte = picture, matte
        self.cut_out: CutOutRows | None = None
        self.corrected = matte.corrected
        self.left_out = self.seen = False
        self.view = PictureView(
            title=picture.title,
            width=picture.width,
            height=picture.height,
            serial=next(serials),
        )
        self._asked = 0
        self._again = False

    @property
    def used(self) -> bool:
        """Whether an object is made from it."""
        return not self.left_out and not self.view.problem

    def look(self) -> None:
        """Ask for the matte, unless it is here or on its way."""
        if self.cut_out is None and not self.view.problem and not self._asked:
            self._ask()

    def correct(self, matte: Matte) -> None:
        """Another matte. While the engine looks for one, only the last that is wanted waits: a
        slider that is dragged does not send the picture a hundred times.

        Raises:
            EngineError: what is out of range.
        """
        matte.request()
        self.matte, self.corrected = matte, matte.corrected
        if self._asked:
            self._again = True
        else:
            self._ask()

    def use_mask(self, width: int, height: int, rows: bytes | bytearray | memoryview) -> None:
        """A matte that was painted: RGBA8 rows, top first, straight alpha.

        Raises:
            EngineError: ``picture_unusable``.
        """
        if memoryview(rows).nbytes != width * height * 4 or min(width, height) < 1:
            raise EngineError(
                "picture_unusable",
                said(
                    "The mask has not {width} x {height} pixels of 4 bytes.",
                    width=width,
                    height=height,
                ),
                "Paint it again.",
            )
        self._asked, self._again = 0, False
        self.cut_out, self.corrected, self.seen = (width, height, bytes(rows)), True, True
        self.view = replace(
            self.view,
            checking=False,
            notes=(*self.view.notes[: self.view.warnings], PAINTED),
            cut_out=True,
            problem="",
            hint="",
            wants_network=False,
            serial=next(serials),
        )

    def network_came(self) -> None:
        """A network that finds objects was downloaded: ask again where it was missed."""
        if self.view.wants_network:
            self._ask()

    def given(self) -> Given:
        """What a job is given. A corrected matte travels with it.

        Raises:
            EngineError: ``picture_checking``, ``picture_unusable``.
        """
        if not self.corrected:
            return of_picture(self.picture, "auto")
        if self.cut_out is None or self._asked:
            raise EngineError(
                "picture_checking",
                said("The corrected matte of {title} is not here yet.", title=self.picture.title),
                "Wait a moment, or reset the matte.",
            )
        return of_picture(cut_out_picture(self.picture, *self.cut_out), "cutout")

    def renew(self) -> None:
        """Another engine is used from here on: it is asked what the one before has not answered."""
        self._again = False
        if self.view.checking:
            self._ask()

    def forget(self) -> None:
        """Drop the rows of a matte that can be asked for again."""
        if not self.corrected and self.cut_out is not None:
            self.cut_out = None
            self.view = replace(self.view, cut_out=False, serial=next(serials))

    def _ask(self) -> None:
        try:
            buffers = {PICTURE: self.picture.buffer()}
            self._asked = self._asking.ask(self.matte.request(), self._take, buffers)
        except EngineError as error:
            self._asked = 0
            self._refuse(error.code, error.message, error.hint)
            return
        self.view = replace(self.view, checking=True, problem="", hint="")

    def _take(self, answer: "Answer") -> None:
        if answer.id != self._asked:
            return  # of an earlier correction
        self._asked = 0
        reply = answer.reply
        if isinstance(reply, Refused):
            self._refuse(reply.code, reply.message, remedy(reply.code, reply.hint))
        elif isinstance(reply, CutOutPicture) and PICTURE in answer.buffers:
            rows = bytes(answer.buffers[PICTURE].data)
            self.cut_out = (reply.width, reply.height, rows)
            self._note(reply.check, reply.method, matte_note(reply.method, reply.note))
        if self._again:
            self._again = False
            self._ask()
        self._answered()

    def _note(self, check: PictureNotes, method: str, matte: str) -> None:
        self.seen = True
        # That there is no plain background means nothing where something else found the object.
        found = {NO_PLAIN} if method != "plain" else set[str]()
        warnings = [note.sentence for note in check.notes if note.code not in found]
        self.view = replace(
            self.view,
            width=check.width,
            height=check.height,
            checking=False,
            notes=(*warnings, *[matte] * bool(matte)),
            warnings=len(warnings),
            cut_out=True,
            readable=True,
            maskable=True,
            wants_network=False,
            serial=next(serials),
        )

    def _refuse(self, code: str, problem: str, hint: str) -> None:
        self.cut_out, self.seen = None, True
        self.view = replace(
            self.view,
            checking=False,
            notes=(),
            warnings=0,
            problem=problem,
            hint=hint,
            cut_out=False,
            readable=code in READ,
            maskable=code in MASKABLE,
            wants_network=code in WANT_NETWORK,
            serial=next(serials),
        )
