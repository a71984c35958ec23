"""The helper of `serve --fake SCRIPT`: it asks no hub, and answers what the script wants answered.

Pictures are really looked at and cut out, the small model is described as it is, and any
checkpoint can do any job, unless the script of ``engine/service/fake.py`` says otherwise::

    {"answers": {"submit": {"refused": {"code": "type_unknown", "message": "..."}},
                 "check_picture": {"picture_notes": {"notes": []}},
                 "describe_checkpoint": {"refused": {"code": "weights_absent", "message": "..."}}},
     "download": {"seconds": 2.0, "bytes": 1000000, "fail": {"code": "hub_gated", ...}}}

``answers``: by the kind of a request, the reply in plain data. A reply of the kind that comes
anyway need only name the fields that are to differ. ``download``: how a download or a check of
weights is played; what it "gets" is here from then on.
"""

import json
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from engine.helper.__main__ import Helping, serve
from engine.host.files import write_bytes_atomic
from engine.pipe.helping import Answered, Ask
from engine.pipe.messages import Setup
from protocol.errors import EngineError
from protocol.messages import REPLIES
from protocol.plain import from_dict, tag, to_dict
from protocol.replies import Accepted, ModelList
from protocol.requests import DownloadModels, RemoveModels, Submit, VerifyModels

HERE = "fake_models.json"
"""Names of the weights that were "downloaded", in the home."""
STEPS = 20


class FakeHelping(Helping):
    """Answers from a script, or else as the real one.

    Args:
        script: as above.
    """

    def __init__(self, write: Callable[[Any], None], script: dict[str, Any]) -> None:
        super().__init__(write)
        self._answers: dict[str, Any] = script.get("answers", {})
        self._download: dict[str, Any] = script.get("download", {})
        self._files = threading.Lock()

    def begin(self, setup: Setup) -> None:
        super().begin(setup)
        self._here = Path(setup.home, HERE)

    def _answer(self, ask: Ask) -> None:
        wanted = self._answers.get(tag(type(ask.request)))
        if wanted is not None and "refused" in wanted:
            self._reply(ask, _reply_of(wanted))
            return
        match ask.request:
            case DownloadModels(names=names) | VerifyModels(names=names):
                self._long(ask, partial(self._play, names, ask.request))
            case RemoveModels(names=names):
                self._keep(self._names() - _chosen(names))
                self._reply(ask, Accepted())
            case Submit():
                self._reply(ask, Accepted())
            case _:
                super()._answer(ask)

    def _send(self, message: Any) -> None:
        if isinstance(message, Answered):
            message = replace(message, reply=self._changed(message.reply))
        super()._send(message)

    def _changed(self, reply: Any) -> Any:
        if isinstance(reply, ModelList):
            here = self._names()
            rows = [replace(row, missing=0) if row.name in here else row for row in reply.rows]
            reply = replace(reply, rows=tuple(rows))
        kind = tag(type(reply))
        for wanted in self._answers.values():
            if kind in wanted and kind != "refused":
                return _reply_of({kind: {**to_dict(reply), **wanted[kind]}})
        return reply

    def _play(self, names: tuple[str, ...], request: Any, tell: Callable[[Any], None]) -> None:
        from engine.weights.store import Progress

        total = int(self._download.get("bytes", 1_000_000))
        for step in range(STEPS + 1):
            done = total * step // STEPS
            tell(Progress("fake.safetensors", done, total, done, total))
            time.sleep(self._download.get("seconds", 0.5) / STEPS)
            if (failure := self._download.get("fail")) and step == STEPS // 2:
                raise EngineError(failure["code"], failure["message"], failure.get("hint", ""))
        if isinstance(request, DownloadModels):
            self._keep(self._names() | _chosen(names))

    def _names(self) -> set[str]:
        try:
            return set(json.loads(self._here.read_text(encoding="utf-8")))
        except (OSError, ValueError):
            return set()

    def _keep(self, names: set[str]) -> None:
        with self._files:
            write_bytes_atomic(self._here, json.dumps(sorted(names)).encode())


def _chosen(names: tuple[str, ...]) -> set[str]:
    from engine.systems.catalogue import choose

    return {weight.name for weight in choose(names)}


def _reply_of(content: dict[str, Any]) -> Any:
    ((kind, body),) = content.items()
    return from_dict(REPLIES[kind], body, kind)


def main(script_file: str) -> None:
    """Answer until the front process is gone."""
    script: dict[str, Any] = json.loads(Path(script_file).read_text(encoding="utf-8"))
    serve(lambda write: FakeHelping(write, script))


if __name__ == "__main__":
    main(sys.argv[1])
