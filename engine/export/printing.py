"""Files for 3D printing, in millimetres: STL and 3MF (3D Manufacturing Format, core specification).

Both hold triangles alone. A unit is a metre, as everywhere; a shape that no printer would
take at that size is scaled to 100 mm, unless its size was asked for.
"""

import io
import zipfile

import numpy as np

from engine.mesh import Mesh
from engine.meshing.edges import face_normals

SMALLEST, LARGEST, USUAL = 5.0, 500.0, 100.0
"""Millimetres of the longest side; what is smaller or larger than the first two gets the last."""

_FACET = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])
_HEADER = b"Maquette, units are millimetres".ljust(80)
"""It may not begin with the word "solid", which says that the file is text."""

_TYPES = """<?xml version="1.0" encoding="UTF-8"?>
<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">
<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>
<Default Extension="model" ContentType="application/vnd.ms-package.3dmanufacturing-3dmodel+xml"/>
</Types>
"""
_RELATIONS = """<?xml version="1.0" encoding="UTF-8"?>
<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">
<Relationship Target="/3D/3dmodel.model" Id="model"
 Type="http://schemas.microsoft.com/3dmanufacturing/2013/01/3dmodel"/>
</Relationships>
"""


def millimetres(vertices: np.ndarray, *, keep_size: bool = False) -> np.ndarray:
    """(V, 3) float64 in millimetres, on the plate: centred above the origin, from z = 0 upwards.

    Args:
        vertices: (V, 3) in metres.
        keep_size: whether what no printer would take stays as large as it is.
    """
    low, high = (np.asarray(f(axis=0), np.float64) for f in (vertices.min, vertices.max))
    longest = 1000 * float((high - low).max())
    scale = 1000.0
    if not (keep_size or is_printable(longest)):
        scale = 1000 * USUAL / max(longest, 1e-30)
    foot = np.array([(low[0] + high[0]) / 2, (low[1] + high[1]) / 2, low[2]])
    return (np.asarray(vertices, np.float64) - foot) * scale


def is_printable(longest: float) -> bool:
    """Whether printers take a shape whose longest side is so many millimetres."""
    return SMALLEST <= longest <= LARGEST


def stl_bytes(mesh: Mesh, *, keep_size: bool = False) -> bytes:
    """A binary STL file; ``keep_size`` as in ``millimetres``."""
    points = millimetres(mesh.vertices, keep_size=keep_size)
    normals = face_normals(points, mesh.faces)
    facets = np.zeros(len(mesh.faces), _FACET)
    facets["normal"] = normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-30)
    facets["corners"] = points[mesh.faces]
    return _HEADER + len(facets).to_bytes(4, "little") + facets.tobytes()


def threemf_bytes(mesh: Mesh, *, keep_size: bool = False) -> bytes:
    """A 3MF file with one object; equal meshes give equal bytes. ``keep_size`` as above."""
    points = millimetres(mesh.vertices, keep_size=keep_size)
    text = io.StringIO()
    text.write(
        '<?xml version="1.0" encoding="UTF-8"?>\n<model unit="millimeter" xml:lang="en-US" '
        'xmlns="http://schemas.microsoft.com/3dmanufacturing/core/2015/02">\n<resources>\n'
        '<object id="1" type="model"><mesh>\n<vertices>\n'
    )
    np.savetxt(text, points, '<vertex x="%.7g" y="%.7g" z="%.7g"/>')
    text.write("</vertices>\n<triangles>\n")
    np.savetxt(text, mesh.faces, '<triangle v1="%d" v2="%d" v3="%d"/>')
    text.write(
        "</triangles>\n</mesh></object>\n</resources>\n"
        '<build><item objectid="1"/></build>\n</model>\n'
    )
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in (
            ("[Content_Types].xml", _TYPES),
            ("_rels/.rels", _RELATIONS),
            ("3D/3dmodel.model", text.getvalue()),
        ):
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), content,
                             zipfile.ZIP_DEFLATED, 6)  # fmt: skip
    return packed.getvalue()
