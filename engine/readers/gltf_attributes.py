"""What a glTF primitive says of its vertices: from accessors or compressed by Draco, morphed."""

from typing import Any

import numpy as np

from engine.readers.gltf_file import GltfFile, Json, as_numbers
from engine.readers.source import Broken

DRACO = "KHR_draco_mesh_compression"


class Attributes:
    """The attributes of one primitive.

    Args:
        file: the document.
        given: names of attributes and their accessors.
        indices: (I,) unsigned integers; None: the vertices in their order.
        decoded: attributes that came out of compressed data, by name.

    Attributes:
        key: the same for primitives whose vertices are the same.
    """

    def __init__(
        self,
        file: GltfFile,
        given: Json,
        indices: np.ndarray | None,
        key: tuple,
        decoded: dict[str, np.ndarray] | None = None,
    ) -> None:
        self.indices = indices
        self.key = key
        self._file = file
        self._given = given
        self._decoded = decoded or {}

    def has(self, name: str) -> bool:
        return name in self._given

    def name_of(self, name: str) -> object:
        """What an attribute's values are known by: those of the same name are the same."""
        return self._given.get(name)

    def raw(self, name: str) -> np.ndarray | None:
        """(V, width) as stored; None without that attribute."""
        if name in self._decoded:
            return self._decoded[name]
        return self._file.raw(self._given[name]) if name in self._given else None

    def morphed(self, name: str, primitive: Json, weights: tuple[float, ...]) -> np.ndarray | None:
        """(V, width) numbers with the morph targets that have a weight added."""
        raw = self.raw(name)
        if raw is None:
            return None
        normalised = name.startswith("COLOR")
        accessor = self._file.entry("accessors", self._given[name])
        values = as_numbers(raw, normalised or bool(accessor.get("normalized", False)))
        for weight, target in zip(weights, primitive.get("targets", []), strict=False):
            if weight and name in target:
                change = self._file.values(target[name], fractions=normalised)
                width = min(values.shape[1], change.shape[1])
                if len(change) != len(values):
                    raise Broken("a morph target does not fit its vertices")
                values = values.astype(np.float64)
                values[:, :width] += float(weight) * change[:, :width]
        return values


def attributes_of(file: GltfFile, primitive: Json) -> Attributes | None:
    """The attributes of a primitive; None for one without positions, which shows nothing."""
    given: dict[str, Any] = primitive.get("attributes", {})
    if "POSITION" not in given:
        return None
    draco = primitive.get("extensions", {}).get(DRACO)
    if draco is not None:
        return _decoded(file, given, draco)
    indices = None
    if "indices" in primitive:
        indices = file.raw(primitive["indices"]).reshape(-1)
        if indices.dtype.kind != "u":
            raise Broken("its faces are not whole numbers")
    # Attributes of vertices that a part keeps; those of face corners may differ.
    names = ("POSITION", "COLOR_0", "_METALLIC_ROUGHNESS", "JOINTS_0", "WEIGHTS_0")
    targets = [tuple(sorted(target.items())) for target in primitive.get("targets", [])]
    return Attributes(file, given, indices, (*(given.get(n) for n in names), *targets))


def _decoded(file: GltfFile, given: Json, draco: Json) -> Attributes:
    import DracoPy  # few files need it, and it has 8 MB

    try:
        mesh = DracoPy.decode(bytes(file.view(draco["bufferView"])))
        faces = np.asarray(mesh.faces, np.uint32)
    except Broken:
        raise
    except Exception as error:  # the decoder raises what it likes
        raise Broken("its Draco data cannot be decoded") from error
    decoded: dict[str, np.ndarray] = {}
    for name, number in draco.get("attributes", {}).items():
        found = mesh.get_attribute_by_unique_id(number)
        if found is None:
            raise Broken(f"its Draco data lack the attribute {name[:40]}")
        values = np.asarray(found["data"])
        decoded[name] = values.reshape(len(values), -1)
    return Attributes(file, given, faces.reshape(-1), ("draco", id(mesh), id(draco)), decoded)
