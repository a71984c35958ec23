"""What a search of jobs looks into: the same in the engine's store and in a client's list."""


def searchable(title: str, kind: str, quality: str, seed: int | None, finish: str) -> str:
    """What a search of jobs looks into, in small letters, of the values of a ``JobRow``."""
    numbered = "" if seed is None else f"seed {seed}"
    return " ".join(
        (title, "" if kind == "generate" else kind, quality, finish, numbered)
    ).casefold()
