"""The process beside the front process that looks at pictures and keeps weights."""

import os
import sys
import threading
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.pipe.frames import read_frames, write_frame
from engine.pipe.helping import Answered, Ask, FromHelper, Helped, ToHelper
from engine.pipe.messages import Setup
from engine.pipe.worker_end import streams
from engine.settings import Settings
from protocol.errors import EngineError
from protocol.events import ModelProgress
from protocol.references import File
from protocol.replies import Accepted, ModelList, ModelRow, PictureNote, PictureNotes, Refused
from protocol.requests import (
    CheckPicture,
    DownloadModels,
    ListModels,
    RemoveModels,
    VerifyModels,
)

if TYPE_CHECKING:
    from engine.weights.store import Progress, Store
    from engine.weights.weight import Weight


def main() -> None:
    """Answer until the front process is gone: each request on a thread of its own."""
    with streams() as (asked, answers):
        helping = _Helping(partial(write_frame, answers, kind=FromHelper))
        for message in read_frames(asked, ToHelper):
            if isinstance(message, Setup):
                helping.setup = message
            else:
                threading.Thread(target=helping.answer, args=(message,), daemon=True).start()
    # A download may be in the middle of a file; what has arrived stays.
    os._exit(0)


class _Helping:
    def __init__(self, write: Any) -> None:
        self._write, self._lock = write, threading.Lock()
        self.setup = Setup(home="", models="")

    def answer(self, ask: Ask) -> None:
        try:
            self._answer(ask)
        except EngineError as error:
            self._send(Answered(id=ask.id, reply=Refused.of(error)))
        except Exception:
            hint = "Report it with the log of the engine."
            sentence = "The engine's helper made a mistake."
            fault = Refused(code="internal", message=sentence, hint=hint)
            self._send(Answered(id=ask.id, reply=fault))
            raise

    def _answer(self, ask: Ask) -> None:
        match ask.request:
            case CheckPicture():
                self._send(Answered(id=ask.id, reply=_check(ask)))
            case ListModels():
                self._send(Answered(id=ask.id, reply=_listed(self._store())))
            case RemoveModels(names=names):
                self._store().remove(_chosen(names))
                self._send(Answered(id=ask.id, reply=Accepted()))
            case DownloadModels(names=names):
                weights, store = _chosen(names), self._store()
                self._long(ask.id, lambda tell: store.download(weights, tell))
            case VerifyModels(names=names):
                store = self._store()
                weights = _chosen(names or ("all",))
                if not names:
                    weights = [weight for weight in weights if store.state(weight) != "absent"]
                self._long(ask.id, lambda tell: _verify(store, weights, tell))

    def _long(self, id: int, work: Any) -> None:
        """Accept, do it, tell how far it is and how it ended."""
        self._send(Answered(id=id, reply=Accepted(), more=True))
        last = ModelProgress(request=0, done=0, total=0)

        def tell(at: "Progress") -> None:
            nonlocal last
            last = ModelProgress(request=0, file=at.file, done=at.total_done, total=at.total)
            self._send(Helped(id=id, progress=last))

        failure: dict[str, str] = {}
        try:
            work(tell)
        except EngineError as error:
            failure = {"code": error.code, "message": error.message, "hint": error.hint}
        values = {**vars(last), "ended": True, **failure}
        self._send(Helped(id=id, progress=ModelProgress(**values)))

    def _store(self) -> "Store":
        from engine.weights.hub import Origin
        from engine.weights.store import Store

        setup = self.setup
        settings = Settings(
            home=Path(setup.home),
            models=Path(setup.models),
            endpoint=setup.endpoint,
            mirrors=setup.mirrors,
            offline=setup.offline,
        )
        return Store(settings.models, origin=Origin.of(settings), offline=settings.offline)

    def _send(self, message: Any) -> None:
        with self._lock:
            self._write(message)


def _check(ask: Ask) -> PictureNotes:
    from PIL import Image

    from engine.images.check import check_picture
    from engine.images.reading import read_image

    if ask.file is None:
        picture = getattr(ask.request, "picture", None)
        image = read_image(Path(picture.path if isinstance(picture, File) else ""))
    else:
        path = Path(ask.file.file)
        data = path.read_bytes()
        path.unlink(missing_ok=True)
        shape = ask.file.array.shape
        if len(shape) == 3 and shape[2] == 4 and ask.file.array.dtype == "uint8":
            image = Image.frombuffer("RGBA", (shape[1], shape[0]), data, "raw", "RGBA", 0, 1)
        else:
            image = read_image(data)
    notes = tuple(PictureNote(code=r.code, sentence=r.sentence) for r in check_picture(image))
    return PictureNotes(width=image.width, height=image.height, notes=notes)


def _listed(store: "Store") -> ModelList:
    import shutil

    from engine.systems.catalogue import catalogue

    folder = store.folder
    existing = next(path for path in (folder, *folder.absolute().parents) if path.is_dir())
    rows = tuple(
        ModelRow(
            name=weight.name,
            purpose=weight.purpose,
            repository=weight.repository,
            bytes=weight.bytes,
            missing=sum(file.bytes for file in store.missing(weight)),
            files=tuple(file.name for file in weight.files),
            licence=weight.licence,
            commercial=weight.commercial,
            gated=weight.gated,
            groups=tuple(sorted(weight.groups)),
        )
        for weight in catalogue().values()
    )
    return ModelList(folder=str(folder), free=shutil.disk_usage(existing).free, rows=rows)


def _verify(store: "Store", weights: "list[Weight]", tell: Any) -> None:
    bad = [f for f in store.verify(weights, tell) if f.state in ("missing", "corrupt")]
    if bad:
        raise EngineError(
            "weights_corrupt",
            f"Not as published: {', '.join(f'{f.file.name} ({f.state})' for f in bad)}.",
            "Download them again.",
        )


def _chosen(names: Iterable[str]) -> "list[Weight]":
    from engine.systems.catalogue import choose

    return choose(list(names))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        sys.exit("The engine's helper is started by the engine.")
    main()
