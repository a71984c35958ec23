"""A package index on 127.0.0.1 that can misbehave: ``python index_server.py FOLDER``.

Serves FOLDER/files by ranges and FOLDER/simple.json as an index (PEP 691), and writes its port into
FOLDER/port. FOLDER/behaviour.json is read at every request: for a file's name, "cut" is a list of
byte counts after which the next answers break off, "slow" the bytes a second, "spoil" turns a byte,
"status" is answered instead. What was asked is added to FOLDER/asked.txt: method, path, range.
"""

import json
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

FOLDER = Path(sys.argv[1]) if __name__ == "__main__" else Path()
JSON = "application/vnd.pypi.simple.v1+json"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def _answer(self, *, body: bool) -> None:
        path = unquote(urlsplit(self.path).path)  # a proxy is asked for whole addresses
        asked = self.headers.get("Range", "")
        with (FOLDER / "asked.txt").open("a") as log:
            log.write(f"{self.command} {self.path} {asked}\n")
        if path.startswith("/simple/"):
            self._page(path.split("/")[2])
            return
        file = FOLDER / "files" / path.rpartition("/")[2]
        if not file.exists():
            self._plain(404, b"there is no such file", "text/plain")
            return
        self._file(file, asked, body)

    def _page(self, project: str) -> None:
        files = json.loads((FOLDER / "simple.json").read_text()).get(project)
        if files is None:
            self._plain(404, b"there is no such project", "text/plain")
        elif JSON in self.headers.get("Accept", ""):
            page = {"meta": {"api-version": "1.1"}, "name": project, "files": files, "versions": []}
            self._plain(200, json.dumps(page).encode(), JSON)
        else:
            links = (f'<a href="{f["url"]}#x">{f["filename"]}</a>' for f in files)
            self._plain(200, "\n".join(links).encode(), "text/html")

    def _file(self, file: Path, asked: str, body: bool) -> None:
        behaviour_file = FOLDER / "behaviour.json"
        all_behaviour = json.loads(behaviour_file.read_text())
        behaviour = all_behaviour.get(file.name, {})
        if "status" in behaviour:
            self._plain(behaviour["status"], b"no", "text/plain")
            return
        data = bytearray(file.read_bytes())
        if behaviour.get("spoil"):
            data[len(data) // 2] ^= 1
        begin = int(asked.removeprefix("bytes=").partition("-")[0]) if asked else 0
        stop = asked.partition("-")[2]
        end = int(stop) + 1 if stop else len(data)
        self.send_response(206 if asked else 200)
        if asked:
            self.send_header("Content-Range", f"bytes {begin}-{end - 1}/{len(data)}")
        self.send_header("Content-Length", str(end - begin))
        self.send_header("Accept-Ranges", "bytes")
        self.end_headers()
        if not body:
            return
        part = memoryview(data)[begin:end]
        cut = None
        if behaviour.get("cut"):
            cut = behaviour["cut"].pop(0)
            behaviour_file.write_text(json.dumps(all_behaviour))
            part = part[:cut]
        step = 1 << 16
        for at in range(0, len(part), step):
            self.wfile.write(part[at : at + step])
            if behaviour.get("slow"):
                time.sleep(step / behaviour["slow"])
        if cut is not None:
            self.close_connection = True

    def _plain(self, status: int, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def main() -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    part = FOLDER / "port.part"
    part.write_text(str(server.server_port))
    part.replace(FOLDER / "port")
    server.serve_forever()


if __name__ == "__main__":
    main()
