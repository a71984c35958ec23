"""docs/protocol.md tells the truth: its exchange, its bounds and its kinds are the code's."""

import re
from pathlib import Path
from typing import Any

import pytest

from protocol import wire
from protocol.download import LARGEST_PART
from protocol.layout import views
from protocol.messages import FROM_CLIENT, FROM_ENGINE, PROTOCOL_VERSION
from protocol.parts import MESH_ARRAYS, check_part
from protocol.replies import PartChunk, PartHead, Refused, Submitted
from protocol.requests import LARGEST_CHUNK, MOST_CREDIT, MOST_ROWS, SMALLEST_CHUNK, Submit
from protocol.wire import decode, encode

PAGE = (Path(__file__).parents[2] / "docs" / "protocol.md").read_text(encoding="utf-8")


def exchange() -> list[tuple[str, str, int, list[bytes]]]:
    """Side, kind, id and frames of each message of the page."""
    block = re.findall(r"^```frames\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)[0]
    messages: list[tuple[str, str, int, list[bytes]]] = []
    for line in block.splitlines():
        if line.startswith("  "):
            messages[-1][3][-1] += bytes.fromhex(line)
        elif line[2:] == "+":
            messages[-1][3].append(b"")
        else:
            side, kind, id = line.split()
            messages.append((side, kind, int(id), [b""]))
    return messages


@pytest.mark.parametrize("message", exchange(), ids=lambda message: f"{message[1]} {message[2]}")
def test_the_exchange_is_what_we_send_and_understand(message: Any) -> None:
    side, kind, id, frames = message
    received = decode(frames, FROM_CLIENT if side == ">" else FROM_ENGINE)
    assert (type(received.message).__name__, received.id) == (kind, id)
    assert [bytes(f) for f in encode(received.message, id, received.buffers)] == frames


def test_the_exchange_makes_sense() -> None:
    kinds = {">": FROM_CLIENT, "<": FROM_ENGINE}
    said = [(side, decode(frames, kinds[side])) for side, _, _, frames in exchange()]
    asked = [received.id for side, received in said if side == ">"]
    answered = [received.id for side, received in said if side == "<" and received.id]
    assert asked == sorted(set(answered)) == [1, 2, 3, 4]
    by_kind = {type(received.message): received for _, received in said}
    assert by_kind[Submitted].message.job == by_kind[Submit].message.id  # pyright: ignore
    head, data = by_kind[PartHead].message, by_kind[PartChunk].buffers["data"].data
    assert isinstance(head, PartHead)
    check_part(head.layout, data)
    assert bytes(views(head.layout, data)["data"]) == b"glTF"
    assert isinstance(by_kind[Refused].message, Refused)


def test_the_bounds_are_those_of_the_code() -> None:
    assert f"Version {PROTOCOL_VERSION}." in PAGE
    for words in (
        f"{wire.LARGEST_HEAD >> 10} KiB, {wire.DEEPEST} levels, {wire.MOST_ENTRIES:,} entries",
        f"{wire.MOST_BUFFERS}, {wire.LARGEST_BUFFER >> 20} MiB each, "
        f"{wire.LARGEST_MESSAGE >> 20} MiB together",
        f"{SMALLEST_CHUNK >> 10} KiB to {LARGEST_CHUNK >> 20} MiB",
        f"{MOST_CREDIT} chunks a request",
        f"rows of a page of jobs | {MOST_ROWS} |",
        f"part | {LARGEST_PART >> 30} GiB",
        *(f"`{name}`" for name in MESH_ARRAYS),
    ):
        assert words in PAGE
