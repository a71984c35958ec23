"""Small valid files of each format that use much of it, for the fuzz to change."""

import io
import tempfile
from collections.abc import Callable
from pathlib import Path

import DracoPy
import numpy as np
from PIL import Image

from tests.readers.made import SQUARE, SQUARE_FACES, Gltf, plain, quarters
from tests.readers.test_3mf import COLORS, model, square, write
from tests.readers.test_gltf_old import old_document, pair, save

Files = dict[str, bytes]
"""The file that is read first, then those beside it."""

_made: dict[str, list[Files]] = {}


def valid(kind: str) -> list[Files]:
    """The files that cases of a kind are made of."""
    if kind not in _made:
        _made[kind] = SOURCES[kind]()
    return _made[kind]


def _glb() -> list[Files]:
    return [{"a.glb": _saved(gltf, ".glb")} for gltf in (_painted(), _moved(), _odd(), _draco())]


def _gltf() -> list[Files]:
    made: list[Files] = []
    for gltf in (_painted(), _moved(), _odd()):
        made.append({"a.gltf": _saved(gltf, ".gltf", "a b.bin"), "a b.bin": gltf.binary})
    beside = Gltf()
    picture = beside.add("images", {"uri": "a%20b.png"})
    texture = beside.add("textures", {"source": picture})
    beside.painted({"pbrMetallicRoughness": {"baseColorTexture": {"index": texture}}})
    files = {"a.gltf": _saved(beside, ".gltf", "a.bin"), "a.bin": beside.binary}
    return [*made, {**files, "a b.png": quarters(16)}]


def _old_gltf() -> list[Files]:
    made: list[Files] = []
    with tempfile.TemporaryDirectory() as folder:
        for values in (
            {"diffuse": "textures 0"},
            {"diffuse": [1, 0.5, 0, 1], "emission": [1, 0, 0]},
        ):
            gltf = pair({})
            for name in ("a.glb", "a.gltf"):
                path = save(old_document(gltf, values), gltf.binary, Path(folder) / name)
                made.append({name: path.read_bytes()})
    return made


def _saved(gltf: Gltf, suffix: str, uri: str | None = None) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        return gltf.save(Path(folder) / f"a{suffix}", uri).read_bytes()


def _painted() -> Gltf:
    """Pictures, samplers, transforms, normals and colours."""
    gltf = Gltf("KHR_texture_transform")
    texture = gltf.texture(quarters(16), {"wrapS": 33071, "magFilter": 9728})
    other = gltf.texture(plain(10, 200, 30, 90))
    moved = {"KHR_texture_transform": {"offset": [0.5, 0], "rotation": 1, "scale": [2, 2]}}
    material = {
        "name": "paint",
        "pbrMetallicRoughness": {
            "baseColorFactor": [1, 0.5, 0.25, 1],
            "baseColorTexture": {"index": texture, "extensions": moved},
            "metallicRoughnessTexture": {"index": other},
        },
        "normalTexture": {"index": other, "scale": 0.5},
        "emissiveTexture": {"index": other},
        "emissiveFactor": [0.1, 0.2, 0.3],
        "alphaMode": "MASK",
        "alphaCutoff": 0.4,
    }
    normals = gltf.accessor(np.tile([0.0, 0, 1], (4, 1)))
    tangents = gltf.accessor(np.tile([1.0, 0, 0, 1], (4, 1)))
    colors = gltf.accessor(np.full((4, 3), 200), "u1", normalized=True)
    gltf.painted(material, NORMAL=normals, TANGENT=tangents, COLOR_0=colors)
    glossy = {"diffuseFactor": [1, 0, 0, 1], "specularGlossinessTexture": {"index": other}}
    gltf.painted({"extensions": {"KHR_materials_pbrSpecularGlossiness": glossy}})
    clear = {"transmissionFactor": 0.5, "transmissionTexture": {"index": other}}
    gltf.painted({"extensions": {"KHR_materials_transmission": clear}})
    return gltf


