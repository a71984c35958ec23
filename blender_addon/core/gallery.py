"""Which results of the history the panel shows."""

from collections.abc import Iterable

from .snapshot import HistoryRow

PAGE = 9
"""Results that are drawn at once: what a redraw takes does not grow with the history."""


def shown(rows: Iterable[HistoryRow], search: str, picture: str) -> list[HistoryRow]:
    """The results that search and filter leave, in their order.

    Args:
        search: letters that their titles have; empty: any.
        picture: SHA-256 of their source picture; empty: of any.
    """
    wanted = search.casefold()
    return [
        row
        for row in rows
        if wanted in row.title.casefold() and (not picture or row.picture == picture)
    ]
