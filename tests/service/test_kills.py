"""kill -9 at seeded random moments: no job is lost, none ends twice, nothing is left behind."""

import hashlib
import os
import random
import secrets
import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.service.store import Store
from protocol import requests
from protocol.events import ENDS
from tests.service.peer import Peer, Server, gone

SCRIPT = {
    "start_seconds": 0.05,
    "jobs": [
        [
            {"stage": "structure", "steps": 4, "seconds": 0.1},
            {"part": "structure_file", "bytes": 100_000},
            {"stage": "shape", "steps": 4, "seconds": 0.2},
            {"note": "Half of it is done."},
            {"saved": True},
            {"stage": "bake", "steps": 4, "seconds": 0.1},
            {"part": "asset", "bytes": 2_000_000},
        ]
    ],
}
ON_A_GPU = {**SCRIPT, "device": "cuda:0"}
"""There, a finisher does the second half of jobs behind which others wait."""
KILLS = 8


def kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


@pytest.mark.parametrize(("seed", "script"), [(1, SCRIPT), (2, ON_A_GPU), (3, ON_A_GPU)])
def test_kills_at_random_moments(
    spawn: Callable[..., Server], seed: int, script: dict[str, Any]
) -> None:
    draw = random.Random(seed)
    server = spawn(script)
    jobs: list[str] = []
    ends: Counter[str] = Counter()
    every: set[int] = set()
    peer = server.peer()
    for _ in range(KILLS):
        jobs.append(secrets.token_hex(16))
        peer.submit(jobs[-1], priority=draw.choice(["interactive", "batch"]))
        peer.pump(draw.uniform(0.0, 1.5))
        every.update(server.children())
        victim = draw.choice(["service", "service", "worker", "client"])
        if victim == "worker":
            for pid in server.children():
                kill(pid)
        else:
            ends.update(event.job for event in peer.events if isinstance(event, ENDS))
            if victim == "service":
                children = server.children()
                server.kill()
                assert gone(children, 5.0)
                server.start()
            peer.close()
            server.peers.clear()
            peer = server.peer()
            for row in peer.ask(requests.ListJobs()).rows:
                peer.ask(requests.Attach(job=row.id))
                if row.state == "interrupted":
                    peer.ask(requests.Retry(job=row.id, id=row.id))

    def over() -> bool:
        rows = peer.ask(requests.ListJobs()).rows
        time.sleep(0.1)
        return all(row.state not in ("queued", "running") for row in rows)

    peer.until(over, patience=120)
    every.update(server.children())
    rows = {row.id: row for row in peer.ask(requests.ListJobs()).rows}
    assert set(rows) == set(jobs)
    # A job whose worker was killed twice may have failed, and then it says so.
    for job, row in rows.items():
        assert row.state == "done" or (row.failure and row.failure.code == "worker_crashed"), row
        ends.update([job] if any(isinstance(event, ENDS) for event in peer.of(job)) else [])
        assert ends[job] <= 1
        if row.state == "done":
            check_parts(peer, job)
    peer.ask(requests.Shutdown())
    assert server.ended()[0] == 0
    assert gone(sorted(every), 5.0)
    assert not (server.home / "engine.json").exists()
    Store(server.home).close()


def check_parts(peer: Peer, job: str) -> None:
    """Every part's file is there, whole."""
    for name in ("structure_file", "asset"):
        head = peer.ask(requests.FetchPart(job=job, name=name, by_file=True))
        data = Path(head.path).read_bytes()
        assert len(data) == head.size and hashlib.sha256(data).hexdigest() == head.sha256
