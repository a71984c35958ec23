"""glTF 1.0 as a document of version 2.0, and the materials of its days: values for shaders."""

from typing import Any

import numpy as np

from engine.host.color import linear_from_srgb
from engine.readers.source import Source

Json = dict[str, Any]

BINARY_BUFFERS = ("binary_glTF", "KHR_binary_glTF")
TECHNIQUES = ("KHR_materials_common", "KHR_techniques_webgl", "KHR_technique_webgl")
"""Extensions by which a material is values for a shader, most of them of drafts of 2.0."""
_KINDS = ("accessors", "animations", "bufferViews", "buffers", "cameras", "images", "materials")
_KINDS += ("meshes", "nodes", "samplers", "scenes", "skins", "textures")
_REFERENCES = {"bufferView": "bufferViews", "buffer": "buffers", "source": "images"}
_REFERENCES |= {"sampler": "samplers", "indices": "accessors", "material": "materials"}
_ATTRIBUTES = {"COLOR": "COLOR_0", "TEXCOORD": "TEXCOORD_0"}
_BLEND = 3042
"""WebGL's state in which a technique mixes with what is behind."""


def as_version_2(source: Source, old: Json) -> Json:
    """What a glTF 1.0 document says of its scene, in the words of 2.0.

    Its lists are dictionaries by name, a stride belongs to an accessor, and a node may have several
    meshes. Skins are left out.
    """
    return _Upgrade(source, old).document


class _Upgrade:
    def __init__(self, source: Source, old: Json) -> None:
        self._numbers: dict[str, dict[Any, int]] = {}
        self.document: Json = {"asset": {"version": "2.0"}}
        named: dict[str, dict[Any, Json]] = {}
        for kind in _KINDS:
            entries = old.get(kind, {})
            # Some files say 1.0 and have the lists of 2.0.
            listed = enumerate(entries) if isinstance(entries, list) else entries.items()
            found: dict[Any, Json] = dict(listed)
            names = sorted(found, key=lambda name: name not in BINARY_BUFFERS)
            self._numbers[kind] = {name: k for k, name in enumerate(names)}
            named[kind] = {name: found[name] for name in names}
        for kind, entries in named.items():
            self.document[kind] = [self._entry(entry) for entry in entries.values()]
        for name, buffer in zip(named["buffers"], self.document["buffers"], strict=True):
            if name in BINARY_BUFFERS:
                buffer.pop("uri", None)
        self._strides()
        self._meshes()
        self._nodes()
        for scene in self.document["scenes"]:
            scene["nodes"] = self._all("nodes", scene.get("nodes", []))
        if "scene" in old:
            self.document["scene"] = self._number("scenes", old["scene"])
        if any("skin" in node for node in self.document["nodes"]):
            source.note("Skinned objects stand as they were bound to their bones.")
            for node in self.document["nodes"]:
                node.pop("skin", None)
        techniques = old.get("techniques", {})
        for material in self.document["materials"]:
            _describe(source, material, techniques, self._texture)

    def _entry(self, entry: Json) -> Json:
        """A copy with numbers instead of names; pictures may lie in a buffer."""
        entry = {**entry, **entry.get("extensions", {}).get("KHR_binary_glTF", {})}
        return self._numbered(entry)

    def _numbered(self, entry: Json) -> Json:
        return {
            key: self._number(_REFERENCES[key], value) if key in _REFERENCES else value
            for key, value in entry.items()
        }

    def _number(self, kind: str, name: Any) -> Any:
        """The place of an entry; a name that is not there stays, for the reader to complain."""
        if kind not in self._numbers:
            return name
        return self._numbers[kind].get(name, name)

    def _all(self, kind: str, names: list[Any]) -> list[Any]:
        return [self._number(kind, name) for name in names]

    def _texture(self, value: Any) -> Any:
        return self._number("textures", value)

    def _strides(self) -> None:
        """Strides go from accessors to bufferViews of their own."""
        views = self.document["bufferViews"]
        for accessor in self.document["accessors"]:
            accessor["bufferView"] = self._number("bufferViews", accessor.get("bufferView"))
            view = accessor["bufferView"]
            stride = accessor.pop("byteStride", 0)
            if stride and isinstance(view, int) and 0 <= view < len(views):
                accessor["bufferView"] = len(views)
                views.append({**views[view], "byteStride": stride})

    def _meshes(self) -> None:
        for mesh in self.document["meshes"]:
            mesh["primitives"] = [
                self._numbered(primitive)
                | {
                    "attributes": {
                        _ATTRIBUTES.get(name, name): self._number("accessors", accessor)
                        for name, accessor in primitive.get("attributes", {}).items()
                    }
                }
                for primitive in mesh.get("primitives", [])
            ]

    def _nodes(self) -> None:
        nodes = self.document["nodes"]
        for node in list(nodes):
            node["children"] = self._all("nodes", node.get("children", []))
            meshes = self._all("meshes", node.pop("meshes", []))
            if "mesh" in node:
                node["mesh"] = self._number("meshes", node["mesh"])
            elif len(meshes) == 1:
                node["mesh"] = meshes[0]
            else:
                for mesh in meshes:
                    node["children"].append(len(nodes))
                    nodes.append({"mesh": mesh})


