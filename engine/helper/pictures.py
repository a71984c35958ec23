"""Looking at pictures before anything is spent on them: what may go wrong, and the object alone."""

import hashlib
import secrets
import threading
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from engine.images.check import check_picture
from engine.images.correction import corrected
from engine.images.matte import Matte, remove_background
from engine.images.preprocess import crop_to_foreground, shrink
from engine.images.reading import read_image
from engine.pipe.helping import Ask
from engine.pipe.messages import AttachedFile
from engine.systems.matte_network import matte_network
from engine.weights.store import Store
from protocol.layout import Array
from protocol.references import File
from protocol.replies import CutOutPicture, PictureNote, PictureNotes
from protocol.requests import CutOut


@dataclass(frozen=True)
class _Seen:
    """A picture that was asked about, and what came of it.

    Args:
        key: of its bytes.
        image: at most 1024 pixels a side.
        notes: on the picture as it came.
        removed: by the way in which the background was to be removed.
    """

    key: str
    image: Image.Image
    notes: PictureNotes
    removed: dict[str, Matte]


class Pictures:
    """Remembers the last picture, since users move sliders.

    Args:
        folder: where rows are put that go along with a reply.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._last: _Seen | None = None
        self._lock = threading.Lock()

    def check(self, ask: Ask) -> PictureNotes:
        """
        Raises:
            EngineError: what ``read_image`` raises.
        """
        with self._lock:
            return self._seen(ask).notes

    def cut_out(
        self, ask: Ask, request: CutOut, store: Store
    ) -> tuple[CutOutPicture, AttachedFile]:
        """What a job would see, corrected as asked, and the file of its rows.

        Raises:
            EngineError: what ``read_image``, ``remove_background``, ``corrected`` and
                ``crop_to_foreground`` raise; ``matte_weights_missing`` where the network would
                have to be downloaded first.
        """
        with self._lock:
            seen = self._seen(ask)
            if request.matte not in seen.removed:
                network = matte_network(store, allow_download=False)
                seen.removed[request.matte] = remove_background(
                    seen.image,
                    request.matte,
                    network=network,
                    size=(seen.notes.width, seen.notes.height),
                )
            matte = seen.removed[request.matte]
        image = corrected(matte.image, request.threshold, request.grow)
        crop_to_foreground(image)  # what a job would refuse is refused here
        reply = CutOutPicture(
            width=image.width,
            height=image.height,
            scale=max(image.size) / max(seen.notes.width, seen.notes.height),
            method=matte.method,
            note=matte.note,
            check=seen.notes,
        )
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / secrets.token_hex(8)
        path.write_bytes(image.tobytes())
        rows = Array(name="picture", dtype="uint8", shape=(image.height, image.width, 4))
        return reply, AttachedFile(file=str(path.absolute()), array=rows)

    def _seen(self, ask: Ask) -> _Seen:
        rows = None
        if ask.file is None:
            picture = getattr(ask.request, "picture", None)
            source = Path(picture.path if isinstance(picture, File) else "")
            status = source.stat() if source.is_file() else None
            key = f"{source} {status and (status.st_size, status.st_mtime_ns)}"
        else:
            path = Path(ask.file.file)
            source = path.read_bytes()
            path.unlink(missing_ok=True)
            shape = ask.file.array.shape
            if len(shape) == 3 and shape[2] == 4 and ask.file.array.dtype == "uint8":
                rows = shape[1], shape[0]
            key = f"{hashlib.sha256(source).hexdigest()} {shape}"
        if self._last is None or self._last.key != key:
            if rows is not None and isinstance(source, bytes):
                image = Image.frombytes("RGBA", rows, source)
            else:
                image = read_image(source)
            remarks = tuple(
                PictureNote(code=remark.code, sentence=remark.sentence)
                for remark in check_picture(image)
            )
            notes = PictureNotes(width=image.width, height=image.height, notes=remarks)
            self._last = _Seen(key, shrink(image), notes, {})
        return self._last