def _moved() -> Gltf:
    """Nodes in nodes, copies, a skin and a morph."""
    gltf = Gltf("EXT_mesh_gpu_instancing", "KHR_mesh_quantization")
    given = {"TRANSLATION": gltf.accessor(np.arange(9).reshape(3, 3))}
    copies = {"EXT_mesh_gpu_instancing": {"attributes": given}}
    gltf.show(gltf.square(), extensions=copies, scale=[2, 2, 2])
    primitive = gltf.square(
        JOINTS_0=gltf.accessor(np.zeros((4, 4)), "u1"),
        WEIGHTS_0=gltf.accessor(np.tile([255, 0, 0, 0], (4, 1)), "u1", normalized=True),
    )
    primitive["targets"] = [{"POSITION": gltf.accessor(np.ones((4, 3)))}]
    bone = gltf.show(translation=[0, 1, 0], rotation=[0, 0, 1, 0])
    matrices = gltf.accessor(np.eye(4).reshape(1, 16))
    skin = gltf.add("skins", {"joints": [bone], "inverseBindMatrices": matrices})
    gltf.show(primitive, skin=skin, weights=[0.5])
    small = gltf.mesh({"attributes": {"POSITION": gltf.accessor(SQUARE * 100, "i2")}, "mode": 6})
    inner = gltf.add("nodes", {"mesh": small, "matrix": np.eye(4).reshape(-1).tolist()})
    gltf.show(children=[inner])
    return gltf


def _odd() -> Gltf:
    """Strips, fans, points, sparse and empty accessors, levels of detail."""
    gltf = Gltf()
    corners = gltf.accessor(SQUARE[[0, 1, 3, 2]])
    for mode in (5, 6, 0, 1):
        gltf.show({"attributes": {"POSITION": corners}, "mode": mode})
    primitive = gltf.square()
    places = {"bufferView": gltf.view(b"\1\2"), "componentType": 5121}
    values = {"bufferView": gltf.view(np.ones((2, 3), "<f4").tobytes())}
    accessor = gltf.document["accessors"][primitive["attributes"]["POSITION"]]
    accessor["sparse"] = {"count": 2, "indices": places, "values": values}
    empty = gltf.add("accessors", {"componentType": 5126, "count": 4, "type": "VEC2"})
    primitive["attributes"]["TEXCOORD_0"] = empty
    gltf.show(primitive, name="a_LOD0")
    gltf.show(primitive, name="a_LOD1")
    return gltf


def _draco() -> Gltf:
    gltf = Gltf("KHR_draco_mesh_compression")
    data = DracoPy.encode(SQUARE, SQUARE_FACES.reshape(-1, 3), preserve_order=True)
    accessor = {"componentType": 5126, "count": 4, "type": "VEC3"}
    number = gltf.add("accessors", {"componentType": 5123, "count": 6, "type": "SCALAR"})
    packed = {"bufferView": gltf.view(data), "attributes": {"POSITION": 0}}
    gltf.show(
        {
            "attributes": {"POSITION": gltf.add("accessors", accessor)},
            "indices": number,
            "extensions": {"KHR_draco_mesh_compression": packed},
        }
    )
    return gltf


_OBJ = b"""# a comment
mtllib a.mtl
o thing
v 0 0 0 1 0 0
v 1 0 0 0 1 0
v 1 1 0
v 0.5 0.5 0
v 0 1 0
vt 0 0
vt 1 0
vt 1 1
vn 0 0 1
usemtl paint
f 1/1/1 2/2/1 3/3/1 4/1/1 5//1
usemtl other
s 1
f -5 -4 -3
f 1 2 \\
 3 4
l 1 2 3
p 1
"""
_MTL = b"""newmtl paint
Kd 0.5 0.4 0.3
Ns 200
d 0.5
map_Kd -s 2 2 1 -o 0.1 0 0 -clamp on a.png
map_d -imfchan m b c.png
norm a.png
map_Pr b c.png
newmtl other
Kd 1 0 0
Ke 0.1 0.1 0.1
Pm 0.5
Pr 0.2
"""


def _obj() -> list[Files]:
    pictures = {"a.png": quarters(8), "b c.png": plain(9, 80, 7, 60)}
    return [
        {"a.obj": _OBJ, "a.mtl": _MTL, **pictures},
        {"a.obj": b"v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n"},
    ]


_PLY_HEAD = """ply
format {} 1.0
comment TextureFile a.png
comment TextureFile b.png
element vertex 4
property {} x
property float y
property float z
property uchar red
property uchar green
property uchar blue
element face 2
property list uchar int vertex_indices
property list uchar float texcoord
property int texnumber
element edge 1
property int vertex1
property int vertex2
end_header
"""