def describe_techniques(source: Source, document: Json) -> None:
    """Materials of a glTF 2.0 document that are values for a shader get a description of 2.0."""
    extensions = document.get("extensions", {})
    techniques = document.get("techniques")
    techniques = techniques or extensions.get("KHR_techniques_webgl", {}).get("techniques", [])
    for material in document.get("materials", []):
        given = material.get("extensions", {})
        if "pbrMetallicRoughness" not in material and (
            "values" in material or any(name in given for name in TECHNIQUES)
        ):
            _describe(source, material, techniques, lambda texture: texture)


def _describe(source: Source, material: Json, techniques: Any, number: Any) -> None:
    """Add what 2.0 would say of a material to it."""
    extensions = material.get("extensions", {})
    given: Json = {"technique": material.get("technique"), "values": material.get("values", {})}
    for name in TECHNIQUES:
        given |= extensions.get(name, {})
    technique = given["technique"]
    if isinstance(techniques, list):
        techniques = dict(enumerate(techniques))
    states = techniques.get(technique, {}) if technique is not None else {}
    # Uniforms are often called u_diffuse and the like.
    values = {str(name).removeprefix("u_"): value for name, value in given["values"].items()}
    pbr: Json = {"metallicFactor": 0.0, "roughnessFactor": 1.0}
    diffuse = _factor_or_texture(values.get("diffuse", values.get("tex")), number)
    alpha = float(_first(values.get("transparency", 1.0)))
    if diffuse is None:
        name = material.get("name") or "without a name"
        source.note(f"The material {name} is drawn by a shader of its own; here it is plain.")
    elif isinstance(diffuse, dict):
        pbr |= {"baseColorTexture": diffuse, "baseColorFactor": [1.0, 1.0, 1.0, alpha]}
    else:
        pbr["baseColorFactor"] = [*_linear(diffuse), *diffuse[3:4], *([] if diffuse[3:] else [1.0])]
        pbr["baseColorFactor"][3] *= alpha
    material["pbrMetallicRoughness"] = pbr
    emission = _factor_or_texture(values.get("emission"), number)
    if isinstance(emission, dict):
        material |= {"emissiveTexture": emission, "emissiveFactor": [1.0, 1.0, 1.0]}
    elif emission is not None:
        material["emissiveFactor"] = _linear(emission)
    if given.get("transparent") or _BLEND in states.get("states", {}).get("enable", []):
        material["alphaMode"] = "BLEND"
    material.setdefault("doubleSided", bool(given.get("doubleSided", False)))


def _factor_or_texture(value: Any, number: Any) -> Json | list[float] | None:
    """A colour, or the info of a texture; None without."""
    if isinstance(value, dict):
        return value
    if isinstance(value, list) and len(value) > 1:
        return [float(each) for each in value]
    value = _first(value)
    return None if value is None else {"index": number(value)}


def _first(value: Any) -> Any:
    return value[0] if isinstance(value, list) and value else value


def _linear(color: list[float]) -> list[float]:
    """Shaders of those days wrote to the screen what they were given."""
    return linear_from_srgb(np.clip(color[:3], 0.0, 1.0)).tolist()
