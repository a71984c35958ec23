"""A hub on this machine: the few answers that a download needs, over real HTTP."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from engine.weights.weight import Weight, WeightFile


class FakeHub:
    """Files by ``owner/repository/path``; every request is noted.

    Attributes:
        requests: (method, path, Range header or None, whether a token came along).
        gated: repositories that refuse.
        cut: after how many bytes the next answer breaks off; then it is None again.
        ranges: whether parts of files are given out.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.requests: list[tuple[str, str, str | None, bool]] = []
        self.gated: set[str] = set()
        self.cut: int | None = None
        self.ranges = True
        self.url = ""

    def gets(self) -> list[tuple[str, str | None]]:
        return [(path, span) for method, path, span, _ in self.requests if method == "GET"]


@contextmanager
def serving() -> Iterator[FakeHub]:
    hub = FakeHub()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: Any) -> None:
            pass

        def do_HEAD(self) -> None:
            self._answer(body=False)

        def do_GET(self) -> None:
            self._answer(body=True)

        def _answer(self, *, body: bool) -> None:
            span = self.headers.get("Range")
            hub.requests.append(
                (self.command, self.path, span, self.headers.get("Authorization") is not None)
            )
            repository, _, rest = self.path.lstrip("/").partition("/resolve/")
            revision, _, name = rest.partition("/")
            content = hub.files.get(f"{repository}/{name}")
            if repository in hub.gated:
                self._refuse(403, "GatedRepo")
            elif content is None:
                known = any(key.startswith(f"{repository}/") for key in hub.files)
                self._refuse(404, "EntryNotFound" if known else "RepoNotFound")
            else:
                self._give(content, span, revision, body)

        def _refuse(self, status: int, code: str) -> None:
            self.send_response(status)
            self.send_header("X-Error-Code", code)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def _give(self, content: bytes, span: str | None, revision: str, body: bool) -> None:
            start = 0
            if span and hub.ranges:
                start = int(span.removeprefix("bytes=").rstrip("-"))
            self.send_response(206 if start else 200)
            if start:
                last = len(content) - 1
                self.send_header("Content-Range", f"bytes {start}-{last}/{len(content)}")
            self.send_header("X-Repo-Commit", revision)
            self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
            self.send_header("Content-Length", str(len(content) - start))
            self.end_headers()
            if not body:
                return
            if hub.cut is not None:
                self.wfile.write(content[start : start + hub.cut])
                hub.cut, self.close_connection = None, True
            else:
                self.wfile.write(content[start:])

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def weight(name: str, files: dict[str, bytes], *, repository: str = "me/mine", **facts: Any):
    """A weight whose published facts are those of ``files``."""
    described = tuple(
        WeightFile(path, len(content), True, hashlib.sha256(content).hexdigest())
        for path, content in files.items()
    )
    values: dict[str, Any] = {
        "name": name,
        "purpose": f"test {name}",
        "repository": repository,
        "revision": "0" * 40,
        "files": described,
        "licence": "MIT",
        "commercial": True,
        "conditions": "",
        "gated": False,
        "groups": frozenset({"standard"}),
    }
    return Weight(**values | facts)