def _ply(form: str) -> list[Files]:
    rows = ["0 0 0 255 0 0", "1 0 0 255 0 0", "1 1 0 9 9 9", "0 1 0 0 0 0"]
    rows += ["3 0 1 2 6 0 0 1 0 1 1 0", "4 0 1 2 3 8 0 0 1 0 1 1 0 1 1", "0 1"]
    pictures = {"a.png": quarters(8), "b.png": plain(9, 8, 7)}
    head = _PLY_HEAD.format(form, "double").encode()
    if form == "ascii":
        body = "\n".join(rows).encode() + b"\n"
        strips = b"element tristrips 1\nproperty list int int vertex_indices\nend_header\n"
        plain_head = _PLY_HEAD.split("element face")[0].format(form, "float").encode()
        more = plain_head + strips + "\n".join(rows[:4]).encode() + b"\n5 0 1 2 -1 3\n"
        return [{"a.ply": head + body, **pictures}, {"a.ply": more, **pictures}]
    order = "<" if "little" in form else ">"
    vertex = np.dtype([("x", f"{order}f8"), ("p", f"{order}f4", 2), ("c", "u1", 3)])
    corners = np.array([(x, (y, 0), (x * 255, y * 255, 9)) for x, y, _ in SQUARE], vertex)
    faces = b""
    for count in (3, 4):
        faces += bytes([count]) + np.arange(count, dtype=f"{order}i4").tobytes()
        faces += bytes([2 * count]) + np.zeros(2 * count, f"{order}f4").tobytes()
        faces += np.array([count % 2], f"{order}i4").tobytes()
    edge = np.array([0, 1], f"{order}i4").tobytes()
    return [{"a.ply": head + corners.tobytes() + faces + edge, **pictures}]


def _stl_text() -> list[Files]:
    loop = "facet normal 0 0 1\nouter loop\n{}endloop\nendfacet\n"
    sides = [SQUARE[SQUARE_FACES.reshape(-1, 3)[k]] for k in (0, 1)]
    facets = "".join(
        loop.format("".join(f"vertex {x} {y} {z}\n" for x, y, z in side)) for side in sides
    )
    return [{"a.stl": f"solid a b\n{facets}endsolid a b\n".encode()}]


def _stl_binary() -> list[Files]:
    facet = np.dtype([("n", "<f4", 3), ("c", "<f4", (3, 3)), ("a", "<u2")])
    rows = np.zeros(2, facet)
    rows["c"] = SQUARE[SQUARE_FACES.reshape(-1, 3)]
    count = (2).to_bytes(4, "little")
    coloured = rows.copy()
    coloured["a"] = 0x8000 | 31
    return [
        {"a.stl": bytes(80) + count + rows.tobytes()},
        {"a.stl": b"COLOR=\xff\x00\x00\xff".ljust(80, b"\0") + count + coloured.tobytes()},
    ]


def _threemf() -> list[Files]:
    parts = (
        '<object id="2"><components><component objectid="1"/><component objectid="1" '
        'transform="1 0 0 0 1 0 0 0 1 3 0 0"/></components></object>'
    )
    picture = '<m:texture2d id="5" path="/3D/a.png" contenttype="image/png" tilestyleu="clamp"/>'
    group = '<m:texture2dgroup id="6" texid="5"><m:tex2coord u="0" v="0"/></m:texture2dgroup>'
    textured = square(1, 'pid="6" p1="0"', 'pid="6" p1="0" p2="0" p3="0"')
    item = '<item objectid="{}" transform="2 0 0 0 2 0 0 0 2 0 1 0"/>'
    colored = COLORS + square(1, 'pid="7" p1="0"', 'pid="7" p1="1"') + parts
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        first = write(place, model(colored, item.format(2), 'unit="inch"')).read_bytes()
        second = model(picture + group + textured, item.format(1))
        made = [
            first,
            write(place, second, "3D/3dmodel.model", **{"3D__a_png": quarters(8)}).read_bytes(),
        ]
    return [{"a.3mf": data} for data in made]


def _pictures() -> list[Files]:
    """A mesh whose picture is what is changed."""
    mtl, obj = b"newmtl paint\nmap_Kd a.png\n", _OBJ
    made: list[Files] = []
    for mode, kind in (("RGB", "PNG"), ("P", "PNG"), ("I;16", "PNG"), ("CMYK", "JPEG")):
        file = io.BytesIO()
        Image.new(mode, (8, 8)).save(file, kind)
        made.append({"a.obj": obj, "a.mtl": mtl, "a.png": file.getvalue()})
    return made


SOURCES: dict[str, Callable[[], list[Files]]] = {
    "glb": _glb,
    "gltf": _gltf,
    "gltf old": _old_gltf,
    "obj": _obj,
    "ply text": lambda: _ply("ascii"),
    "ply binary": lambda: _ply("binary_little_endian") + _ply("binary_big_endian"),
    "stl text": _stl_text,
    "stl binary": _stl_binary,
    "3mf": _threemf,
    "pictures": _pictures,
}
