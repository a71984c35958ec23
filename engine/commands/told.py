"""What is said of a result: two lines for everybody, figures for who asks."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from engine.commands.console import binary_size, seconds_line
from engine.host.command import command
from protocol.finishes import PRINT_SUFFIXES, FinishChoice

if TYPE_CHECKING:
    from engine.assets.asset import Asset
    from engine.finishing.finish import Finished
    from engine.mesh import Mesh
    from engine.report import Report
    from engine.residency.models import Models
    from engine.session import Delivered

_IMPORTERS = {".glb": "glTF 2.0", ".obj": "Wavefront (.obj)", ".ply": "Stanford PLY"}
"""What Blender's menu calls them."""
FEWER = 5000
"""Faces that are offered where there are more."""


def result_lines(
    files: Sequence[Path], folder: Path | None, mesh: "Mesh", choice: FinishChoice | None
) -> Iterator[str]:
    """What a modeler asks first, and what to do next.

    Args:
        files: the model, or one for each level of detail.
        folder: its asset's, from which it can be finished with fewer faces; None: there is none,
            or the mesh was given and keeps its faces.
        mesh: what is in the first file.
        choice: how it was finished; None: not at all.
    """
    file, *further = files
    vertices, faces = mesh.vertices, mesh.faces
    x, y, z = vertices.max(axis=0) - vertices.min(axis=0)
    low = vertices[:, 2].min()
    size = binary_size(file.stat().st_size)
    yield (
        f"{file}: {_faces(mesh)}, {size}, {x:.2f} x {y:.2f} x {z:.2f} m, "
        f"lowest point at z = {low:.2f} m"
    )
    for level in further:
        yield f"{level}: {binary_size(level.stat().st_size)}"
    if file.suffix.lower() in PRINT_SUFFIXES:
        from engine.export.printing import is_printable, millimetres

        keep_size = choice is not None and choice.settled().has_size
        points = millimetres(vertices, keep_size=keep_size)
        x, y, z = points.max(axis=0) - points.min(axis=0)
        few = ""
        if keep_size and not is_printable(max(x, y, z)):
            few = ", as was asked for; few printers take that"
        yield f"Next: open it in your slicer; it is {x:.1f} x {y:.1f} x {z:.1f} mm there{few}"
        return
    kind = _IMPORTERS[file.suffix.lower()]
    fewer = ""
    if folder is not None and len(faces) > FEWER:
        again = command("finish", str(folder), "-o", "OTHER.glb", "--faces", str(FEWER))
        fewer = f"; with fewer faces, without generating again: {again}"
    yield f"Next: Blender > File > Import > {kind}{fewer}"


def _faces(mesh: "Mesh") -> str:
    """How many, or how many quads where the mesh is made of these."""
    import numpy as np

    if mesh.polygons is not None:
        pieces = np.unique(mesh.polygons, return_counts=True)[1]
        quads, triangles = int((pieces == 2).sum()), int((pieces == 1).sum())
        if quads > triangles and quads + triangles == len(pieces):
            also = f" and {triangles:,} triangle{'s' * (triangles > 1)}" if triangles else ""
            return f"{quads:,} quads{also}"
    return f"{len(mesh.faces):,} faces"


def finishing_figures(finished: "Finished") -> Iterator[str]:
    """What was found and done, in numbers."""
    from engine.meshing.report import in_words

    log = finished.log
    if "before" in log:
        yield f"As voxels: {in_words(log['before'])}"
        fixed = {name: count for name, count in log["removed"].items() if count}
        yield f"Removed or fixed: {in_words(fixed) or 'nothing'}"
    for named, level in zip(finished.meshes, log["levels"], strict=False):
        if "texture_size" not in level:
            yield f"{named.name}: {in_words(level['after'])}"
            continue
        yield (
            f"{named.name}: {level['texture_size']}^2 texels, alpha {level['alpha_mode']}, "
            f"UVs {level['unwrap']}, {in_words(level['after'])}"
        )


def figure_lines(
    asset: "Asset", delivered: "Delivered", report: "Report", models: "Models"
) -> Iterator[str]:
    """What developers ask."""
    from engine.residency.memory import peak_bytes

    voxels, size = len(asset.voxels.grid.coords), asset.voxels.grid.grid_size
    yield f"{voxels:,} voxels of {size}^3, seed {asset.recipe['seed']}"
    if delivered.finished is not None:
        yield from finishing_figures(delivered.finished)
    yield seconds_line(report)
    peak = peak_bytes(models.device)
    if peak is not None:
        whose = "on the device" if models.device.type == "cuda" else "of the process"
        yield f"Peak memory {whose}: {binary_size(peak)}."
