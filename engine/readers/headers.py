"""Mesh files by their first bytes, without numpy: what can be refused before they are read."""

import zipfile
from pathlib import Path

from engine.readers.libraries import check_library
from protocol.errors import EngineError

SUFFIXES = (".glb", ".gltf", ".obj", ".ply", ".stl", ".3mf", ".fbx")
SUFFIXES += (".usd", ".usda", ".usdc", ".usdz")
_FOREIGN = (
    (b"\x89PNG", "a PNG picture", (".gltf",)),
    (b"\xff\xd8\xff", "a JPEG picture", (".gltf",)),
    (b"BLENDER", "a Blender file", ()),
    (b"glTF", "binary glTF, whose suffix is .glb", (".glb", ".gltf")),
    (b"Kaydara FBX", "an FBX file", (".fbx",)),
    (b"PXR-USDC", "a USD file", (".usd", ".usdc", ".usda")),
)
"""First bytes, what they are of, and the suffixes whose reader takes them or says itself what is
wrong with them: text that is no JSON."""
_GLB_HEADER = 20
_STL_HEADER = 84


def check_header(path: Path) -> None:
    """Refuse what cannot be a mesh; a file that passes may still be damaged further on.

    Raises:
        EngineError: ``mesh_format``, ``mesh_broken``, ``mesh_absent``, ``reader_missing``.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise mesh_format(path)
    check_library(path)
    try:
        with path.open("rb") as file:
            head = file.read(4096)
        why = _what_is_wrong(suffix, head, path) if head else "it is empty"
    except OSError as error:
        raise EngineError(
            "mesh_absent",
            f"Cannot read {path}: {error.strerror or error}.",
            "Check the path and that you may read the file.",
        ) from error
    if why:
        raise EngineError(
            "mesh_broken",
            f"{path.name} cannot be read as {suffix[1:]}: {why}.",
            "Export or download it again.",
        )


def foreign_kind(suffix: str, head: bytes) -> str:
    """What a file is that its suffix (lower case) does not say: "it is a PNG picture"; or empty."""
    for magic, kind, own in _FOREIGN:
        if head.startswith(magic) and suffix not in own:
            return f"it is {kind}"
    return ""


def mesh_format(path: Path) -> EngineError:
    """The error for a suffix of no format that can be read."""
    return EngineError(
        "mesh_format",
        f"{path.name} does not have the suffix of a mesh format that can be read.",
        f"Use one of {', '.join(SUFFIXES)}; from Blender: File > Export > glTF 2.0.",
    )


def _what_is_wrong(suffix: str, head: bytes, path: Path) -> str:
    """Empty: nothing that could be seen."""
    size = path.stat().st_size
    if foreign := foreign_kind(suffix, head):
        return foreign
    if suffix in (".glb", ".gltf") and head[:4] == b"glTF":
        stated = int.from_bytes(head[8:12], "little")
        if size < _GLB_HEADER:
            return "it ends within its header"
        return f"it ends after {size:,} of {stated:,} bytes" if stated > size else ""
    if suffix in (".glb", ".gltf"):  # JSON, in UTF-8 or wider letters
        return "" if b"{" in head else "it is no glTF"
    if suffix == ".ply":
        return "" if b"ply" in head.replace(b"\0", b"") else "it does not begin with ply"
    if suffix == ".stl":
        text = b"solid" in head.lower() or b"vertex" in head.lower()
        return "" if text or size >= _STL_HEADER else "it ends before its first triangle"
    if suffix == ".fbx":
        return "" if b"FBX" in head else "it is no FBX"
    if suffix in (".usd", ".usda", ".usdc"):
        known = head.startswith((b"PXR-USDC", b"#usda", b"\xef\xbb\xbf#usda", b"PK"))
        return "" if known else "it is no USD"
    if suffix in (".3mf", ".usdz"):
        return "" if zipfile.is_zipfile(path) else "it is no whole archive"
    return ""
