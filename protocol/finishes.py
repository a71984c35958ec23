"""How an asset is finished, as data: the choices, what a user chose, what a checkpoint advises."""

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, cast

from .errors import EngineError
from .limits import (
    FEWEST_FACES,
    IMAGE_FORMATS,
    LARGEST_TEXTURE,
    LODS,
    ORIGINS,
    SMALLEST_TEXTURE,
    ImageFormat,
    Lods,
    Origin,
    check_flag,
    check_one_of,
    check_whole,
    is_number,
    short,
)

LOD_SHARES = (1.0, 0.5, 0.25, 0.125)
"""Faces of the levels of detail, each half as many as the one before."""
LEAST_CELLS, MOST_CELLS = 8, 512
"""Cells along the longest side that remeshing to a closed surface can work with."""
WALL = 0.015
"""Least thickness of a solid, as a share of its longest side: 1.5 mm of a print of 10 cm."""
THINNEST_WALL, THICKEST_WALL = 0.007, 0.2
FEWEST_QUADS, MOST_QUADS = 100, 200_000
LEAST_HEIGHT, MOST_HEIGHT = 0.0001, 100_000.0
"""Of a result, in metres."""
LEAST_SCALE, MOST_SCALE = 0.000001, 1_000_000.0
"""From 1 metre to a thousandth of a millimetre, and to 1,000 kilometres."""
PRINT_SUFFIXES = (".stl", ".3mf")
"""Of files that hold a shape for 3D printing, without textures."""
FINISHED_SUFFIXES = (".glb", ".obj", *PRINT_SUFFIXES)
"""Of files that hold a finished asset, or a shape of it."""


def check_faces(faces: int) -> None:
    """Refuse what no mesh can become: better now than after minutes of work.

    Raises:
        EngineError: ``face_target``.
    """
    if type(faces) is not int or faces < FEWEST_FACES:
        raise EngineError(
            "face_target",
            f"A mesh of {short(faces)} faces is not possible.",
            f"Ask for at least {FEWEST_FACES} faces; 20000 to 200000 are usual.",
        )


def check_texture_size(size: int) -> None:
    """Refuse a texture that is too small to show anything or too large to make.

    Raises:
        EngineError: ``texture_size`` unless 16 <= size <= 8192.
    """
    if type(size) is not int or not SMALLEST_TEXTURE <= size <= LARGEST_TEXTURE:
        raise EngineError(
            "texture_size",
            f"A texture of {short(size)} x {short(size)} texels is not possible.",
            f"Choose a size from {SMALLEST_TEXTURE} to {LARGEST_TEXTURE}; 2048 is usual.",
        )


def check_remesh_cells(cells: int | None) -> None:
    """Refuse a number of cells that remeshing cannot work with; None leaves it to the grid.

    Raises:
        EngineError: ``remesh_resolution`` unless 8 <= cells <= 512, or None.
    """
    if cells is not None and (type(cells) is not int or not LEAST_CELLS <= cells <= MOST_CELLS):
        raise EngineError(
            "remesh_resolution",
            f"A remesh resolution of {short(cells)} cells is out of range.",
            f"Choose {LEAST_CELLS} to {MOST_CELLS}.",
        )


def check_wall(wall: float | None) -> None:
    """Refuse a thickness that a solid cannot have; None leaves it to the finish.

    Raises:
        EngineError: ``wall`` unless 0.007 <= wall <= 0.2, or None.
    """
    if wall is not None and not (is_number(wall) and THINNEST_WALL <= wall <= THICKEST_WALL):
        raise EngineError(
            "wall",
            f"Walls of {short(wall)} of the longest side are not possible.",
            f"Choose {THINNEST_WALL} to {THICKEST_WALL}; {WALL} is usual.",
        )


def check_height(height: float | None) -> None:
    """Refuse what is no height in metres; None leaves the size as it comes.

    Raises:
        EngineError: ``height`` unless 0.0001 <= height <= 100,000, or None.
    """
    if height is not None and not (is_number(height) and LEAST_HEIGHT <= height <= MOST_HEIGHT):
        raise EngineError(
            "height",
            f"A height of {short(height)} metres is not possible.",
            f"Choose {LEAST_HEIGHT:g} to {MOST_HEIGHT:g}.",
        )


