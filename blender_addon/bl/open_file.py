"""Which file is open: a key that is drawn again for every file that is opened or made.

The path will not do: a file has none before it is saved, and another one after "Save As".
"""

import uuid
from typing import Any

import bpy  # pyright: ignore[reportMissingImports]

_names: dict[int, str] = {}
"""Of objects by ``session_uid``, as they were last: so the next look need not go through all."""
_key = uuid.uuid4().hex


def key() -> str:
    """Of the file that is open now; ``Target.file`` holds the one of when a job was submitted."""
    return _key


def renew() -> None:
    """Another file is open now."""
    global _key
    _key = uuid.uuid4().hex
    _names.clear()


def there(uid: int) -> bool:
    """Whether an object is in a scene. One that was deleted there and that something else still
    uses, such as a fake user, is gone for its user."""
    thing = bpy.data.objects.get(_names.get(uid, ""))
    if thing is None or thing.session_uid != uid:
        thing = by_uid(bpy.data.objects, uid)
    if thing is None:
        return False
    _names[uid] = thing.name
    in_a_scene = any(scene.objects.get(thing.name) == thing for scene in bpy.data.scenes)
    return in_a_scene or bool(thing.users_scene)


def by_uid(collection: Any, uid: int) -> Any | None:
    """The data-block with a ``session_uid``, or None: it may be gone."""
    if not uid:
        return None
    return next((block for block in collection if block.session_uid == uid), None)
