"""The elements of a PLY file as arrays: text or bytes in either order, lists of any length."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from engine.kernels import kernel
from engine.readers.source import Broken
from engine.readers.text import count_words, fill_numbers


@dataclass(frozen=True)
class Element:
    """What the header says of an element.

    Args:
        properties: name, type, and the type of its count if it is a list; numpy's codes without
            the order of bytes.
    """

    name: str
    count: int
    properties: list[tuple[str, str, str | None]]


@dataclass(frozen=True)
class Ragged:
    """A property that is a list: (N,) int64 how long each is, and all values in a row."""

    counts: np.ndarray
    values: np.ndarray


def read_body(
    data: memoryview, elements: list[Element], order: str, note: Callable[[str], None]
) -> dict[str, dict[str, np.ndarray | Ragged]]:
    """Arrays by the names of elements and properties.

    Args:
        order: "<" or ">", empty for text.
        note: gets a sentence on values that the header does not state.

    Raises:
        Broken: the file ends too early, or a word is no number.
    """
    if order:
        return _body(np.frombuffer(data, np.uint8), elements, order)[0]
    body, fault = None, None
    try:
        body, rest = _body(_numbers(data), elements, "")
        if not rest:
            return body
    except Broken as error:
        fault = error
    # Rows may go over several lines; where they do not, what follows in a line is none of ours.
    cut = _cut_lines(bytes(data), elements)
    if cut is not None:
        note("It has more values than its header states; they are left out.")
        return _body(_numbers(memoryview(cut)), elements, "")[0]
    if body is None:
        raise fault or Broken("it is damaged")
    return body


def _numbers(data: memoryview) -> np.ndarray:
    """(N,) float64 of all words of a text."""
    text = np.frombuffer(data, np.uint8)
    cells = np.empty(count_words(text))
    fault = fill_numbers(text, cells)
    if fault >= 0:
        word = bytes(data[fault : fault + 30]).split()[0]
        raise Broken(f'"{word.decode("latin-1")}" stands where a number is expected')
    return cells


def _body(
    raw: np.ndarray, elements: list[Element], order: str
) -> tuple[dict[str, dict[str, np.ndarray | Ragged]], int]:
    """All elements, and how many numbers or bytes are behind them."""
    body: dict[str, dict[str, np.ndarray | Ragged]] = {}
    at = 0
    for element in elements:
        found, at = _element(raw, at, element, order, 0 if order else 1)
        body.setdefault(element.name, found)
    return body, len(raw) - at


def _cut_lines(data: bytes, elements: list[Element]) -> bytes | None:
    """A text with as many words of each line as the header states; None where a line has fewer."""
    lines = (line.split() for line in data.splitlines())
    rows = (words for words in lines if words)
    kept: list[bytes] = []
    for element in elements:
        for _ in range(element.count):
            words, size = next(rows, []), 0
            for _, _, count in element.properties:
                if count is not None and size < len(words):
                    if not words[size].isdigit() or len(words[size]) > 9:
                        return None
                    size += int(words[size])
                size += 1
            if size > len(words) or not words:
                return None
            kept += words[:size]
    return b" ".join(kept)


def _element(
    raw: np.ndarray, at: int, element: Element, order: str, unit: int
) -> tuple[dict[str, np.ndarray | Ragged], int]:
    """Its columns, and where the next element begins.

    Args:
        raw: numbers of a text, of which all properties take ``unit`` = 1, or bytes.
    """
    sizes = [unit or np.dtype(kind).itemsize for _, kind, _ in element.properties]
    heads = [
        0 if count is None else unit or np.dtype(count).itemsize
        for _, _, count in element.properties
    ]
    least = sum(head or size for head, size in zip(heads, sizes, strict=True))
    if element.count * max(least, 1) > len(raw) - at:
        raise _ends(element)
    regular = _regular(raw, at, element, order, heads, sizes)
    if regular is not None:
        return regular
    flags = np.array([_flags(count, order) for _, _, count in element.properties], np.int64)
    starts = np.empty((element.count, len(sizes)), np.int64)
    counts = np.ones((element.count, len(sizes)), np.int64)
    behind = _walk(raw, at, np.array(heads), np.array(sizes), flags, starts, counts)
    if behind < 0:
        raise _ends(element)
    columns: dict[str, np.ndarray | Ragged] = {}
    for k, (name, kind, count) in enumerate(element.properties):
        out = np.empty(int(counts[:, k].sum()) * sizes[k], raw.dtype)
        _gather(raw, starts[:, k], counts[:, k] * sizes[k], out)
        values = _typed(out, kind, order)
        columns[name] = values if count is None else Ragged(counts[:, k].copy(), values)
    return columns, behind


def _regular(
    raw: np.ndarray, at: int, element: Element, order: str, heads: list[int], sizes: list[int]
) -> tuple[dict[str, np.ndarray | Ragged], int] | None:
    """As ``_element``, quickly, where the lists of all rows are as long as those of the first."""
    fields: list[tuple[int, int]] = []
    row = 0
    for (_, _, count), head, size in zip(element.properties, heads, sizes, strict=True):
        length = 1
        if count is not None and element.count:
            cells = raw[at + row : at + row + head]
            length = _whole(_typed(cells, count, order)) if len(cells) == head else -1
            if length < 0:
                return None
        fields.append((row, length))
        row += head + length * size
    if element.count * row > len(raw) - at:
        return None
    columns: dict[str, np.ndarray | Ragged] = {}
    layout = zip(element.properties, fields, heads, strict=True)
    for (name, kind, count), (begin, length), head in layout:
        if count is not None:
            stated = _field(raw, at + begin, row, (element.count, 1), count, order)
            if not (stated == length).all():
                return None
        values = _field(raw, at + begin + head, row, (element.count, length), kind, order)
        columns[name] = values if count is None else Ragged(np.full(element.count, length), values)
    return columns, at + element.count * row


def _field(
    raw: np.ndarray, at: int, row: int, shape: tuple[int, int], kind: str, order: str
) -> np.ndarray:
    """Values of a type, so many in each of so many rows, that begin at ``at`` in the first row."""
    if not shape[0]:
        return np.empty(0, kind)
    # Cells are copied whole: byte by byte it takes far longer.
    cell = np.dtype(order + kind) if order else raw.dtype
    strides = (row * raw.itemsize, cell.itemsize)
    cells = np.ndarray(shape, cell, raw, at * raw.itemsize, strides)
    return _typed(cells.reshape(-1), kind, order)


def _typed(cells: np.ndarray, kind: str, order: str) -> np.ndarray:
    """Values of a type from its bytes, or from numbers of a text."""
    if order:
        return cells.view(order + kind).astype(kind, copy=False)
    if kind[0] == "f":
        return cells
    limits = np.iinfo(kind)
    whole = np.clip(cells, float(limits.min), float(limits.max))
    return whole.astype(kind)


def _whole(values: np.ndarray) -> int:
    return int(values[0])


def _flags(count: str | None, order: str) -> int:
    """How a count is read: 0 no list, 1 a number of a text; of bytes: 2 in order, 3 reversed; and
    8 for a type with a sign."""
    if count is None:
        return 0
    if not order:
        return 1
    return (2 if order == "<" else 3) + (8 if count[0] == "i" else 0)


def _ends(element: Element) -> Broken:
    return Broken(f"it ends within its {element.count:,} {element.name} elements")


@kernel
def _walk(raw, at, heads, sizes, flags, starts, counts):
    """Where the values of each property of each row begin, and how many there are.

    Returns:
        The place behind the last row; -1 where the file ends before.
    """
    end = len(raw)
    for row in range(starts.shape[0]):
        for k in range(starts.shape[1]):
            length = 1
            if flags[k] > 0:
                if at + heads[k] > end:
                    return -1
                if flags[k] == 1:
                    if not 0 <= raw[at] <= end:
                        return -1
                    length = int(raw[at])
                else:
                    length = 0
                    for byte in range(heads[k]):
                        place = byte if flags[k] & 1 == 0 else heads[k] - 1 - byte
                        length |= int(raw[at + place]) << (8 * byte)
                    if flags[k] & 8 and heads[k] < 8 and length >> (8 * heads[k] - 1):
                        return -1
                at += heads[k]
            if length < 0 or length > end or at + length * sizes[k] > end:
                return -1
            starts[row, k], counts[row, k] = at, length
            at += length * sizes[k]
    return at


@kernel
def _gather(raw, starts, lengths, out):
    """Copy pieces of an array one after the other."""
    place = 0
    for row in range(len(starts)):
        for k in range(lengths[row]):
            out[place + k] = raw[starts[row] + k]
        place += lengths[row]
