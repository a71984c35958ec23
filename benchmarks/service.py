"""Figures of the service with the fake worker: start, memory, latency, throughput, many jobs.

    python benchmarks/service.py [--jobs 2000] [--folder /dev/shm]

``--folder``: where the homes lie, which decides how long the disk takes. Wall seconds of a machine
that does other things too mean little; processor seconds are beside them.
"""

import argparse
import hashlib
import random
import secrets
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from statistics import median

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from protocol import requests
from protocol.client import EngineClient
from protocol.events import ENDS, Cancelled, Done, Progress, Queued
from protocol.jobs import GenerateJob
from protocol.references import Attached
from protocol.wire import Shaped
from tests.service.peer import PNG, Peer, Server

MIB = 1 << 20
QUICK = [{"stage": "shape", "steps": 2}, {"part": "asset", "bytes": 20_000}]
SCRIPT = {
    "jobs": [
        QUICK,
        [{"part": "asset", "bytes": 256 * MIB}],
        [{"stage": "shape", "steps": 1000, "seconds": 100}],
    ]
}


def starts(home: Path, count: int) -> None:
    walls, processors = list[float](), list[float]()
    for _ in range(count):
        begin = time.perf_counter()
        server = Server(home, SCRIPT)
        server.peer().ask(requests.Ping())
        walls.append(time.perf_counter() - begin)
        times = psutil.Process(server.running().pid).cpu_times()
        processors.append(times.user + times.system)
        server.close()
    print(f"start to first answer: median of {count}: {median(walls):.2f} s wall,", end=" ")
    print(f"{median(processors):.2f} s processor")


def latencies(peer: Peer, count: int) -> None:
    firsts, cancels, rounds = list[float](), list[float](), list[float]()
    for _ in range(count):
        job = secrets.token_hex(16)
        request = requests.Submit(id=job, job=GenerateJob(picture=Attached("p"), seed=2))
        begin = time.perf_counter()
        peer.send(request, {"p": Shaped.of_file(PNG + bytes(100_000))})
        peer.event(Queued, job)
        firsts.append(time.perf_counter() - begin)
        peer.event(Progress, job)
        begin = time.perf_counter()
        peer.ask(requests.Cancel(job=job))
        peer.event(Cancelled, job)
        cancels.append(time.perf_counter() - begin)
        begin = time.perf_counter()
        peer.ask(requests.Ping())
        rounds.append(time.perf_counter() - begin)
    print(f"submit to first event: median of {count}: {median(firsts) * 1e3:.1f} ms,", end=" ")
    print(
        f"cancel to cancelled: {median(cancels) * 1e3:.0f} ms, ping: {median(rounds) * 1e3:.1f} ms"
    )


def throughput(server: Server, peer: Peer) -> None:
    job = secrets.token_hex(16)
    peer.submit(job, seed=1)
    peer.event(Done, job, patience=120)
    for chunk in (MIB, 4 * MIB):
        size, got, wanted = 256 * MIB, 0, 0
        process = psutil.Process(server.running().pid)
        used, begin = sum(process.cpu_times()[:2]), time.perf_counter()
        peer.chunks.clear()
        while got < size:
            while wanted < size and wanted - got < 8 * chunk:
                peer.send(
                    requests.FetchPart(job=job, name="asset", offset=wanted, chunk=chunk, credit=4)
                )
                wanted += 4 * chunk
            peer.until(lambda: peer.chunks)
            got += sum(received.message.size for received in peer.chunks)  # pyright: ignore
            peer.chunks.clear()
        wall = time.perf_counter() - begin
        used = sum(process.cpu_times()[:2]) - used
        print(
            f"chunks of {chunk // MIB} MiB under CURVE: {size / wall / 1e6:.0f} MB/s wall,", end=" "
        )
        print(f"{size / used / 1e6:.0f} MB a processor second of the service")
    remote = replace(server.connection, pid=0)  # as if on another machine: no files
    with EngineClient(lambda: remote, name="bench", program="bench 1") as client:
        client.ask(requests.GetStatus())
        begin, own = time.perf_counter(), time.process_time()
        client.wait_for(client.fetch(job, "asset"), 120)
        wall, own = time.perf_counter() - begin, time.process_time() - own
    print(f"the client, checked: {256 * MIB / wall / 1e6:.0f} MB/s wall,", end=" ")
    print(f"{256 * MIB / own / 1e6:.0f} MB a processor second of its own")
    begin = time.perf_counter()
    head = peer.ask(requests.FetchPart(job=job, name="asset", by_file=True))
    data = Path(head.path).read_bytes()
    size = len(data)
    read = time.perf_counter() - begin
    assert hashlib.sha256(data).hexdigest() == head.sha256
    wall = time.perf_counter() - begin
    read_rate, all_rate = len(data) / read / 1e6, len(data) / wall / 1e6
    print(f"by file: {read_rate:.0f} MB/s read, {all_rate:.0f} with SHA-256")


def many(server: Server, count: int, clients: int = 8) -> None:
    draw = random.Random(0)
    peers = [server.peer(name=f"client {i}") for i in range(clients)]
    process = psutil.Process(server.running().pid)
    memory = [process.memory_info().rss]
    begin, used = time.perf_counter(), sum(process.cpu_times()[:2])
    ended, jobs = set[str](), list[str]()
    for i in range(count):
        peer = draw.choice(peers)
        jobs.append(secrets.token_hex(16))
        peer.submit(jobs[-1])
        if draw.random() < 0.02 and i % 50:
            ended |= {event.job for event in peer.events if isinstance(event, ENDS)}
            peers.remove(peer)
            server.peers.remove(peer)
            peer.close()
            peers.append(server.peer(name=f"client {i}"))
        for other in peers:
            other.pump(0.0)
        if i % 50 == 0:
            memory.append(process.memory_info().rss)
            # A long queue costs memory by itself; here it is what stays that counts.
            while peer.ask(requests.GetStatus()).engine.waiting > 100:
                peer.pump(0.05)
    while peers[0].ask(requests.GetStatus()).engine.waiting:
        for peer in peers:
            peer.pump(0.05)
        memory.append(process.memory_info().rss)
    peers[0].until(lambda: not peers[0].ask(requests.GetStatus()).engine.job)
    rows, after = list[requests.JobState](), None
    while True:
        page = peers[0].ask(requests.ListJobs(after=after))
        rows += [row.state for row in page.rows if row.id in set(jobs)]
        if not page.more:
            break
        after = page.rows[-1].id
    wall, used = time.perf_counter() - begin, sum(process.cpu_times()[:2]) - used
    print(f"{count} jobs, {clients} clients: {wall:.0f} s wall, {used:.0f} s processor;", end=" ")
    print(f"done {rows.count('done')} of {len(rows)}; memory MB:", end=" ")
    print(*(round(memory[i * (len(memory) - 1) // 9] / 1e6, 1) for i in range(10)))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--jobs", type=int, default=2000)
    parser.add_argument("--only-many", action="store_true")
    parser.add_argument("--folder", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        if not arguments.only_many:
            starts(Path(folder, "home"), 10)
        server = Server(Path(folder, "other"), SCRIPT)
        try:
            peer = server.peer()
            memory = peer.ask(requests.GetStatus()).memory
            print(f"memory of the front process with one client: {memory / 1e6:.1f} MB")
            if not arguments.only_many:
                latencies(peer, 20)
                throughput(server, peer)
            if arguments.jobs:
                many(server, arguments.jobs)
        finally:
            server.close()


if __name__ == "__main__":
    main()
