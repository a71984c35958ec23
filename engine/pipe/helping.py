"""What the front process and its helper say: requests of clients, passed on, and their replies."""

from dataclasses import dataclass

from engine.pipe.messages import AttachedFile, Setup
from protocol.events import ModelProgress
from protocol.replies import Accepted, ModelList, PictureNotes, Refused
from protocol.requests import CheckPicture, DownloadModels, ListModels, RemoveModels, VerifyModels


@dataclass(frozen=True, kw_only=True)
class Ask:
    """A request.

    Attributes:
        id: of it.
        request: as the client sent it.
        file: the picture of a CheckPicture that names what is attached; the helper removes it.
    """

    id: int
    request: CheckPicture | ListModels | DownloadModels | VerifyModels | RemoveModels
    file: AttachedFile | None = None


@dataclass(frozen=True, kw_only=True)
class Answered:
    """The reply.

    Attributes:
        id: of the request.
        more: Helped follows.
    """

    id: int
    reply: Accepted | ModelList | PictureNotes | Refused
    more: bool = False


@dataclass(frozen=True, kw_only=True)
class Helped:
    """How far a request is.

    Attributes:
        id: of it.
        progress: ``request`` in it is that of the front process's to fill in.
    """

    id: int
    progress: ModelProgress


ToHelper = Setup | Ask
FromHelper = Answered | Helped
