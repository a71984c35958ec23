"""One message of every kind, and frames that went wrong on their way."""

import random
from typing import Any

import msgpack  # pyright: ignore[reportMissingTypeStubs]

from protocol import events, replies, requests
from protocol.checkpoints import CheckpointDescription, QualityRow, SamplerRow
from protocol.finishes import FinishAdvice, FinishChoice
from protocol.jobs import FinishJob, GenerateJob
from protocol.layout import Array, Image, Layout
from protocol.lookup import lookup
from protocol.messages import Message
from protocol.references import Attached, File, Prompt, Stored
from protocol.samplers import SamplerParams, Sampling
from protocol.wire import Shaped, encode

JOB, OTHER = "0123456789abcdef" * 2, "f" * 32
PICTURE = GenerateJob(
    picture=Attached("picture"), quality="high", samplers={"shape": Sampling(steps=3)}
)
STATUS = events.EngineStatus(worker="warm", device="cuda:0", memory_used=1 << 33)
LAYOUT = Layout(
    kind="images",
    arrays=(Array(name="base_color", dtype="uint8", shape=(1000,)),),
    images=(Image(name="base_color", format="png", width=8, height=4, alpha_used=False),),
)
ROW = replies.JobRow(
    id=JOB,
    kind="generate",
    client="Blender 5.1 on desk",
    title="chair.png",
    state="failed",
    priority="batch",
    created=1.8e9,
    started=1.8e9 + 1,
    parts=("structure", "mesh"),
    failure=events.Failed(job=JOB, code="memory_out", message="It is full.", hint="Free some."),
)
MODEL = replies.ModelRow(
    name="shape_flow",
    purpose="Samples shapes",
    repository="owner/weights",
    bytes=1 << 33,
    missing=1 << 32,
    files=("a.json", "a.safetensors"),
    licence="MIT",
    commercial=True,
    gated=False,
    groups=("draft",),
)

EXAMPLES: list[Message] = [
    requests.Hello(oldest=1, newest=1, token="t" * 43, client="desk", program="maquette 0.4.0"),
    requests.Ping(),
    requests.Leave(),
    requests.Submit(id=JOB, job=PICTURE, finish=FinishChoice(finish="game"), title="chair.png"),
    requests.Submit(id=JOB, job=GenerateJob(picture=Prompt("a red mushroom"))),
    requests.Cancel(job=JOB),
    requests.Retry(job=JOB, id=OTHER, changed=FinishJob(source=Stored(JOB))),
    requests.Reorder(job=JOB, before=OTHER),
    requests.ListJobs(states=("queued", "running"), limit=3, after=OTHER),
    lookup(JOB[:8]),
    requests.Attach(job=JOB),
    requests.FetchPart(job=JOB, name="mesh", offset=1 << 20, credit=12),
    requests.Pin(job=JOB, pinned=False),
    requests.Delete(job=JOB),
    requests.CheckPicture(picture=File("/home/стул.png")),
    requests.CutOut(picture=Attached("picture"), matte="plain", threshold=0.5, grow=-2),
    requests.DescribeCheckpoint(checkpoint="/models/mine", finish=None),
    requests.ListModels(),
    requests.DownloadModels(names=("draft",), mirrors={"owner/gated": "somebody/copy"}),
    requests.VerifyModels(),
    requests.CancelModels(),
    requests.RemoveModels(names=("shape_flow",)),
    requests.GetStatus(),
    requests.ReleaseMemory(),
    requests.Shutdown(wait=False),
    requests.OpenPairing(),
    requests.Pair(public_key="rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7", client="laptop"),
    replies.Welcome(version=1, engine="maquette 0.4.0", session="s", status=STATUS),
    replies.Pong(),
    replies.Accepted(),
    replies.Refused(code="job_unknown", message="There is no such job.", hint="Choose another."),
    replies.Submitted(job=JOB, position=2, eta=31.5),
    replies.JobList(rows=(ROW,), more=True),
    replies.JobSnapshot(row=ROW, job=PICTURE, notes=(events.Note(job=JOB, sentence="Hm."),)),
    replies.PartHead(job=JOB, name="textures", size=1008, sha256="0" * 64, layout=LAYOUT),
    replies.PartChunk(job=JOB, name="textures", offset=0, size=8),
    replies.PictureNotes(
        width=90,
        height=90,
        notes=(replies.PictureNote(code="small", sentence="It is 90 pixels wide."),),
    ),
    replies.CutOutPicture(
        width=3,
        height=2,
        scale=0.5,
        method="plain",
        note="Check the outline.",
        check=replies.PictureNotes(width=6, height=4),
    ),
    CheckpointDescription(
        checkpoint="/models/mine",
        name="mine",
        small=False,
        system="trellis2",
        qualities=(QualityRow(name="draft", words="low", type="512", resolution=512, seconds=9.5),),
        quality="draft",
        upscale_resolution=1536,
        samplers=(
            SamplerRow(
                job="texture",
                stage="texture",
                label="Materials",
                default=SamplerParams(),
                reuse_after=4,
            ),
        ),
        finishing=FinishAdvice(closed=True, faces=30_000),
    ),
    replies.ModelList(folder="/models", free=1 << 40, rows=(MODEL,)),
    replies.Status(engine=STATUS, uptime=3.5, memory=1 << 26, results=0, quota=1 << 35),
    replies.PairingOpened(code="10.0.0.2:5000/abc", seconds=300.0),
    replies.Paired(token="t", engine="desk"),
    events.Queued(job=JOB, position=0),
    events.Progress(job=JOB, stage="shape", step=1, steps=9, fraction=0.1, elapsed=2.0, eta=9.0),
    events.Note(job=JOB, sentence="The object touches the border.", level="detail"),
    events.Part(job=JOB, name="mesh"),
    events.Done(job=JOB, seconds={"shape": 2.5}),
    events.Failed(job=JOB, code="picture_invalid", message="It is no picture.", hint=""),
    events.Cancelled(job=JOB, forced=True),
    events.Interrupted(job=JOB, stage="shape"),
    events.ModelProgress(request=7, file="a.safetensors", done=1, total=3),
    STATUS,
]


