"""Frames and back: every message, every bound, and whatever may come instead of a message."""

import random
from typing import Any

import msgpack  # pyright: ignore[reportMissingTypeStubs]
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol import wire
from protocol.errors import EngineError
from protocol.messages import EVENTS, FROM_CLIENT, FROM_ENGINE, REPLIES, REQUESTS, Message
from protocol.plain import tag
from protocol.replies import PartChunk, Refused
from protocol.requests import Hello, Ping, Submit
from protocol.wire import Shaped, decode, encode, negotiate, request_id
from tests.protocol.examples import BUFFERS, EXAMPLES, JOB, example_frames, mutated

KINDS: dict[str, type[Any]] = {**FROM_CLIENT, **FROM_ENGINE}


def test_there_is_an_example_of_every_kind() -> None:
    assert {tag(type(message)) for message in EXAMPLES} == set(KINDS)
    assert len(REQUESTS) + len(REPLIES) + len(EVENTS) == len(KINDS)


@pytest.mark.parametrize("message", EXAMPLES, ids=lambda message: tag(type(message)))
def test_every_message_comes_back_equal(message: Message) -> None:
    frames = [bytes(frame) for frame in encode(message, 7, BUFFERS.get(type(message)))]
    received = decode(frames, KINDS)
    assert (received.id, received.message) == (7, message)
    for name, sent in BUFFERS.get(type(message), {}).items():
        got = received.buffers[name]
        assert (got.data, got.dtype, got.shape) == (sent.data, sent.dtype, sent.shape)


def head(**changes: Any) -> bytes:
    """The head of a ``FetchPart``, with other entries; None removes one."""
    value: dict[str, Any] = {
        "version": 1,
        "kind": "fetch_part",
        "id": 5,
        "body": {"job": JOB, "name": "mesh"},
        "buffers": [],
    } | changes
    value = {key: entry for key, entry in value.items() if entry is not None}
    return msgpack.packb(value)  # pyright: ignore


def refusal(*frames: bytes) -> EngineError:
    with pytest.raises(EngineError) as caught:
        decode(frames, FROM_CLIENT)
    assert len(str(caught.value)) < 700
    return caught.value


def nested(depth: int) -> Any:
    value: Any = []
    for _ in range(depth):
        value = [value]
    return value


def test_the_head_that_the_others_differ_from_is_right() -> None:
    decode([head()], FROM_CLIENT)
    decode([head(body={"job": JOB, "name": "mesh", "newer": nested(10)}, newer=1)], FROM_CLIENT)


