"""Results in the engine's store, by page, with the thumbnails of those that are seen."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..protocol.errors import EngineError
from ..protocol.replies import JobList, JobRow, Refused
from ..protocol.requests import Delete, ListJobs, Pin
from .asking import Asking
from .gallery import in_both_languages
from .language import whole
from .snapshot import HistoryRow
from .unplaced import Unplaced

if TYPE_CHECKING:
    from ..protocol.client import Answer, Fetched

PAGE = 24
MOST = 100
"""Rows that can be asked for at once."""
THUMBNAIL = "thumbnail"
ASSETS = "assets"
"""Folder of the engine's home in which each job has one."""
AT_ONCE = 4
"""Thumbnails on their way at a time, so that the parts of a job do not wait behind them."""


class History:
    """Pages of results, newest first.

    Args:
        tell: called with a sentence for the user.

    Attributes:
        rows: of all pages so far.
        more: there are others.
        thumbnails: (128, 128) RGBA8 rows, top first, by job.
    """

    def __init__(
        self,
        asking: Asking,
        unplaced: Unplaced,
        tell: Callable[[str], None],
    ) -> None:
        self._asking, self._unplaced, self._tell = asking, unplaced, tell
        self._filter = self._picture = ""
        self._asked = 0
        self._wanted: list[str] = []
        self._coming: set[str] = set()
        self.rows: tuple[HistoryRow, ...] = ()
        self.more = False
        self.thumbnails: dict[str, bytes] = {}

    def load(
        self, *, more: bool = False, filter: str | None = None, picture: str | None = None
    ) -> None:
        """Get the first page, or the next one.

        Args:
            filter: words, as ``gallery.shown`` takes them; empty: any; None: as it was.
            picture: SHA-256 of the source picture; empty: of any; None: as it was.

        Raises:
            EngineError: as ``Asking.ask``; ``field_invalid``.
        """
        before = (self._filter, self._picture)
        self._filter = self._filter if filter is None else filter.strip()
        self._picture = self._picture if picture is None else picture
        more = more and before == (self._filter, self._picture)
        after = self.rows[-1].id if more and self.rows else None
        # As many as are seen now, so that the list does not shrink under the mouse.
        limit = PAGE if more else min(MOST, max(PAGE, len(self.rows)))
        request = ListJobs(
            states=("done",),
            limit=limit,
            after=after,
            picture_sha256=self._picture,
            search=in_both_languages(self._filter),
        )
        again = before == (self._filter, self._picture) and not more
        self._asked = self._asking.ask(request, lambda answer: self._take(answer, after, again))

    def pin(self, job: str, pinned: bool) -> None:
        """Keep a result whatever the quota says, or no longer."""
        self._asking.ask(Pin(job=job, pinned=pinned), self._said)
        self.rows = tuple(replace(r, pinned=pinned) if r.id == job else r for r in self.rows)

    def delete(self, job: str) -> None:
        """Remove a result from the engine's store."""

        def then(answer: "Answer") -> None:
            if not isinstance(answer.reply, Refused):
                self._unplaced.remove(job)
                self.thumbnails.pop(job, None)
            self._said(answer)

        self._asking.ask(Delete(job=job), then)
        self.rows = tuple(row for row in self.rows if row.id != job)

    def renew(self) -> None:
        """Another engine is used from here on, with results of its own."""
        self.rows, self.more, self._asked = (), False, 0
        self._wanted.clear()
        self._coming.clear()

    def offer(self) -> None:
        """Other results than before are unplaced."""
        self.rows = tuple(replace(row, offered=row.id in self._unplaced) for row in self.rows)

    def title(self, job: str) -> str:
        """Of a result in ``rows``, else empty."""
        return next((row.title for row in self.rows if row.id == job), "")

    def folder(self, job: str, home: Path | None) -> Path:
        """As ``Session.folder_of``.

        Args:
            home: of the engine, if it is on this machine.
        """
        if home is None:
            raise EngineError(
                "result_elsewhere",
                "The result lies on the engine's own machine.",
                "Insert it into the scene, or open its folder there.",
            )
        folder = home / ASSETS / job
        if not folder.is_dir():
            raise EngineError(
                "result_missing", "The result has no folder any more.", "Look at the history again."
            )
        return folder

    def show(self, jobs: Sequence[str]) -> None:
        """These rows are seen: their thumbnails are fetched, and of no others."""
        known = {row.id for row in self.rows if row.thumbnail or row.id not in self.thumbnails}
        self._wanted = [job for job in jobs if job in known and job not in self.thumbnails]
        self.fetch()

    def fetch(self) -> None:
        """The next thumbnails."""
        while self._wanted and len(self._coming) < AT_ONCE:
            job = self._wanted.pop(0)
            if job in self._coming or job in self.thumbnails:
                continue
            self._coming.add(job)
            self._asking.fetch(
                job, THUMBNAIL, lambda told, job=job: self._take_thumbnail(job, told)
            )

    def _take(self, answer: "Answer", after: str | None, again: bool) -> None:
        if answer.id != self._asked:
            return
        reply = answer.reply
        if isinstance(reply, Refused):
            self._tell(whole(reply.message, reply.hint))
        elif isinstance(reply, JobList):
            kept = self.rows if after else ()
            known = {row.id for row in kept}
            new = tuple(self._row(row) for row in reply.rows if row.id not in known)
            behind = _behind(self.rows, new) if again else ()
            self.more = self.more if behind else reply.more
            self.rows = kept + new + behind

    def _row(self, row: JobRow) -> HistoryRow:
        return HistoryRow(
            id=row.id,
            title=row.title,
            kind=row.kind,
            created=row.created,
            pinned=row.pinned,
            bytes=row.bytes,
            picture=row.picture_sha256,
            offered=row.id in self._unplaced,
            thumbnail=row.id in self.thumbnails,
            quality=row.quality,
            seed=row.seed,
            finish=row.finish,
        )

    def _take_thumbnail(self, job: str, told: "Fetched | Refused") -> None:
        from ..protocol.layout import views

        self._coming.discard(job)
        if not isinstance(told, Refused):
            try:
                self.thumbnails[job] = bytes(
                    views(told.head.layout, told.data).get("thumbnail_rgba", b"")
                )
            except EngineError:
                return
            self.rows = tuple(replace(r, thumbnail=True) if r.id == job else r for r in self.rows)
        self.fetch()

    def _said(self, answer: "Answer") -> None:
        if isinstance(answer.reply, Refused):
            self._tell(whole(answer.reply.message, answer.reply.hint))
        self.load()


def _behind(rows: tuple[HistoryRow, ...], new: tuple[HistoryRow, ...]) -> tuple[HistoryRow, ...]:
    """The rows after the last of those that were asked for again, where more were seen than can be
    asked for at once."""
    ids = [row.id for row in rows]
    if len(new) < MOST or new[-1].id not in ids:
        return ()
    return rows[ids.index(new[-1].id) + 1 :]