def example_frames() -> list[list[bytes]]:
    """The frames of all examples, some of them with buffers."""
    return [
        [bytes(frame) for frame in encode(message, i, BUFFERS.get(type(message)))]
        for i, message in enumerate(EXAMPLES)
    ]


BUFFERS = {
    requests.Submit: {"picture": Shaped(bytes(24), "uint8", (2, 3, 4))},
    requests.CutOut: {"picture": Shaped(bytes(24), "uint8", (2, 3, 4))},
    replies.CutOutPicture: {"picture": Shaped(bytes(24), "uint8", (2, 3, 4))},
    replies.PartChunk: {"data": Shaped.of_file(b"12345678")},
}

_EVIL: list[Any] = [
    None, True, -1, 0, 1 << 63, -(1 << 63), 1e300, float("nan"), float("inf"), "", "\0", "x" * 999,
    "../../etc/passwd", b"\xff", [], {}, [[]], [None] * 99, {"": {}}, {"file": {"path": "\0"}},
    msgpack.Timestamp(1, 2), msgpack.ExtType(5, b"x"),
]  # fmt: skip


def mutated(frames: list[bytes], chance: random.Random) -> list[bytes]:
    """The frames with one to three things wrong: bytes, lengths, values, or whole frames."""
    frames = list(frames)
    for _ in range(chance.randint(1, 3)):
        way = chance.randrange(8)
        i = chance.randrange(len(frames)) if frames else 0
        if not frames or way == 0:
            frames.insert(i, chance.randbytes(chance.choice((0, 1, 8, 300))))
        elif way == 1:
            del frames[i]
        elif way == 2:
            frames[i] = frames[i][: chance.randrange(len(frames[i]) + 1)]
        elif way in (3, 4) and frames[i]:
            at = chance.randrange(len(frames[i]))
            frames[i] = frames[i][:at] + chance.randbytes(1) + frames[i][at + 1 :]
        else:
            frames[0] = _with_another_value(frames[0], chance)
    return frames


def _with_another_value(head: bytes, chance: random.Random) -> bytes:
    """A head that still is msgpack, with a value, a key or a level that should not be there."""
    try:
        value: Any = msgpack.unpackb(head)  # pyright: ignore
        inner = value
        while isinstance(inner, dict | list) and inner:
            keys: Any = list(inner) if isinstance(inner, dict) else range(len(inner))  # pyright: ignore
            key = chance.choice(keys)
            if not isinstance(inner[key], dict | list) or not inner[key] or chance.random() < 0.3:
                inner[key] = chance.choice(_EVIL)
                break
            inner = inner[key]
        return msgpack.packb(value)  # pyright: ignore
    except (ValueError, TypeError, OverflowError, RecursionError):
        return head
