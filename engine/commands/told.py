"""What is said of a result: two lines for everybody, figures for who asks."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from engine.commands.console import binary_size, seconds_line
from engine.commands.finish import finishing_figures
from engine.host.command import command

if TYPE_CHECKING:
    from engine.assets.asset import Asset
    from engine.report import Report
    from engine.residency.models import Models
    from engine.session import Delivered

_IMPORTERS = {".glb": "glTF 2.0", ".obj": "Wavefront (.obj)", ".ply": "Stanford PLY"}
"""What Blender's menu calls them."""


def result_lines(delivered: "Delivered") -> Iterator[str]:
    """What a modeler asks first, and what to do next."""
    vertices, faces = delivered.mesh.vertices, delivered.mesh.faces
    x, y, z = vertices.max(axis=0) - vertices.min(axis=0)
    low = vertices[:, 2].min()
    size = binary_size(delivered.file.stat().st_size)
    yield (
        f"{delivered.file}: {len(faces):,} faces, {size}, {x:.2f} x {y:.2f} x {z:.2f} m, "
        f"feet {low:.2f} m from the origin"
    )
    kind = _IMPORTERS[delivered.file.suffix.lower()]
    again = command("finish", str(delivered.folder), "-o", "OTHER.glb", "--faces", "5000")
    yield f"Next: Blender > File > Import > {kind}; with fewer faces, in seconds: {again}"


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
