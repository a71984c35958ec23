"""3MF: the objects that a print job builds, with their colours and textures."""

import io
import posixpath
import zipfile
from typing import Any
from xml.etree import ElementTree

import numpy as np

from engine.mesh import Material, Texture
from engine.meshing.parts import Part
from engine.readers.polygons import check_corners
from engine.readers.source import Broken, Source
from engine.readers.textures import decode_texture
from protocol.errors import EngineError

_MODEL = "3D/3dmodel.model"
_MOST_BYTES, _MOST_TIMES = 64_000_000, 100
"""Of all entries of the archive, unpacked: beyond both, and so many times its size, it is no model
but an attack."""
_DEEPEST, _MOST_PLACED, _MOST_COPIED = 32, 20_000, 8_000_000
"""Objects within objects; all that are placed; their triangles beyond one for each byte."""
_KNOWN = {
    "http://schemas.microsoft.com/3dmanufacturing/core/2015/02",
    "http://schemas.microsoft.com/3dmanufacturing/material/2015/02",
    "http://schemas.microsoft.com/3dmanufacturing/production/2015/06",
    "http://schemas.microsoft.com/3dmanufacturing/slice/2015/07",
}
"""What a file may ask for: slices go along with meshes, which are enough."""
_UNITS = {
    "micron": "microns",
    "millimeter": "millimetres",
    "centimeter": "centimetres",
    "meter": "metres",
    "inch": "inches",
    "foot": "feet",
}

Node = ElementTree.Element


def read_3mf(source: Source) -> tuple[list[Part], list[Material]]:
    """A part for each mesh that is built, placed as its item says."""
    try:
        archive = zipfile.ZipFile(io.BytesIO(source.data))
    except zipfile.BadZipFile as error:
        raise Broken("it is no whole archive") from error
    unpacked = sum(entry.file_size for entry in archive.infolist())
    if unpacked > _MOST_BYTES + _MOST_TIMES * len(source.data):
        raise _too_large(source, f"unpacks to {unpacked / 1e6:,.0f} MB, out of proportion")
    package = _Package(source, archive, unpacked)
    main = package.model(_main_model(archive))
    source.unit = _UNITS.get(main.get("unit", "millimeter"))
    items = main.findall("{*}build/{*}item")
    if not items:
        # A file that builds nothing is a library; all of its meshes are shown.
        source.note("It builds nothing; all of its objects were read.")
        items = [
            node for node in main.findall("{*}resources/{*}object") if _mesh_of(node) is not None
        ]
        for item in items:
            item.set("objectid", item.get("id", ""))
    for item in items:
        package.place(_path(item, package.main), item.get("objectid", ""), _transform(item), 0)
    return package.parts, package.materials


