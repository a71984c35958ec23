"""What objects are made from: pictures, of which one is shown at a time, or words."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from ..protocol.errors import EngineError
from .asking import Asking
from .candidate import AS_FOUND, Candidate, CutOutRows, Matte, serials
from .given import Given, of_words, title_of
from .pictures import PictureIn
from .snapshot import PictureView

KEPT = 24
"""Cut-outs that are kept of pictures that are not shown, of 4 MB each; others are asked for again
when their picture is shown."""


class Chosen:
    """One picture, several in their order, or words.

    Args:
        changed: called after each verb, which takes effect at once.
    """

    def __init__(self, asking: Asking, changed: Callable[[], None]) -> None:
        self._asking, self._changed = asking, changed
        self._all: list[Candidate] = []
        self._at = 0
        self._words: str | None = None
        self._serial = 0

    @property
    def picture(self) -> PictureIn | None:
        """The one that is shown; None: there is none."""
        return self._all[self._at].picture if self._all else None

    @property
    def cut_out(self) -> CutOutRows | None:
        """(width, height, RGBA8 rows top first) of it without its background; None: not here."""
        return self._all[self._at].cut_out if self._all else None

    @property
    def matte(self) -> Matte:
        """The corrections of the one that is shown."""
        return self._all[self._at].matte if self._all else AS_FOUND

    @property
    def checking(self) -> bool:
        """Whether the engine is being asked about any of them."""
        return any(one.view.checking for one in self._all)

    @property
    def view(self) -> PictureView:
        """For panels."""
        if self._words is not None:
            return PictureView(title=title_of(self._words), words=self._words, of_words=True)
        if not self._all:
            return PictureView(serial=self._serial)
        shown, views = self._all[self._at], [one.view for one in self._all]
        return replace(
            shown.view,
            place=self._at,
            count=len(views),
            left_out=shown.left_out,
            made=sum(one.used for one in self._all),
            unusable=sum(bool(view.problem) for view in views),
            noted=sum(bool(view.warnings) for view in views),
            unseen=sum(not one.seen for one in self._all),
        )

    def choose(self, *pictures: PictureIn, matte: Matte = AS_FOUND) -> None:
        """Other ones, which the engine is asked about at once; none: nothing is chosen.

        Args:
            matte: of each of them, as the sliders stand.
        """
        self._words, self._at, self._serial = None, 0, next(serials)
        self._all = [Candidate(self._asking, one, matte, self._answered) for one in pictures]
        self._look()

    def write(self, words: str) -> None:
        """Words instead of pictures; empty ones are being written still."""
        self._all, self._at, self._words, self._serial = [], 0, words, next(serials)
        self._changed()

    def show(self, place: int) -> None:
        """Show another one of them, from 0; what lies outside is the nearest."""
        self._at = max(0, min(place, len(self._all) - 1))
        self._look()

    def leave_out(self, left_out: bool) -> None:
        """Make nothing from the one that is shown, or something after all.

        Raises:
            EngineError: ``picture_none``.
        """
        self._shown().left_out = left_out
        self._changed()

    def correct(self, matte: Matte) -> None:
        """As ``Candidate.correct``, of the one that is shown.

        Raises:
            EngineError: ``picture_none``, and what is out of range.
        """
        self._shown().correct(matte)
        self._changed()

    def use_mask(self, width: int, height: int, rows: bytes | bytearray | memoryview) -> None:
        """As ``Candidate.use_mask``, of the one that is shown.

        Raises:
            EngineError: ``picture_none``, ``picture_unusable``.
        """
        self._shown().use_mask(width, height, rows)
        self._changed()

    def given(self) -> Given:
        """What a job is given that is made from one: the picture that is shown, or the words.

        Raises:
            EngineError: ``picture_none``, ``prompt_invalid``, and as ``Candidate.given``.
        """
        if self._words is not None:
            return of_words(self._words)
        return self._shown().given()

    def all_given(self) -> Sequence[Given]:
        """What objects are made from: all that are not left out and can be used.

        Raises:
            EngineError: as ``given``.
        """
        if len(self._all) < 2:
            return [self.given()]
        used = [one for one in self._all if one.used]
        if not used:
            raise EngineError(
                "picture_none", "All pictures are left out.", "Take one of them in again."
            )
        return [one.given() for one in used]

    def renew(self) -> None:
        """Another engine is used from here on: it is asked what the one before has not answered."""
        for one in self._all:
            one.renew()

    def network_came(self) -> None:
        """As ``Candidate.network_came``, of all of them."""
        for one in self._all:
            one.network_came()
        self._changed()

    def _shown(self) -> Candidate:
        if not self._all:
            raise EngineError("picture_none", "No picture is chosen.", "Choose a picture first.")
        return self._all[self._at]

    def _look(self) -> None:
        """Ask about the one that is shown at once, and about the others one after another."""
        if self._all:
            self._all[self._at].look()
            self._look_further()
        self._changed()

    def _look_further(self) -> None:
        for one in self._all:
            if self.checking:
                return
            if not one.seen:
                one.look()

    def _answered(self) -> None:
        """An answer is here: the next one; and what is far from the one that is shown goes."""
        here = [n for n, one in enumerate(self._all) if one.cut_out is not None and n != self._at]
        for number in sorted(here, key=lambda n: abs(n - self._at))[KEPT:]:
            self._all[number].forget()
        self._look_further()