def check_quads(quads: int | None) -> None:
    """Refuse a number of quads that no surface becomes; None leaves the surface to triangles.

    Raises:
        EngineError: ``quads`` unless 100 <= quads <= 200,000, or None.
    """
    if quads is not None and (type(quads) is not int or not FEWEST_QUADS <= quads <= MOST_QUADS):
        raise EngineError(
            "quads",
            f"A mesh of {short(quads)} quads is not possible.",
            f"Choose {FEWEST_QUADS} to {MOST_QUADS}; 5000 to 20000 are usual.",
        )


def check_scale(scale: float | None, height: float | None) -> None:
    """Refuse what no size can be multiplied by, or a second word on the size.

    Raises:
        EngineError: ``scale`` unless 0.000001 <= scale <= 1,000,000, or None; or where there is a
            height too.
    """
    if scale is None:
        return
    if not (is_number(scale) and LEAST_SCALE <= scale <= MOST_SCALE):
        raise EngineError(
            "scale",
            f"A result cannot be {short(scale)} times as large.",
            f"Choose {LEAST_SCALE:f} to {MOST_SCALE:.0f}; 0.01 makes metres of centimetres.",
        )
    if height is not None:
        raise EngineError(
            "scale",
            "A height and a scale both say how large the result is.",
            "Leave one of the two out.",
        )


@dataclass(frozen=True)
class Finish:
    """How an asset is finished, all decided.

    Args:
        faces: target of the simplification.
        texture_size: side of the textures in texels.
        normal_map: whether the detail that simplification removes goes into a normal map.
        occlusion: whether what hides the sky goes into R of the ORM texture.
        lod_shares: faces of LOD0, LOD1, ... as shares of ``faces``; one level has no _LOD suffix.
        collision_hull: whether a convex hull UCX_ goes along.
        image_format: of pictures in a .glb file; under JPEG those with alpha, normals, and
            occlusion, roughness and metal stay PNG.
        lods: whether levels of detail are nodes of one .glb file or have a file each.
        closed: whether to remesh to a closed surface before simplifying; not with a given mesh.
        remesh_cells: cells along the longest side when remeshing; None: as many as the grid has.
        keep_inner: whether to keep parts that nobody outside can see.
        solid: whether the closed surface becomes a solid for printing: nothing thinner than
            ``wall`` and nothing that crosses itself.
        wall: share of the longest side.
        textured: whether there are UVs and textures.
        height: of the result, in metres; None: as it comes.
        scale: how many times as large as it comes; None where there is a height.
        origin: where in the result the origin lies.
        quads: make so many quads, in the place of ``faces`` triangles; None: triangles.

    Raises:
        EngineError: ``face_target``, ``texture_size``, ``remesh_resolution``, ``wall``, ``height``,
            ``scale``, ``quads``.
    """

    faces: int
    texture_size: int
    normal_map: bool = True
    occlusion: bool = True
    lod_shares: tuple[float, ...] = (1.0,)
    collision_hull: bool = False
    image_format: ImageFormat = "png"
    lods: Lods = "nodes"
    closed: bool = False
    remesh_cells: int | None = None
    keep_inner: bool = False
    solid: bool = False
    wall: float = WALL
    textured: bool = True
    height: float | None = None
    scale: float | None = None
    origin: Origin = "kept"
    quads: int | None = None

    def __post_init__(self) -> None:
        check_wall(self.wall)
        check_quads(self.quads)
        check_faces(self.faces)
        check_texture_size(self.texture_size)
        check_remesh_cells(self.remesh_cells)
        check_height(self.height)
        check_scale(self.scale, self.height)

    @property
    def needs_voxels(self) -> bool:
        """Whether a mesh cannot be finished so with its own faces."""
        return self.closed or self.quads is not None

    @property
    def has_size(self) -> bool:
        """Whether it says how large the result is."""
        return self.height is not None or self.scale is not None

    @property
    def has_one_mesh(self) -> bool:
        return len(self.lod_shares) == 1 and not self.collision_hull

    def level_files(self, target: Path) -> tuple[Path, ...]:
        """A file for each level of detail beside ``target``; none where all are in ``target``."""
        if self.lods == "nodes" or len(self.lod_shares) == 1:
            return ()
        return files_of_levels(target, len(self.lod_shares))

    def fitting(self, name: str) -> "tuple[Finish, str | None]":
        """What a file of that name can hold of it, and a note when that is less.

        Only a .glb file holds several meshes, and pictures of other kinds than PNG; files for
        printing hold no textures.
        """
        note = None
        if name.lower().endswith(".glb"):
            if self.lods == "files" and len(self.lod_shares) == 1:
                note = f"There is one level of detail, hence one file, {name}; --levels makes more."
            return self, note
        if not self.has_one_mesh:
            note = (
                f"{name} holds one mesh, without further levels of detail and hull; "
                "a .glb file holds them too."
            )
        textured = not name.lower().endswith(PRINT_SUFFIXES)
        return replace(self.with_one_mesh(), image_format="png", textured=textured), note

    def with_one_mesh(self) -> "Finish":
        """The same without further levels of detail and hull."""
        return replace(self, lod_shares=self.lod_shares[:1], collision_hull=False)