class _Package:
    """The models of an archive, and the parts made of them so far."""

    def __init__(self, source: Source, archive: zipfile.ZipFile, unpacked: int) -> None:
        self.parts: list[Part] = []
        self.materials: list[Material] = []
        self.main = _main_model(archive)
        self._source = source
        self._archive = archive
        self._models: dict[str, Node] = {}
        self._resources: dict[str, dict[str, Node]] = {}
        self._meshes: dict[tuple[str, str], Part] = {}
        self._textures: dict[tuple[str, str], int] = {}
        self._plain: int | None = None
        self._placed = 0
        self._faces = -unpacked

    def model(self, path: str) -> Node:
        if path not in self._models:
            try:
                root = ElementTree.fromstring(self._archive.read(path))
            except KeyError as error:
                raise Broken(f"it has no {path[:80]}") from error
            except (ElementTree.ParseError, zipfile.BadZipFile, OSError) as error:
                raise Broken(f"its {path[:80]} is damaged") from error
            self._refuse_unknown(root, path)
            self._models[path] = root
            self._resources[path] = {
                node.get("id", ""): node for node in root.findall("{*}resources/{*}*")
            }
        return self._models[path]

    def _refuse_unknown(self, root: Node, path: str) -> None:
        wanted = root.get("requiredextensions", "").split()
        if not wanted:
            return
        spaces: dict[str, str] = {}
        events = ElementTree.iterparse(io.BytesIO(self._archive.read(path)), events=["start-ns"])
        for _, pair in events:
            spaces[str(pair[0])] = str(pair[1])
        for prefix in wanted:
            name = spaces.get(prefix, prefix)
            if name not in _KNOWN:
                raise EngineError(
                    "mesh_unsupported",
                    f"{self._source.name} needs the extension {name}, which is not known.",
                    "Export it again without it.",
                )

    def place(self, path: str, number: str, placed: np.ndarray, depth: int) -> None:
        """Add the meshes of an object under a (4, 3) transform of row vectors."""
        if depth > _DEEPEST:
            raise Broken("its objects are made of each other without an end")
        self._placed += 1
        if self._placed > _MOST_PLACED:
            raise _too_large(self._source, f"places more than {_MOST_PLACED:,} objects")
        self.model(path)
        node = self._resources[path].get(number)
        if node is None:
            raise Broken(f"it builds an object with the number {number[:20]}, which it lacks")
        if node.get("type", "model") == "support":
            self._source.leave_out("support")
            return
        for part in node.findall("{*}components/{*}component"):
            local = _homogeneous(_transform(part)) @ _homogeneous(placed)
            self.place(_path(part, path), part.get("objectid", ""), local[:, :3], depth + 1)
        if (mesh := _mesh_of(node)) is not None:
            key = (path, number)
            if key not in self._meshes:
                self._meshes[key] = self._mesh(path, node, mesh)
            part = self._meshes[key]
            faces = part.faces
            self._faces += max(len(faces), len(part.vertices))
            if self._faces > _MOST_COPIED:
                raise _too_large(
                    self._source, f"has more than {_MOST_COPIED:,} triangles in copies"
                )
            if np.linalg.det(placed[:3]) < 0:
                faces = faces[:, ::-1]
            uvs = part.uvs
            if uvs is not None and faces is not part.faces:
                uvs = uvs[:, ::-1]
            moved = part.vertices @ placed[:3] + placed[3]
            self.parts.append(Part(moved, faces, uvs, part.colors, material=part.material))

    def _mesh(self, path: str, node: Node, mesh: Node) -> Part:
        vertices = _numbers(mesh.findall("{*}vertices/{*}vertex"), ("x", "y", "z"))
        triangles = mesh.findall("{*}triangles/{*}triangle")
        faces = _numbers(triangles, ("v1", "v2", "v3")).astype(np.int64)
        check_corners(faces.reshape(-1), len(vertices))
        groups = [t.get("pid", node.get("pid", "")) for t in triangles]
        if not any(groups):
            return Part(vertices, faces, material=self._default())
        first = node.get("pindex", "0") if node.get("pid") else "0"
        places = np.array(
            [[int(t.get(k) or t.get("p1") or first) for k in ("p1", "p2", "p3")] for t in triangles]
        )
        colors = np.ones((len(faces), 3, 4))
        uvs = np.zeros((len(faces), 3, 2))
        material = np.full(len(faces), self._default())
        named = np.array(groups)
        has_uvs = False
        for group in {name for name in groups if name}:
            chosen = named == group
            resource = self._resources[path].get(group)
            if resource is None:
                raise Broken(f"its faces have the property {group[:20]}, which it lacks")
            values = self._values(resource)
            if values is None:
                self._source.note(f"Properties of the kind {_kind(resource)} are left out.")
                continue
            check_corners(places[chosen].reshape(-1), len(values))
            if values.shape[1] == 2:
                uvs[chosen] = values[places[chosen]]
                material[chosen] = self._texture(path, resource.get("texid", ""))
                has_uvs = True
            else:
                colors[chosen] = values[places[chosen]]
        if (colors == 1).all():
            return Part(vertices, faces, uvs if has_uvs else None, material=material)
        corners = np.arange(faces.size).reshape(-1, 3)
        return Part(
            vertices[faces].reshape(-1, 3),
            corners,
            uvs if has_uvs else None,
            colors.reshape(-1, 4),
            material=material,
        )

    def _default(self) -> int:
        if self._plain is None:
            self._plain = len(self.materials)
            self.materials.append(Material(self._source.path.stem))
        return self._plain

    def _values(self, resource: Node) -> np.ndarray | None:
        """(N, 4) colours or (N, 2) UVs of a group of properties; None for other kinds."""
        kind = _kind(resource)
        if kind == "texture2dgroup":
            return _numbers(list(resource), ("u", "v"))
        if kind not in ("basematerials", "colorgroup"):
            return None
        key = "displaycolor" if kind == "basematerials" else "color"
        return np.array([_color(node.get(key, "#FFFFFF")) for node in resource]).reshape(-1, 4)

    def _texture(self, path: str, number: str) -> int:
        key = (path, number)
        if key not in self._textures:
            node = self._resources[path].get(number)
            name = "" if node is None else node.get("path", "")
            self._textures[key] = len(self.materials)
            self.materials.append(Material(name, base_color_texture=self._picture(name, node)))
        return self._textures[key]

    def _picture(self, name: str, node: Node | None) -> Texture | None:
        wraps: dict[str, Any] = {"wrap": "repeat", "mirror": "mirror", "clamp": "clamp"}
        styles = (
            ("wrap", "wrap")
            if node is None
            else (
                node.get("tilestyleu", "wrap"),
                node.get("tilestylev", "wrap"),
            )
        )
        try:
            data = self._archive.read(name.lstrip("/"))
            wrap = (wraps.get(styles[0], "clamp"), wraps.get(styles[1], "clamp"))
            return decode_texture(data, name, alpha=True, by_profile=True, wrap=wrap)
        except KeyError:
            self._source.lacks(
                EngineError(
                    "texture_missing",
                    f"The texture {name}, which {self._source.name} asks for, is not in it.",
                    "Export it again with its textures.",
                )
            )
        except EngineError as error:
            self._source.lacks(error)
        return None


