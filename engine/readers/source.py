"""One mesh file on its way to a mesh: its bytes, the files beside it, and what there is to say."""

import unicodedata
from collections.abc import Callable, Hashable, Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from engine.mesh import Filter, Texture, Wrap
from engine.readers.textures import decode_texture
from protocol.errors import EngineError

_PICTURE_FOLDERS = ("textures", "texture", "maps", "images")
"""Where pictures often lie beside a mesh that names them by a path of another computer."""
_ENCODINGS = ("gb18030", "shift_jis", "cp1252", "euc_kr", "big5", "cp1251")
"""In which names of files stand where they are not in UTF-8."""

_UNITS = {1.0: "metres", 0.01: "centimetres", 0.001: "millimetres", 0.0254: "inches"}
_UNITS |= {0.3048: "feet", 0.1: "decimetres", 1000.0: "kilometres"}


class Broken(ValueError):
    """What is wrong with a file, as a sentence without its full stop."""


_PLURALS = {
    "set of points": "sets of points",
    "set of lines": "sets of lines",
    "face of fewer than three corners": "faces of fewer than three corners",
    "part of a free-form surface": "parts of free-form surfaces",
}


class Source:
    """A file that is being read.

    Args:
        path: of the file.
        data: what is in it.
        require_textures: raise for a picture or material file that is missing, instead of a note.

    Attributes:
        notes: sentences on what could not be kept as the file has it, each once.
        left_out: how many there were of what makes no surface, by its name.
        unit: of length, as the file states it; None when it does not.
        requires_textures: as given.
    """

    def __init__(self, path: Path, data: bytes, *, require_textures: bool = False) -> None:
        self.path = path
        self.data = data
        self.notes: list[str] = []
        self.left_out: dict[str, int] = {}
        self.unit: str | None = None
        self.requires_textures = require_textures
        self._listed: dict[Path, dict[str, Path]] = {}
        self._textures: dict[Hashable, Texture | None] = {}

    @property
    def name(self) -> str:
        return self.path.name

    def note(self, sentence: str) -> None:
        if sentence not in self.notes:
            self.notes.append(sentence)

    def leave_out(self, what: str, count: int = 1) -> None:
        """Count what makes no surface, such as "line"."""
        if count:
            self.left_out[what] = self.left_out.get(what, 0) + count

    def listed(self) -> str:
        """What was left out, in words; empty when nothing was."""
        return ", ".join(
            f"{count:,} {what if count == 1 else _PLURALS.get(what, f'{what}s')}"
            for what, count in self.left_out.items()
        )

    def made_metres(self, unit: float) -> None:
        """Lengths have become metres, from units of so many metres."""
        name = next((n for size, n in _UNITS.items() if np.isclose(unit, size)), f"{unit:g} m")
        self.unit = "metres" if name == "metres" else f"metres (the file's are {name})"

    def allow(self, size: int) -> None:
        """So many bytes more belong to it, in other files or in copies: readers may have limits."""

    def lacks(self, error: EngineError) -> None:
        """A picture or a material file cannot be had: a note, or the error where all are required.

        Raises:
            EngineError: ``error``.
        """
        if self.requires_textures:
            raise error
        self.note(f"{error.message} A neutral value stands in its place.")

    def find(self, name: str) -> Path | None:
        """The file that is meant by a name in this one; None when there is none.

        A name may be that of another computer (``C:\\Users\\...\\red.png``): after the path itself,
        its last parts are looked for beside this file, and case does not matter.
        """
        folder = self.path.parent
        parts = [part for part in PurePosixPath(name.replace("\\", "/")).parts if part != "/"]
        if not parts:
            return None
        tried = [folder / name, *(folder.joinpath(*parts[k:]) for k in range(len(parts)))]
        # An .fbx has the pictures that it was packed with in a folder of its own name.
        places = (*_PICTURE_FOLDERS, f"{self.path.stem}.fbm")
        tried += [folder / place / parts[-1] for place in places]
        for path in tried:
            if _is_file(path):
                return path
        for path in tried:
            found = self._entries(path.parent).get(_plain(path.name))
            if found is not None and _is_file(found):
                return found
        return None

    def spelled(self, word: bytes) -> str:
        """The name of a file as this one has it, in the encoding in which there is such a file."""
        for encoding in ("utf-8", *_ENCODINGS):
            try:
                name = word.decode(encoding)
            except UnicodeDecodeError:
                continue
            if self.find(name) is not None:
                return name
        return name_of(word)

    def texture(
        self,
        name: str,
        *,
        alpha: bool,
        by_profile: bool = False,
        filter: Filter = "linear",
        wrap: Wrap | tuple[Wrap, Wrap],
    ) -> Texture | None:
        """The picture in a file that this one names; None where that is missing or broken.

        Args:
            name, alpha, by_profile, filter, wrap: as in ``decode_texture``.

        Raises:
            EngineError: ``texture_missing``, ``texture_broken``, where textures are required.
        """

        def read() -> Texture:
            return decode_texture(
                self.picture_file(name, [name]),
                name,
                alpha=alpha,
                by_profile=by_profile,
                filter=filter,
                wrap=wrap,
            )

        return self.once((name, alpha, by_profile, filter, wrap), read)

    def once(self, key: Hashable, read: Callable[[], Texture]) -> Texture | None:
        """A texture, read when it is first asked for; None where it cannot be had.

        Args:
            key: by which it is known again.
            read: raises ``EngineError`` where it is missing or broken.

        Raises:
            EngineError: as ``read``, where textures are required.
        """
        if key not in self._textures:
            try:
                self._textures[key] = read()
            except EngineError as error:
                self.lacks(error)
                self._textures[key] = None
        return self._textures[key]

    def picture_file(self, name: str, paths: Sequence[str]) -> bytes:
        """The bytes of a picture beside this file.

        Args:
            name: of the picture, for messages.
            paths: by which it may be meant, see ``find``; the first that is there counts.

        Raises:
            EngineError: ``texture_missing``.
        """
        path = next((found for given in paths if (found := self.find(given))), None)
        if path is None:
            raise texture_missing(name, self.name)
        try:
            data = path.read_bytes()
        except OSError as error:
            raise texture_missing(name, self.name) from error
        self.allow(len(data))
        return data

    def _entries(self, folder: Path) -> dict[str, Path]:
        if folder not in self._listed:
            try:
                self._listed[folder] = {_plain(path.name): path for path in folder.iterdir()}
            except (OSError, ValueError):
                self._listed[folder] = {}
        return self._listed[folder]


