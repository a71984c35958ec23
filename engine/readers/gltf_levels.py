"""Levels of detail and collision hulls beside a mesh, as the finish game writes them."""

import re
from collections.abc import Collection

from engine.readers.gltf_file import Json
from engine.readers.source import Source

_LEVEL = re.compile(r"(.+)_LOD(\d+)")
_HULL = re.compile(r"UCX_(.+?)(_\d+)?")


def without_levels(source: Source, document: Json) -> Json:
    """The document without the meshes that only stand in for another one.

    Left out are ``X_LOD1``, ``X_LOD2``, ... where there is an ``X_LOD0``, and the hulls ``UCX_X``
    and ``UCX_X_01`` where there is an ``X`` or ``X_LOD0``; a note says so.
    """
    nodes = document.get("nodes", [])
    names = {node.get("name") for node in nodes if "mesh" in node}
    left_out = [
        node["name"] for node in nodes if "mesh" in node and stands_in(node.get("name"), names)
    ]
    if not left_out:
        return document
    source.note(f"{', '.join(left_out)} left out; only the finest level of detail counts.")
    kept = [
        {key: value for key, value in node.items() if key != "mesh"}
        if node.get("name") in left_out
        else node
        for node in nodes
    ]
    return {**document, "nodes": kept}


def stands_in(name: object, names: Collection[object]) -> bool:
    """Whether a mesh of this name only stands in for another one of these names."""
    if not isinstance(name, str):
        return False
    level, hull = _LEVEL.fullmatch(name), _HULL.fullmatch(name)
    if level is not None and int(level[2]) > 0:
        return f"{level[1]}_LOD0" in names
    if hull is None:
        return False
    return any(n in names for n in (name[4:], f"{name[4:]}_LOD0", hull[1], f"{hull[1]}_LOD0"))