def _too_large(source: Source, what: str) -> EngineError:
    return EngineError(
        "mesh_too_large", f"{source.name} {what}.", "Reduce the mesh and export it again."
    )


def _main_model(archive: zipfile.ZipFile) -> str:
    names = archive.namelist()
    try:
        root = ElementTree.fromstring(archive.read("_rels/.rels"))
    except (KeyError, ElementTree.ParseError):
        root = None
    for relation in [] if root is None else root:
        if relation.get("Type", "").endswith("/3dmodel"):
            return relation.get("Target", "").lstrip("/")
    found = _MODEL if _MODEL in names else next((n for n in names if n.endswith(".model")), None)
    if found is None:
        raise Broken("there is no model in it")
    return found


def _mesh_of(node: Node) -> Node | None:
    return node.find("{*}mesh")


def _kind(node: Node) -> str:
    return node.tag.rpartition("}")[2]


def _path(node: Node, path: str) -> str:
    """The model in which the object that a node names lies."""
    for key, value in node.attrib.items():
        if key.rpartition("}")[2] == "path":
            return posixpath.normpath(value).lstrip("/")
    return path


def _transform(node: Node) -> np.ndarray:
    """(4, 3), for row vectors."""
    words = node.get("transform", "1 0 0 0 1 0 0 0 1 0 0 0").split()
    if len(words) != 12:
        raise Broken("a transform does not have twelve numbers")
    return np.array([float(word) for word in words]).reshape(4, 3)


def _homogeneous(transform: np.ndarray) -> np.ndarray:
    return np.concatenate([transform, [[0.0], [0.0], [0.0], [1.0]]], axis=1)


def _numbers(nodes: list[Node], keys: tuple[str, ...]) -> np.ndarray:
    """(N, len(keys)) float64 attributes of nodes."""
    try:
        values = [float(node.attrib[key]) for node in nodes for key in keys]
    except (KeyError, ValueError) as error:
        raise Broken("some of its vertices or triangles lack their numbers") from error
    return np.array(values).reshape(-1, len(keys))


def _color(text: str) -> list[float]:
    digits = text.strip().lstrip("#")
    if len(digits) not in (6, 8):
        raise Broken(f"it has the colour {text[:20]}")
    try:
        values = bytes.fromhex(digits)
    except ValueError as error:
        raise Broken(f"it has the colour {text[:20]}") from error
    return [*(value / 255 for value in values), *([1.0] if len(values) == 3 else [])]
