"""Valid files made wrong: any bytes, words of text, values of JSON and XML, their containers."""

import copy
import io
import json
import random
import re
import struct
import zipfile
import zlib
from collections.abc import Callable
from typing import Any

Chance = random.Random
NUMBERS = (
    *(0, 1, -1, 2, 3, 4, 127, 128, 255, 256, 32767, 32768, 65535, 65536, 2**24, 2**28, 2**31 - 1),
    *(2**31, 2**32 - 1, 2**32, 2**53, 2**63 - 1, 2**63, 2**64, 10**30),
)
WORDS = (
    *("", "0", "-0", "-1", "1", "3", "255", "65536", "2147483648", "4294967295", "1e308", "-1e400"),
    *("9" * 40, "0." + "3" * 60, "nan", "inf", "1.#QNAN", "1e", "+", ".", "//", "1/2/3/4", "\\"),
    *("#", '"', "\0", "é", "\xff", "f", "v", "vt", "usemtl", "mtllib", "property", "element"),
    *("list", "uchar", "double", "end_header", "endloop", "vertex", "facet", "solid", "x" * 3000),
)
VALUES: tuple[Any, ...] = (
    *(*NUMBERS, 0.5, -0.5, 1e-300, 1e300, float("nan"), float("inf"), True, False, None, "", "x"),
    *("data:,", "data:;base64,AAAA", "../../../etc/hostname", "\0", [], {}, [0], [[0]], {"x": 0}),
    *([0, 0, 0], [1e30, 0, 0, 0], [None], "VEC3", "SCALAR", "MAT4", 5120, 5121, 5123, 5125, 5126),
)
KEYS = (
    *("byteStride", "byteOffset", "byteLength", "count", "sparse", "normalized", "mode", "matrix"),
    *("children", "mesh", "skin", "weights", "targets", "indices", "extensions", "bufferView"),
    *("material", "scale", "rotation", "translation", "uri", "texCoord", "sampler", "source"),
)


def of_bytes(data: bytes, chance: Chance) -> bytes:
    """A few bytes changed, put in, doubled or taken away."""
    out = bytearray(data)
    for _ in range(chance.choice((1, 1, 1, 2, 4, 16))):
        at = chance.randrange(len(out) + 1)
        length = min(chance.choice((1, 2, 4, 8, 64, 1024)), len(out) - at)
        match chance.randrange(8):
            case 0 | 1 if at < len(out):
                out[at] ^= 1 << chance.randrange(8)
            case 2 if at < len(out):
                out[at] = chance.choice((0, 1, 127, 128, 255, 10, 32, 34, 48))
            case 3:
                del out[at : at + length]
            case 4:
                out[at:at] = out[at : at + length]
            case 5:
                out[at:at] = chance.randbytes(length)
            case 6:
                pack = chance.choice(("<I", ">I", "<H", "<Q", "<f"))
                number = chance.choice(NUMBERS)
                size = struct.calcsize(pack)
                value = float(number % 2**31) if pack == "<f" else number % 2 ** (8 * size)
                out[at : at + size] = struct.pack(pack, value)
            case _:
                if chance.random() < 0.3:
                    del out[at:]
    return bytes(out)


def of_text(data: bytes, chance: Chance) -> bytes:
    """Words and lines changed, exchanged, doubled or taken away; all other bytes stay."""
    if chance.random() < 0.2:
        return of_bytes(data, chance)
    breaks = chance.choice((b"\n", b"\n", b"\n", b"\r\n", b"\r"))
    lines = data.split(b"\n")
    for _ in range(chance.choice((1, 1, 2, 3, 8))):
        at = chance.randrange(len(lines))
        match chance.randrange(6):
            case 0:
                lines[at:at] = [lines[at]] * chance.choice((1, 2, 50))
            case 1 if len(lines) > 1:
                del lines[at]
            case 2:
                other = chance.randrange(len(lines))
                lines[at], lines[other] = lines[other], lines[at]
            case _:
                words = re.split(rb"([ \t/]+)", lines[at])
                word = chance.choice(WORDS).encode(chance.choice(("utf-8", "latin-1")), "replace")
                words[chance.randrange(len(words))] = word
                lines[at] = b"".join(words)
    text = breaks.join(lines)
    if chance.random() < 0.02:
        return text.decode("latin-1").encode(chance.choice(("utf-16", "utf-8-sig", "utf-32")))
    return text


def of_json(document: Any, chance: Chance) -> Any:
    """A copy with some values, keys and entries changed."""
    document = copy.deepcopy(document)
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        places = list(_places(document))
        holder, key = chance.choice(places)
        match chance.randrange(8):
            case 0:
                del holder[key]
            case 1:
                other, name = chance.choice(places)
                if name in other if isinstance(other, dict) else name < len(other):
                    holder[key] = copy.deepcopy(other[name])
            case 2 if isinstance(holder, list):
                holder[key:key] = [copy.deepcopy(holder[key])] * chance.choice((1, 3, 200))
            case 3 if isinstance(holder, dict):
                holder[chance.choice(KEYS)] = copy.deepcopy(chance.choice(VALUES))
            case 4 if isinstance(holder[key], int | float) and not isinstance(holder[key], bool):
                holder[key] += chance.choice((-1, 1, 2, 4, -4, 1000))
            case _:
                holder[key] = copy.deepcopy(chance.choice(VALUES))
    return document


