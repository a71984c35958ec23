"""What finished assets are made for, as data."""

from dataclasses import dataclass, replace

from engine.export.gltf import ImageFormat
from engine.mesh import check_texture_size
from protocol.errors import EngineError


@dataclass(frozen=True)
class Preset:
    """How an asset is finished.

    Args:
        faces: target of the simplification.
        texture_size: side of the textures in texels.
        normal_map: whether the detail that simplification removes goes into a normal map.
        lod_shares: faces of LOD0, LOD1, ... as shares of ``faces``; one level has no _LOD suffix.
        collision_hull: whether a convex hull UCX_ goes along.
        image_format: of pictures without alpha in a .glb file.
    """

    faces: int
    texture_size: int
    normal_map: bool = False
    lod_shares: tuple[float, ...] = (1.0,)
    collision_hull: bool = False
    image_format: ImageFormat = "png"

    def check(self) -> None:
        """Refuse what no mesh can become: better now than after minutes of work.

        Raises:
            EngineError: ``face_target``, ``texture_size``.
        """
        if self.faces < 4:
            raise EngineError(
                "face_target",
                f"A mesh of {self.faces} faces is not possible.",
                "Ask for at least 4 faces; 20000 to 200000 are usual.",
            )
        check_texture_size(self.texture_size)

    @property
    def has_one_mesh(self) -> bool:
        return len(self.lod_shares) == 1 and not self.collision_hull

    def fitting(self, name: str) -> "tuple[Preset, str | None]":
        """What a file of that name can hold of it, and a note when that is less.

        Only a .glb file holds several meshes, and pictures of other kinds than PNG.
        """
        if name.lower().endswith(".glb"):
            return self, None
        note = None
        if not self.has_one_mesh:
            note = (
                f"{name} holds one mesh, without further levels of detail and hull; "
                "a .glb file holds them too."
            )
        return replace(self.with_one_mesh(), image_format="png"), note

    def with_one_mesh(self) -> "Preset":
        """The same without further levels of detail and hull."""
        return replace(self, lod_shares=self.lod_shares[:1], collision_hull=False)


PRESETS: dict[str, Preset] = {
    "full": Preset(faces=1_000_000, texture_size=4096),
    "standard": Preset(faces=200_000, texture_size=2048),
    "game": Preset(
        faces=20_000,
        texture_size=2048,
        normal_map=True,
        lod_shares=(1.0, 0.5, 0.25, 0.125),
        collision_hull=True,
    ),
}


def preset_named(name: str) -> Preset:
    """Raises:
    EngineError: ``preset`` for a name that there is not.
    """
    if name not in PRESETS:
        raise EngineError(
            "preset", f"There is no preset {name!r}.", f"Choose one of {', '.join(PRESETS)}."
        )
    return PRESETS[name]