def texture_missing(name: str, asked_by: str) -> EngineError:
    """The error for a missing picture that a file names."""
    return EngineError(
        "texture_missing",
        f"The texture {name}, which {asked_by} asks for, was not found.",
        "Put the picture beside the mesh.",
    )


def too_many(source: Source, what: str) -> EngineError:
    """The error for more than can be meant, such as copies without end."""
    return EngineError(
        "mesh_too_large",
        f"{source.name} has more than {what}.",
        "Reduce it, or export fewer copies.",
    )


def text_as_utf8(data: bytes) -> bytes:
    """The bytes of a text file without a byte order mark; UTF-16 and UTF-32 become UTF-8."""
    if data.startswith(b"\xef\xbb\xbf"):
        return data[3:]
    marks = {b"\xff\xfe\0\0": "utf-32", b"\0\0\xfe\xff": "utf-32"}
    marks |= {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
    for mark, encoding in marks.items():
        if data.startswith(mark):
            return data.decode(encoding, "replace").encode()
    head = data[:64]
    for start, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
        # Text of our alphabet in UTF-16 has a zero in every other byte.
        if len(head) >= 8 and not any(head[start::2]) and all(head[1 - start :: 2]):
            return data.decode(encoding, "replace").encode()
    return data


def name_of(word: bytes) -> str:
    """A name in a text file of unknown encoding, the same for the same bytes."""
    try:
        return word.decode()
    except UnicodeDecodeError:
        return word.decode("latin-1")


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name that is too long, or has a zero byte
        return False


def _plain(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()
