"""The way to the internet as a test wants it: counted, slow, cut, refused. A process of its own.

A proxy for TLS on 127.0.0.1 that also offers a folder of wheels as PyTorch's server offers its own
(a page of links with hashes; ranges). ``python -m tests.blender.way_out FOLDER [WHEELS]`` reads
FOLDER/wish.json ({"refuse": true, "rate": bytes a second}) while it runs, and writes its port and
the bytes that have come in from each host into FOLDER/port and FOLDER/bytes.
"""

import asyncio
import contextlib
import hashlib
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

CHUNK = 1 << 16
REFUSED = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
UNREACHABLE = b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class WayOut:
    """The end in the test.

    Args:
        folder: for its files.
        wheels: folder that it offers; None: none.
    """

    def __init__(self, folder: Path, wheels: Path | None = None) -> None:
        folder.mkdir(parents=True)
        self._folder = folder
        self.wish()
        command = [sys.executable, __file__, str(folder), *([str(wheels)] if wheels else [])]
        self._process = subprocess.Popen(command)
        port = folder / "port"
        while not port.exists():
            assert self._process.poll() is None
            time.sleep(0.02)
        self.address = f"http://127.0.0.1:{port.read_text()}"

    def wish(self, *, refuse: bool = False, rate: float = 0) -> None:
        """From now on, for connections that are open too."""
        part = self._folder / "wish.part"
        part.write_text(json.dumps({"refuse": refuse, "rate": rate}))
        part.replace(self._folder / "wish.json")

    @property
    def bytes(self) -> int:
        """That have come in so far, TLS included."""
        return sum(self.hosts.values())

    @property
    def hosts(self) -> dict[str, int]:
        """``bytes`` by the host that they came from; "" is the folder of wheels."""
        try:
            return json.loads((self._folder / "bytes").read_text())
        except FileNotFoundError:
            return {}

    def close(self) -> None:
        self._process.kill()
        self._process.wait()


class _Server:
    def __init__(self, folder: Path, wheels: Path | None) -> None:
        self._folder, self._wheels = folder, wheels
        self._bytes, self._free_at = dict[str, int](), 0.0
        self._wish: dict[str, Any] = {}

    async def run(self) -> None:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self._look()
        self._write("port", str(server.sockets[0].getsockname()[1]))
        while True:
            self._look()
            self._write("bytes", json.dumps(self._bytes))
            await asyncio.sleep(0.1)

    def _write(self, name: str, text: str) -> None:
        """Whole or not at all, for whoever reads it meanwhile."""
        part = self._folder / f"{name}.part"
        part.write_text(text)
        part.replace(self._folder / name)

    def _look(self) -> None:
        self._wish = json.loads((self._folder / "wish.json").read_text())

    async def _came(self, host: str, data: bytes) -> None:
        """Count them, and wait as long as a slow line takes for them."""
        if self._wish["refuse"]:
            raise ConnectionResetError
        self._bytes[host] = self._bytes.get(host, 0) + len(data)
        if rate := self._wish["rate"]:
            now = time.monotonic()
            self._free_at = max(self._free_at, now) + len(data) / rate
            await asyncio.sleep(self._free_at - now)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            method, target, _ = head[0].split(" ")
            if method != "CONNECT":
                await self._file(method, target, head, writer)
            elif self._wish["refuse"]:
                writer.write(REFUSED)
            else:
                await self._tunnel(target, reader, writer)
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _tunnel(
        self, target: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        host, _, port = target.rpartition(":")
        try:
            inward, outward = await asyncio.open_connection(host, int(port))
        except OSError:
            writer.write(UNREACHABLE)
            return
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")

        async def copy(
            source: asyncio.StreamReader, target: asyncio.StreamWriter, counted: bool
        ) -> None:
            while data := await source.read(CHUNK):
                if counted:
                    await self._came(host, data)
                target.write(data)
                await target.drain()

        both = [
            asyncio.ensure_future(copy(inward, writer, True)),
            asyncio.ensure_future(copy(reader, outward, False)),
        ]
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in both:
                one.cancel()
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await asyncio.gather(*both, return_exceptions=True)
            outward.close()

    async def _file(
        self, method: str, target: str, head: list[str], writer: asyncio.StreamWriter
    ) -> None:
        wheels = sorted(self._wheels.glob("*.whl")) if self._wheels else []
        name = target.rpartition("/")[2].replace("%2B", "+")
        file = next((wheel for wheel in wheels if wheel.name == name), None)
        if file is None:
            links = (f'<a href="{w.name}#sha256={_sha256(w)}">{w.name}</a><br>' for w in wheels)
            page = "\n".join(links).encode()
            kind = f"Content-Type: text/html\r\nContent-Length: {len(page)}"
            writer.write(f"HTTP/1.1 200 OK\r\n{kind}\r\nConnection: close\r\n\r\n".encode() + page)
            return
        size = file.stat().st_size
        given = [line[6:].strip() for line in head if line.lower().startswith("range:")]
        begin, end, status = 0, size, "200 OK"
        if given:
            first, _, last = given[0].removeprefix("bytes=").partition("-")
            begin, end = (int(first), int(last) + 1 if last else size) if first else (
                size - int(last), size)  # fmt: skip
            status = "206 Partial Content"
        lines = [f"HTTP/1.1 {status}", f"Content-Length: {end - begin}", "Accept-Ranges: bytes"]
        lines += [f"Content-Range: bytes {begin}-{end - 1}/{size}"] if given else []
        writer.write(("\r\n".join([*lines, "Connection: close"]) + "\r\n\r\n").encode())
        if method == "HEAD":
            return
        with file.open("rb") as opened:
            opened.seek(begin)
            left = end - begin
            while left and (data := opened.read(min(CHUNK, left))):
                await self._came("", data)
                writer.write(data)
                await writer.drain()
                left -= len(data)


_known: dict[Path, str] = {}


def _sha256(file: Path) -> str:
    if file not in _known:
        with file.open("rb") as opened:
            _known[file] = hashlib.file_digest(opened, "sha256").hexdigest()
    return _known[file]


if __name__ == "__main__":
    offered = Path(sys.argv[2]) if len(sys.argv) > 2 else None
    asyncio.run(_Server(Path(sys.argv[1]), offered).run())