def _places(value: Any) -> Any:
    entries = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in entries:
        yield value, key
        if isinstance(inner, dict | list):
            yield from _places(inner)


def of_gltf(data: bytes, chance: Chance) -> bytes:
    """A .gltf: its values, or its text."""
    if chance.random() < 0.15:
        return of_text(data, chance)
    return json.dumps(of_json(json.loads(data), chance)).encode()


def of_glb(data: bytes, chance: Chance) -> bytes:
    """A .glb: its document or its binary chunk in a sound container, or the container."""
    if chance.random() < 0.15:
        return of_bytes(data, chance)
    size = int.from_bytes(data[12:16], "little")
    text, binary = data[20 : 20 + size], data[28 + size :]
    if chance.random() < 0.25:
        binary = of_bytes(binary, chance)
    else:
        text = json.dumps(of_json(json.loads(text), chance)).encode()
    text += b" " * (-len(text) % 4)
    binary += b"\0" * (-len(binary) % 4)
    chunks = struct.pack("<I4s", len(text), b"JSON") + text
    chunks += struct.pack("<I4s", len(binary), b"BIN\0") + binary
    return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks


def of_ply(data: bytes, chance: Chance) -> bytes:
    """A .ply: lines of its header, or what follows."""
    end = data.index(b"end_header\n")
    if b"format ascii" in data or chance.random() < 0.5:
        head, body = data[: end + 11], data[end + 11 :]
        head = head if chance.random() < 0.4 else of_text(head, chance)
        more = of_text if b"format ascii" in data else of_bytes
        return head + (more(body, chance) if chance.random() < 0.5 and body else body)
    return of_bytes(data, chance)


def of_stl(data: bytes, chance: Chance) -> bytes:
    """A binary .stl: its count of facets, or any bytes."""
    if chance.random() < 0.2:
        count = chance.choice(NUMBERS) % 2**32
        return data[:80] + struct.pack("<I", count) + of_bytes(data[84:], chance)
    return of_bytes(data, chance)


def of_zip(data: bytes, chance: Chance) -> bytes:
    """A .3mf: an entry in a sound archive, or the archive."""
    if chance.random() < 0.15:
        return of_bytes(data, chance)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    name = chance.choice([*entries, *[n for n in entries if n.endswith(".model")] * 6])
    match chance.randrange(12):
        case 0:
            del entries[name]
        case 1:
            entries[chance.choice(list(entries))] = entries[name]
        case 2:
            entries[name] = entries[name] + b" " * chance.choice((10, 100_000, 3_000_000))
        case _:
            change = of_xml if name.endswith((".model", ".rels")) else of_bytes
            entries[name] = change(entries[name], chance)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for entry, content in entries.items():
            archive.writestr(entry, content)
    return out.getvalue()


_ATTRIBUTE = re.compile(rb'(\w+)="([^"]*)"')
_ELEMENT = re.compile(rb"<[^>]*>")


def of_xml(data: bytes, chance: Chance) -> bytes:
    """Attributes and elements changed, doubled or taken away."""
    for _ in range(chance.choice((1, 1, 2, 4))):
        found = list((_ATTRIBUTE if chance.random() < 0.6 else _ELEMENT).finditer(data))
        if not found:
            return of_bytes(data, chance)
        match = chance.choice(found)
        piece = match.group()
        if piece.startswith(b"<"):
            piece = chance.choice((b"", piece * 2, chance.choice(found).group()))
        else:
            number = str(chance.choice(NUMBERS))
            value = chance.choice((number, chance.choice(WORDS), "1 0 0 0 1 0 0 0 1 0 0 0"))
            value = value.replace('"', "").replace("\0", "")
            piece = match[1] + b'="' + value.encode("utf-8", "replace") + b'"'
        data = data[: match.start()] + piece + data[match.end() :]
    return data


def of_png(data: bytes, chance: Chance) -> bytes:
    """A .png: the body of one chunk with a sound check, or any bytes; other pictures: any bytes."""
    if chance.random() < 0.3 or not data.startswith(b"\x89PNG"):
        return of_bytes(data, chance)
    chunks: list[tuple[bytes, bytes]] = []
    at = 8
    while at + 12 <= len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        chunks.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + size]))
        at += 12 + size
    k = chance.randrange(len(chunks))
    chunks[k] = (chunks[k][0], of_bytes(chunks[k][1], chance))
    return data[:8] + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in chunks
    )


Mutation = Callable[[bytes, Chance], bytes]
BY_SUFFIX: dict[str, Mutation] = {
    ".glb": of_glb,
    ".gltf": of_gltf,
    ".bin": of_bytes,
    ".obj": of_text,
    ".mtl": of_text,
    ".ply": of_ply,
    ".stl": of_stl,
    ".3mf": of_zip,
    ".png": of_png,
}
