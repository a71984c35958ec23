"""Which results of the history the panel shows, and what tells them apart."""

from collections.abc import Callable, Iterable, Sequence

from ..protocol.searching import searchable
from .language import said
from .snapshot import HistoryRow

PAGE = 9
"""Results that are drawn at once: what a redraw takes does not grow with the history."""
BETWEEN = " · "
LABELS = {
    "draft": "Draft",
    "standard": "Standard",
    "high": "High",
    "texture": "Look",
    "upscale": "Upscale",
    "finish": "Finish",
    "game": "Game-Ready",
}
"""What was done, by the names that the engine has for it."""


def done(row: HistoryRow) -> str:
    """What was done, in a word: the quality of an object that was generated; empty: unknown."""
    if row.kind == "finish":
        name = row.finish if row.finish == "game" else row.kind
    else:
        name = row.quality if row.kind == "generate" else row.kind
    return said(LABELS.get(name, name))


def facts(row: HistoryRow, when: Sequence[str]) -> list[str]:
    """What tells a result from others of its picture: what was done, the seed, when it was."""
    seed = "" if row.seed is None else said("Seed {seed}", seed=row.seed)
    return [fact for fact in (done(row), seed, *when) if fact]


def packed(parts: Iterable[str], fits: Callable[[str], bool]) -> list[str]:
    """Short texts in as few lines as they fit in; what is too long has a line of its own."""
    lines: list[str] = []
    for part in parts:
        longer = f"{lines[-1]}{BETWEEN}{part}" if lines else part
        if lines and fits(longer):
            lines[-1] = longer
        else:
            lines.append(part)
    return lines


def shown(rows: Iterable[HistoryRow], search: str, picture: str) -> list[HistoryRow]:
    """The results that search and filter leave, in their order.

    Args:
        search: words that stand in their titles or in what was done, in English or in the user's
            language; empty: any.
        picture: SHA-256 of their source picture; empty: of any.
    """
    words = [word.split("|") for word in in_both_languages(search).split()]
    return [
        row
        for row in rows
        if (not picture or row.picture == picture)
        and all(any(one in _told(row) for one in any_of) for any_of in words)
    ]


def in_both_languages(search: str) -> str:
    """A search as the engine takes it, which knows its own names only: "hoch" is "hoch|high"."""
    return " ".join(
        "|".join([word, *(n for n, label in _said() if word in label and word not in n)])
        for word in search.casefold().replace("|", " ").split()
    )


def _said() -> list[tuple[str, str]]:
    """The names of what is done, and of the seed, with their labels."""
    named = [("seed", said("Seed")), *((name, said(label)) for name, label in LABELS.items())]
    return [(name, label.casefold()) for name, label in named]


def _told(row: HistoryRow) -> str:
    return searchable(row.title, row.kind, row.quality, row.seed, row.finish)
