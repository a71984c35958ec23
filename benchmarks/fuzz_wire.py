"""A million mutated frames against the decoder: only errors, no growth.

python -m benchmarks.fuzz_wire [COUNT] [SEED]
"""

import random
import resource
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any, cast

from protocol.client import EngineClient
from protocol.connection import Connection, read_connection
from protocol.errors import EngineError
from protocol.link import Link
from protocol.messages import FROM_CLIENT, FROM_ENGINE, OLDEST_VERSION, PROTOCOL_VERSION
from protocol.plain import tag
from protocol.replies import Status
from protocol.requests import DownloadModels, GetStatus, Hello, RemoveModels, Shutdown
from protocol.wire import decode, encode, request_id
from tests.protocol.examples import EXAMPLES, example_frames, mutated


def main(count: int, seed: int) -> None:
    chance = random.Random(seed)
    kinds: dict[str, type[Any]] = {**FROM_CLIENT, **FROM_ENGINE}
    examples = example_frames()
    outcomes: Counter[str] = Counter()
    slowest = 0.0
    start, start_cpu = time.perf_counter(), time.process_time()
    for i in range(count):
        frames = mutated(chance.choice(examples), chance)
        before = time.process_time()
        try:
            decode(frames, kinds)
            outcomes["decoded"] += 1
        except EngineError as error:
            outcomes[error.code] += 1
            request_id(frames)
        except Exception:
            print(f"frame {i} of seed {seed}: {frames}")
            raise
        slowest = max(slowest, time.process_time() - before)
        if i + 1 in (count // 10, count):
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            print(f"{i + 1} messages, peak memory {peak:.1f} MB")
    wall, cpu = time.perf_counter() - start, time.process_time() - start_cpu
    print(f"{wall:.0f} s, {cpu:.0f} CPU s, slowest {slowest * 1000:.1f} ms")
    print(dict(outcomes.most_common()))


BY_RIGHT = (Shutdown, DownloadModels, RemoveModels)


def live(connection: Connection, count: int, seed: int) -> Status:
    """The same from a client that is let in; afterwards another client is answered as before.

    Returns:
        How the engine is then.
    """
    chance = random.Random(seed)
    link = Link(
        connection.endpoint,
        connection.server_key,
        connection.client_public,
        connection.client_secret,
    )
    hello = Hello(
        oldest=OLDEST_VERSION,
        newest=PROTOCOL_VERSION,
        token=connection.token,
        client="fuzz",
        program="fuzz 1",
    )
    while not link.send(encode(hello, 1)):
        link.wait(0.1)
    # Nothing that by right ends the engine, or downloads and removes gigabytes.
    examples = [
        frames
        for message, frames in zip(EXAMPLES, example_frames(), strict=True)
        if tag(type(message)) in FROM_CLIENT and not isinstance(message, BY_RIGHT)
    ]
    replies: Counter[str] = Counter()
    sent = 0
    while sent < count:
        sent += link.send(mutated(chance.choice(examples), chance) or [b""])
        while (frames := link.receive()) is not None:
            replies[type(decode(frames, FROM_ENGINE).message).__name__] += 1
    link.close()
    with EngineClient(lambda: connection, name="fuzz", program="fuzz 1") as client:
        status = cast(Status, client.ask(GetStatus()))
    print(status)
    print(f"{sent} messages sent, answered by {dict(replies.most_common())}")
    return status


if __name__ == "__main__":
    numbers = [int(word) for word in sys.argv[1:3]]
    if len(sys.argv) > 3:
        live(read_connection(Path(sys.argv[3])), *numbers)
    else:
        main(*(numbers + [1_000_000, 12][len(numbers) :]))
