"""What the front process and its helper say: requests of clients, passed on, and their replies."""

from dataclasses import dataclass

from engine.pipe.messages import AttachedFile, Setup
from protocol.checkpoints import CheckpointDescription
from protocol.events import ModelProgress
from protocol.replies import Accepted, CutOutPicture, ModelList, PictureNotes, Refused
from protocol.requests import (
    CancelModels,
    CheckPicture,
    CutOut,
    DescribeCheckpoint,
    DownloadModels,
    ListModels,
    RemoveModels,
    Submit,
    VerifyModels,
)

Asked = (
    CheckPicture
    | CutOut
    | DescribeCheckpoint
    | Submit
    | ListModels
    | DownloadModels
    | VerifyModels
    | CancelModels
    | RemoveModels
)


@dataclass(frozen=True, kw_only=True)
class Ask:
    """A request.

    Attributes:
        id: of it.
        request: as the client sent it; a Submit asks whether the checkpoint can do the job.
        file: the picture of a request that names what is attached; the helper removes it.
    """

    id: int
    request: Asked
    file: AttachedFile | None = None


@dataclass(frozen=True, kw_only=True)
class Answered:
    """The reply.

    Attributes:
        id: of the request.
        more: Helped follows.
        buffer: what goes along with the reply, under its array's name; the front process removes
            the file.
    """

    id: int
    reply: Accepted | CheckpointDescription | CutOutPicture | ModelList | PictureNotes | Refused
    more: bool = False
    buffer: AttachedFile | None = None


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
