"""How fast parts come to a client: by chunks under CURVE, by file; and how long checks take.

python -m benchmarks.protocol [MEGABYTES] [CHUNK in MiB ...]
"""

import multiprocessing
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from typing import Any

import numpy as np

from protocol import download
from protocol.client import EngineClient
from protocol.connection import Connection
from protocol.events import Progress
from protocol.jobs import GenerateJob
from protocol.messages import FROM_ENGINE
from protocol.parts import check_part, pack_mesh
from protocol.references import Attached
from protocol.wire import Shaped, decode, encode
from tests.protocol.service import Service, noise, stored

JOB = "0" * 32


def serve(pipe: Pipe, size: int, folder: str) -> None:
    """A process with a service that has one part, as chunks and as a file."""
    service = Service()
    file = Path(folder) / "part"
    part = stored(JOB, "asset", noise(size), str(file))
    file.write_bytes(part.data)
    service.parts[JOB, "asset"] = part
    pipe.send(service.connection())
    pipe.recv()
    service.stop()


def measure(what: str, size: int, work: Callable[[], Any]) -> None:
    wall, cpu, own = time.perf_counter(), time.process_time(), time.thread_time()
    work()
    wall, own = time.perf_counter() - wall, time.thread_time() - own
    others = time.process_time() - cpu - own
    rate = f", {size / wall / 1e6:.0f} MB/s" if size else ""
    print(
        f"{what}: {wall * 1000:.1f} ms{rate}, {own * 1000:.1f} CPU ms"
        f" and {others * 1000:.1f} in libzmq's thread"
    )


def connected(connection: Connection) -> EngineClient:
    client = EngineClient(lambda: connection, name="bench", program="bench 1")
    while client.state != "alive":
        client.poll(wait_s=0.1)
    return client


def fetch(connection: Connection) -> Callable[[], None]:
    client = connected(connection)

    def work() -> None:
        client.wait_for(client.fetch(JOB, "asset"), 300)
        client.close()

    return work


def close(connection: Connection) -> Callable[[], None]:
    """Of a client that has much to send."""
    client = connected(connection)
    for _ in range(20):
        job = GenerateJob(picture=Attached("picture"))
        client.submit(job, {"picture": Shaped.of_file(bytes(4 << 20))})
    client.poll()
    return client.close


def grid(side: int) -> tuple[np.ndarray, np.ndarray]:
    """Vertices and 2 (side - 1)^2 faces of a sheet."""
    x, y = np.meshgrid(np.arange(side), np.arange(side), indexing="ij")
    position = np.stack([x, y, x * 0], axis=-1).reshape(-1, 3).astype(np.float32)
    corner = (x[:-1, :-1] * side + y[:-1, :-1]).reshape(-1)
    faces = np.stack([corner, corner + side, corner + 1], 1)
    others = np.stack([corner + 1, corner + side, corner + side + 1], 1)
    return position, np.concatenate([faces, others]).astype(np.int32)


def main(megabytes: int, chunks: list[int]) -> None:
    size = megabytes * 1_000_000
    with tempfile.TemporaryDirectory() as folder:
        ours, theirs = multiprocessing.Pipe()
        spawn = multiprocessing.get_context("spawn")
        process = spawn.Process(target=serve, args=(theirs, size, folder))
        process.start()
        local: Connection = ours.recv()
        remote = replace(local, pid=0)
        for chunk in chunks:
            download.CHUNK = chunk << 20
            download.WINDOW = max(2, 12 // chunk)
            for _ in range(3):
                measure(f"{megabytes} MB in chunks of {chunk} MiB", size, fetch(remote))
        for _ in range(3):
            measure(f"{megabytes} MB by file", size, fetch(local))
        for _ in range(5):
            measure("closing with 80 MB unsent", 0, close(local))
        ours.send(None)
        process.join()
    position, faces = grid(708)
    uv = np.zeros((len(faces) * 3, 2), np.float32)
    packed = pack_mesh(position, faces, corner_uv=uv)
    data = b"".join(packed.chunks())
    measure(f"packing {len(faces)} faces", 0, lambda: pack_mesh(position, faces, corner_uv=uv))
    for _ in range(3):
        measure(f"checking {len(faces)} faces", 0, lambda: check_part(packed.layout, data))
    event = Progress(job=JOB, stage="shape", step=1, steps=9, fraction=0.1, elapsed=1.0)
    frames = encode(event)
    measure("encoding 1000 events", 0, lambda: [encode(event) for _ in range(1000)])
    measure("decoding 1000 events", 0, lambda: [decode(frames, FROM_ENGINE) for _ in range(1000)])


if __name__ == "__main__":
    given = [int(word) for word in sys.argv[1:]]
    main(given[0] if given else 200, given[1:] or [1, 2, 4])