FINISHES: dict[str, Finish] = {
    "full": Finish(faces=1_000_000, texture_size=4096),
    "standard": Finish(faces=200_000, texture_size=2048),
    "game": Finish(
        faces=20_000,
        texture_size=2048,
        lod_shares=LOD_SHARES,
        collision_hull=True,
    ),
}
"""The only place that says what their names mean; help texts are made from it."""


def finish_help() -> str:
    """The finishes in words: "full (1,000,000 faces, 4096^2 texels), ..."."""
    told: list[str] = []
    for name, finish in FINISHES.items():
        words = [f"{finish.faces:,} faces", f"{finish.texture_size}^2 texels"]
        words += ["levels of detail"] * (len(finish.lod_shares) > 1)
        words += ["collision hull"] * finish.collision_hull
        told.append(f"{name} ({', '.join(words)})")
    return ", ".join(told)


@dataclass(frozen=True)
class FinishAdvice:
    """How the results of a checkpoint are best finished; a user's own choice goes before.

    Args:
        closed: whether to remesh them to a closed surface.
        resolution: cells along the longest side when doing so; None: as many as the grid has.
        faces: more than these do not show anything more; None: no bound.

    Raises:
        EngineError: ``face_target``, ``remesh_resolution``.
    """

    closed: bool = False
    resolution: int | None = None
    faces: int | None = None

    def __post_init__(self) -> None:
        if self.faces is not None:
            check_faces(self.faces)
        check_remesh_cells(self.resolution)

    @classmethod
    def read(cls, content: Any) -> "FinishAdvice | None":
        """The advice that a JSON object gives, such as an entry of a ``pipeline.json``; None for
        None. Entries of later versions are ignored.

        Raises:
            ValueError: saying which entry is wrong.
        """
        if content is None:
            return None
        if not isinstance(content, dict):
            raise ValueError('"finishing" is not an object')
        given = cast("dict[str, Any]", content)
        values = {field.name: given[field.name] for field in fields(cls) if field.name in given}
        if type(values.get("closed", False)) is not bool:
            raise ValueError('"closed" of "finishing" is neither true nor false')
        try:
            return cls(**values)
        except EngineError as error:
            raise ValueError(f'"finishing": {error.message}') from error


