"""All messages by the kind that their heads carry, and which side may send them."""

from typing import get_args

from .events import Event
from .plain import tag
from .replies import Reply
from .requests import Request

PROTOCOL_VERSION = 1
OLDEST_VERSION = 1
"""The oldest version that this side still speaks."""

Message = Request | Reply | Event

REQUESTS: dict[str, type[Request]] = {tag(kind): kind for kind in get_args(Request)}
REPLIES: dict[str, type[Reply]] = {tag(kind): kind for kind in get_args(Reply)}
EVENTS: dict[str, type[Event]] = {tag(kind): kind for kind in get_args(Event)}
FROM_CLIENT = REQUESTS
FROM_ENGINE = REPLIES | EVENTS