@pytest.mark.parametrize(
    ("frames", "code", "words"),
    [
        ((), "head_invalid", "is missing"),
        ((b"",), "head_invalid", "not msgpack"),
        ((b"\xc1",), "head_invalid", "not msgpack"),
        ((b"\x93\x01",), "head_invalid", "not msgpack"),
        ((head() + b"\0",), "head_invalid", "not msgpack"),
        ((b"\x90",), "head_invalid", "is not a map"),
        ((b"\x81\x01\x02",), "head_invalid", "not msgpack"),
        ((b"\x81\xa1\xff\x02",), "head_invalid", "not msgpack"),
        ((b"\xdd\xff\xff\xff\xff",), "head_invalid", "not msgpack"),
        ((b"\x91" * 100_000,), "head_invalid", "not msgpack"),
        ((head(extra=nested(17)),), "head_invalid", "deeper than 16"),
        ((head(extra=[0] * 20_000),), "head_invalid", "out of bounds"),
        ((head(extra=b"bytes"),), "head_invalid", "out of bounds"),
        ((head(extra=msgpack.Timestamp(1)),), "head_invalid", "out of bounds"),
        ((head(extra="x" * (1 << 18)),), "message_too_large", "262144"),
        ((head(), *[b""] * 65), "message_too_large", "65 buffers"),
        ((head(version=2),), "version_mismatch", "version 2 of the protocol, and this one 1"),
        ((head(version=None),), "version_mismatch", "None"),
        ((head(kind="fly"),), "kind_unknown", "'fly'"),
        ((head(kind=[]),), "kind_unknown", "[]"),
        ((head(kind="welcome"),), "kind_unknown", "'welcome'"),
        ((head(id="5"),), "field_invalid", "id cannot be '5'"),
        ((head(id=-1),), "field_invalid", "id cannot be -1"),
        ((head(id=1 << 60),), "field_invalid", "id cannot be"),
        ((head(body=None),), "field_invalid", "fetch_part cannot be None"),
        ((head(body={"job": JOB}),), "field_invalid", "fetch_part.name is missing"),
        ((head(body={"job": 3, "name": ""}),), "field_invalid", "fetch_part.job cannot be 3"),
        ((head(body={"job": JOB, "name": "m", "credit": 17}),), "job_invalid", "part: credit"),
        ((head(body={"job": JOB, "name": "m", "chunk": 1}),), "job_invalid", "part: chunk"),
        ((head(body={"job": JOB, "name": "m", "offset": -1}),), "job_invalid", "part: offset"),
        ((head(buffers=3),), "field_invalid", "buffers cannot be 3"),
        ((head(buffers=[{}]), b""), "field_invalid", "buffers[0].name is missing"),
        ((head(), b"12"), "buffers_invalid", "describes 0 buffers, and 1 came"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(frames: tuple[bytes, ...], code: str, words: str) -> None:
    error = refusal(*frames)
    assert error.code == code
    assert words in str(error)


@pytest.mark.parametrize(
    ("changes", "frame"),
    [
        ({"shape": [3]}, b"1234"),
        ({"shape": [4], "dtype": "int32"}, b"1234"),
        ({"shape": [4], "dtype": "object"}, b"1234"),
        ({"shape": [4], "dtype": "float64"}, b"1234"),
        ({"shape": [-1, -4]}, b"1234"),
        ({"shape": [1 << 40, 1 << 40]}, b"1234"),
        ({"shape": []}, b"1"),
        ({"shape": [1] * 5}, b"1"),
        ({"name": "../data"}, b"1234"),
        ({"name": ""}, b"1234"),
        ({"name": "x" * 65}, b"1234"),
    ],
)
def test_buffers_are_as_they_are_described(changes: dict[str, Any], frame: bytes) -> None:
    right = {"name": "data", "dtype": "uint8", "shape": [4]}
    decode([head(buffers=[right]), b"1234"], FROM_CLIENT)
    refusal(head(buffers=[right | changes]), frame)


def test_no_buffer_comes_twice() -> None:
    one = {"name": "data", "dtype": "uint8", "shape": [4]}
    assert refusal(head(buffers=[one, one]), b"1234", b"1234").code == "buffers_invalid"


def test_large_messages_are_refused_on_both_sides(monkeypatch: pytest.MonkeyPatch) -> None:
    chunk = PartChunk(job=JOB, name="mesh", offset=0, size=100)
    frames = encode(chunk, 1, {"data": Shaped.of_file(bytes(100))})
    monkeypatch.setattr(wire, "LARGEST_BUFFER", 99)
    with pytest.raises(EngineError, match="too large"):
        decode(frames, FROM_ENGINE)
    with pytest.raises(EngineError, match="too large"):
        encode(chunk, 1, {"data": Shaped.of_file(bytes(100))})


def test_whom_to_answer() -> None:
    assert request_id([head(kind="fly")]) == 5
    assert request_id([head(version=9)]) == 5
    assert [request_id(f) for f in ([], [b"\xc1"], [head(id="x")], [head(id=-3)])] == [0] * 4


@pytest.mark.parametrize(
    ("oldest", "newest", "theirs"), [(2, 3, "version 2 to 3"), (0, 0, "version 0"), (9, 9, "9")]
)
def test_a_mismatch_names_both_versions_and_the_remedy(
    oldest: int, newest: int, theirs: str
) -> None:
    hello = Hello(oldest=oldest, newest=newest, token="", client="", program="")
    with pytest.raises(EngineError) as caught:
        negotiate(hello)
    assert theirs in str(caught.value)
    assert "this one 1. Update the older one" in str(caught.value)
    assert negotiate(Hello(oldest=0, newest=7, token="", client="", program="")) == 1


def test_greetings_are_read_in_any_version() -> None:
    hello: Any = EXAMPLES[0]
    frame = bytes(encode(hello)[0]).replace(b"version\x01", b"version\x63")
    assert decode([frame], FROM_CLIENT).message == hello
    refused = Refused(code="version_mismatch", message="No.", hint="Update.")
    frame = bytes(encode(refused)[0]).replace(b"version\x01", b"version\x63")
    assert decode([frame], FROM_ENGINE).message == refused
    frame = bytes(encode(Ping())[0]).replace(b"version\x01", b"version\x63")
    assert refusal(frame).code == "version_mismatch"


@pytest.mark.parametrize("id", ["", "x" * 32, JOB + "0", JOB.upper(), "../" + JOB[3:], JOB + "\n"])
def test_an_id_of_a_job_can_name_a_folder(id: str) -> None:
    with pytest.raises(EngineError) as caught:
        Submit(id=id, job=_A_JOB)
    assert caught.value.code == "job_id_invalid"


_A_JOB = next(message.job for message in EXAMPLES if isinstance(message, Submit))


def test_a_refusal_is_bounded() -> None:
    refused = Refused.of(EngineError("code", "x" * 10_000, "y" * 10_000))
    assert len(refused.message) == len(refused.hint) == 1000


def test_mutated_frames_give_errors_and_nothing_else() -> None:
    """A million of them: benchmarks/fuzz_wire.py."""
    chance = random.Random(12)
    frames = example_frames()
    errors = 0
    for _ in range(3000):
        try:
            decode(mutated(chance.choice(frames), chance), KINDS)
        except EngineError:
            errors += 1
    assert 1000 < errors < 3000


@settings(max_examples=100, deadline=None, database=None)
@given(st.lists(st.binary(max_size=200), max_size=4))
def test_any_bytes_give_errors(frames: list[bytes]) -> None:
    refusal(*frames)