@dataclass(frozen=True, kw_only=True)
class FinishChoice:
    """What a user wants; None leaves it to the finish and to the checkpoint's advice.

    Args:
        finish: full, standard or game.
        faces, texture_size, image_format, lods: other than the finish's.
        closed: whether to remesh to a closed surface.
        normal_map: whether detail that simplification removes goes into a normal map.
        occlusion: whether ambient occlusion is baked.
        levels: of detail, 1 to 4, each with half the faces of the one before.
        collision_hull: whether a convex hull goes along.
        keep_inner: keep parts that nobody outside can see.
        solid: make a solid for printing, which is always closed.
        wall: its least thickness, as a share of the longest side.
        height: of the result, in metres.
        scale: how many times as large as it comes, instead of a height.
        origin: where in the result the origin lies.
        quads: make so many quads instead of triangles.

    Raises:
        EngineError: ``finish_unknown``, ``image_format``, ``lods``, ``face_target``,
            ``texture_size``, ``wall``, ``height``, ``scale``, ``origin``, ``quads``,
            ``job_invalid``.
    """

    finish: str = "standard"
    faces: int | None = None
    texture_size: int | None = None
    image_format: ImageFormat | None = None
    lods: Lods | None = None
    closed: bool | None = None
    normal_map: bool | None = None
    occlusion: bool | None = None
    levels: int | None = None
    collision_hull: bool | None = None
    keep_inner: bool = False
    solid: bool = False
    wall: float | None = None
    height: float | None = None
    scale: float | None = None
    origin: Origin | None = None
    quads: int | None = None

    def __post_init__(self) -> None:
        check_one_of("finish_unknown", "finish", self.finish, tuple(FINISHES))
        check_one_of("image_format", "image format", self.image_format, IMAGE_FORMATS)
        check_one_of("lods", "place of levels of detail called", self.lods, LODS)
        check_one_of("origin", "origin", self.origin, ORIGINS)
        flags = ("closed", "normal_map", "occlusion", "collision_hull", "keep_inner", "solid")
        for name in flags:
            check_flag(name, getattr(self, name) or False)
        check_whole("levels", self.levels, 1, len(LOD_SHARES))
        if self.solid and self.closed is False:
            raise EngineError(
                "job_invalid", "A solid is closed, and cannot be open.", "Leave one of the two out."
            )
        check_wall(self.wall)
        if self.wall is not None and not self.solid:
            raise EngineError(
                "job_invalid", "Walls are those of a solid.", "Add --solid, or leave the wall out."
            )
        check_quads(self.quads)
        if self.quads is not None and self.solid:
            raise EngineError(
                "job_invalid",
                "A solid for printing is made of triangles, not of quads.",
                "Leave one of the two out; --closed goes with quads.",
            )
        if self.quads is not None and self.faces is not None:
            raise EngineError(
                "job_invalid",
                "A result has either a number of quads or one of triangles.",
                "Leave one of the two out: quads or faces.",
            )
        self.settled()

    def settled(self, advice: FinishAdvice | None = None) -> Finish:
        """The finish with the user's changes over the advice."""
        usual, advice = FINISHES[self.finish], advice or FinishAdvice()
        return replace(
            usual,
            faces=min(usual.faces, advice.faces or usual.faces)
            if self.faces is None
            else self.faces,
            texture_size=usual.texture_size if self.texture_size is None else self.texture_size,
            image_format=self.image_format or usual.image_format,
            lods=self.lods or usual.lods,
            normal_map=usual.normal_map if self.normal_map is None else self.normal_map,
            occlusion=usual.occlusion if self.occlusion is None else self.occlusion,
            lod_shares=usual.lod_shares if self.levels is None else LOD_SHARES[: self.levels],
            collision_hull=usual.collision_hull
            if self.collision_hull is None
            else self.collision_hull,
            closed=self.solid or (advice.closed if self.closed is None else self.closed),
            remesh_cells=advice.resolution,
            keep_inner=self.keep_inner,
            solid=self.solid,
            wall=usual.wall if self.wall is None else self.wall,
            height=self.height,
            scale=self.scale,
            origin=self.origin or usual.origin,
            quads=self.quads,
        )


def files_of_levels(target: Path, count: int) -> tuple[Path, ...]:
    """The files that so many levels of detail have beside ``target``."""
    return tuple(target.with_name(f"{target.stem}_LOD{i}{target.suffix}") for i in range(count))


def level_files(choice: FinishChoice | None, target: Path) -> tuple[Path, ...]:
    """The files that levels of detail will have for themselves, when ``target`` is asked for."""
    if choice is None:
        return ()
    settings, _ = choice.settled().fitting(target.name)
    return settings.level_files(target)
