"""Which file is open: a key that is drawn again for every file that is opened or made.

The path will not do: a file has none before it is saved, and another one after "Save As".
"""

import uuid
from typing import Any

_key = uuid.uuid4().hex


def key() -> str:
    """Of the file that is open now; ``Target.file`` holds the one of when a job was submitted."""
    return _key


def renew() -> None:
    """Another file is open now."""
    global _key
    _key = uuid.uuid4().hex


def by_uid(collection: Any, uid: int) -> Any | None:
    """The data-block with a ``session_uid``, or None: it may be gone."""
    if not uid:
        return None
    return next((block for block in collection if block.session_uid == uid), None)
