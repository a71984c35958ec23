"""FBX as text, for tests: pieces of a document and the file that they make."""

from pathlib import Path
from typing import Any

HEAD = """; FBX 7.4.0 project file
FBXHeaderExtension:  {
	FBXHeaderVersion: 1003
	FBXVersion: 7400
	Creator: "FBX SDK/FBX Plugins version 2020.0"
}
"""
SQUARE = [0, 0, 0, 1, 0, 0, 1, 1, 0, 0, 1, 0]
GEOMETRY, MODEL = 100, 200


def numbers(values: Any) -> str:
    values = list(values)
    return f"*{len(values)} {{ a: {','.join(str(v) for v in values)} }}"


def settings(up: int = 2, front: int = 1, unit: float = 100.0, front_sign: int = -1) -> str:
    """Metres, Z up, x right: as ours are."""
    values = {"UpAxis": up, "UpAxisSign": 1, "FrontAxis": front, "FrontAxisSign": front_sign}
    values |= {"CoordAxis": 0, "CoordAxisSign": 1}
    lines = [f'P: "{key}", "int", "Integer", "",{value}' for key, value in values.items()]
    lines.append(f'P: "UnitScaleFactor", "double", "Number", "",{unit}')
    return "GlobalSettings:  {\nProperties70:  {\n" + "\n".join(lines) + "\n}\n}\n"


def geometry(
    vertices: Any = SQUARE, polygons: Any = (0, 1, 2, -4), more: str = "", number: int = GEOMETRY
) -> str:
    return f"""Geometry: {number}, "Geometry::g{number}", "Mesh" {{
Vertices: {numbers(vertices)}
PolygonVertexIndex: {numbers(polygons)}
{more}
}}
"""


def model(number: int = MODEL, kind: str = "Mesh", name: str = "", **properties: Any) -> str:
    types = {"Lcl_Translation": "Lcl Translation", "Lcl_Rotation": "Lcl Rotation"}
    types |= {"Lcl_Scaling": "Lcl Scaling"}
    lines = []
    for key, value in properties.items():
        word = types.get(key, key)
        if isinstance(value, tuple):
            lines.append(f'P: "{word}", "{word}", "", "A",{",".join(map(str, value))}')
        else:
            lines.append(f'P: "{word}", "{word}", "", "A",{value}')
    body = "\n".join(lines)
    return f"""Model: {number}, "Model::{name or f"m{number}"}", "{kind}" {{
Properties70:  {{
{body}
}}
}}
"""


def fbx(
    folder: Path, *objects: str, links: Any = ((GEOMETRY, MODEL), (MODEL, 0)), **options: Any
) -> Path:
    """A file; a link of three has the property in its third place."""
    lines = []
    for link in links:
        kind, word = ("OP", f', "{link[2]}"') if len(link) == 3 else ("OO", "")
        lines.append(f'C: "{kind}",{link[0]},{link[1]}{word}')
    text = HEAD + settings(**options) + "Objects:  {\n" + "".join(objects) + "}\n"
    path = folder / "a.fbx"
    path.write_text(text + "Connections:  {\n" + "\n".join(lines) + "\n}\n")
    return path


UV = """LayerElementUV: {} {{
Name: "{}"
MappingInformationType: "{}"
ReferenceInformationType: "{}"
UV: {}
{}
}}
"""
UVS = [0, 0, 1, 0, 1, 1, 0, 1]


def uv_layer(index: int = 0, name: str = "UVMap", values: Any = UVS, indices: Any = None) -> str:
    more = "" if indices is None else f"UVIndex: {numbers(indices)}"
    reference = "Direct" if indices is None else "IndexToDirect"
    layer = UV.format(index, name, "ByPolygonVertex", reference, numbers(values), more)
    return layer + (
        f"Layer: {index} {{\nLayerElement:  {{\n"
        f'Type: "LayerElementUV"\nTypedIndex: {index}\n}}\nMATERIALS\n}}\n'
    ).replace("MATERIALS", "" if index else MATERIAL_LAYER)


MATERIAL_LAYER = 'LayerElement:  {\nType: "LayerElementMaterial"\nTypedIndex: 0\n}'
BY_POLYGON = """LayerElementMaterial: 0 {{
MappingInformationType: "ByPolygon"
ReferenceInformationType: "IndexToDirect"
Materials: {}
}}
"""


def material(number: int = 400, shading: str = "phong", **properties: Any) -> str:
    lines = []
    for key, value in properties.items():
        values = value if isinstance(value, tuple) else (value,)
        kind = '"Color", ""' if isinstance(value, tuple) else '"Number", ""'
        lines.append(f'P: "{key}", {kind}, "A",{",".join(map(str, values))}')
    return (
        f'Material: {number}, "Material::mat{number}", "" {{\nShadingModel: "{shading}"\n'
        "Properties70:  {\n" + "\n".join(lines) + "\n}\n}\n"
    )


def texture(
    number: int = 500, name: str = "q.png", uv_set: str = "", more: str = "", relative: str = ""
) -> str:
    uvs = f'P: "UVSet", "KString", "", "", "{uv_set}"' if uv_set else ""
    return f"""Texture: {number}, "Texture::t{number}", "" {{
Type: "TextureVideoClip"
FileName: "{name}"
RelativeFilename: "{relative or name}"
Properties70:  {{
{uvs}
{more}
}}
}}
"""


PAINTED = ((GEOMETRY, MODEL), (MODEL, 0), (400, MODEL), (500, 400, "DiffuseColor"))
