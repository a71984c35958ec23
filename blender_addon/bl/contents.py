"""Deliveries as meshes with their material, before they are put anywhere."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..core.deliveries import Delivery
from . import block_in, build, materials

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .build import Fit

    FitOf = Callable[[NDArray[Any]], Fit]

HULL = "hull"
LEVELS = ("finished_lod1", "finished_lod2", "finished_lod3")


@dataclass(frozen=True)
class Contents:
    """New data-blocks that nothing uses yet.

    Attributes:
        mesh: the mesh.
        material: of all its faces; None for a hull.
        fit: what was done to its points.
    """

    mesh: Any
    material: Any | None
    fit: "Fit"


def main_of(
    delivery: Delivery, name: str, fit_of: "FitOf", turn: "NDArray[Any] | None" = None
) -> Contents:
    """What the object itself becomes.

    Args:
        name: of the data-blocks; Blender makes them unique.
        fit_of: gives the fit for the points that came, after the turn.
        turn: (3, 3) what is done to them first; not to a structure.
    """
    if delivery.stage == "structure":
        part = delivery.parts["structure"]
        coords = build.arrays_of(part)["coords"]
        grid_size = part.head.layout.grid_size
        fit = fit_of(block_in.points_of_cells(coords, grid_size))
        mesh = block_in.mesh_of_cells(name, coords, grid_size, fit)
        material = materials.plain_material(
            f"{name} Block-in", delivery.job, block_in.BLOCK_COLOR_NAME, None
        )
        material.diffuse_color = (*block_in.CLAY, 1.0)
        return Contents(mesh, material, fit)
    # A job without a finish ends with the raw surface.
    part = "finished" if "finished" in delivery.parts else "mesh"
    return _of_part(delivery, part, "textures", name, fit_of, turn)


def levels_of(delivery: Delivery, name: str, fit: "Fit") -> "list[tuple[str, Contents]]":
    """Further levels of detail and the hull, by the names of their objects."""
    found: list[tuple[str, Contents]] = []
    for number, part in enumerate(LEVELS, 1):
        if part in delivery.parts:
            level = f"{name}_LOD{number}"
            textures = f"textures_lod{number}"
            found.append((level, _of_part(delivery, part, textures, level, lambda _: fit)))
    if HULL in delivery.parts:
        level = f"UCX_{name}"
        arrays = build.arrays_of(delivery.parts[HULL])
        mesh = build.mesh_of_arrays(level, arrays, fit, exact=False)
        found.append((level, Contents(mesh, None, fit)))
    return found


def _of_part(
    delivery: Delivery,
    part: str,
    textures: str,
    name: str,
    fit_of: "FitOf",
    turn: "NDArray[Any] | None" = None,
) -> Contents:
    arrays = build.arrays_of(delivery.parts[part])
    if turn is not None:
        arrays = build.turned(arrays, turn)
    pictures = delivery.parts.get(textures)
    images = pictures.head.layout.images if pictures is not None else ()
    fit = fit_of(arrays["position"])
    exact = any(image.name == "normal" for image in images)
    mesh = build.mesh_of_arrays(name, arrays, fit, exact=exact)
    if pictures is not None:
        material = materials.textured_material(name, delivery.job, pictures)
    else:
        colors = arrays.get("color_srgb")
        # A few thousand colours say as much of the mean as a million.
        some = (
            None if colors is None else materials.linear_colors(colors[:: len(colors) // 4096 + 1])
        )
        material = materials.plain_material(name, delivery.job, build.COLOR_NAME, some)
    return Contents(mesh, material, fit)
