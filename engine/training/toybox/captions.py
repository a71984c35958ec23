"""What people would call a toy: its kind and its colours, in several ways of saying it.

Colours are those of the materials that are seen from the front right, by how much is seen of them.
"""

from typing import NamedTuple

import numpy as np

from engine.mesh import Mesh
from engine.render.camera import orbit
from engine.render.picture import visible_faces
from engine.training.toybox.toy import Toy

COLORS: tuple[tuple[str, tuple[float, float, float]], ...] = (
    *(("red", (0.80, 0.14, 0.12)), ("red", (0.60, 0.12, 0.10)), ("orange", (0.93, 0.47, 0.10))),
    *(("yellow", (0.96, 0.78, 0.18)), ("green", (0.32, 0.64, 0.22)), ("green", (0.10, 0.50, 0.42))),
    *(("dark green", (0.14, 0.36, 0.18)), ("light green", (0.70, 0.80, 0.38))),
    *(("blue", (0.12, 0.50, 0.80)), ("dark blue", (0.14, 0.20, 0.55)), ("blue", (0.2, 0.35, 0.8))),
    *(("light blue", (0.58, 0.80, 0.85)), ("purple", (0.48, 0.22, 0.62))),
    *(("pink", (0.88, 0.40, 0.60)), ("pink", (0.97, 0.68, 0.70)), ("beige", (0.86, 0.74, 0.56))),
    *(("brown", (0.55, 0.35, 0.20)), ("brown", (0.40, 0.25, 0.15)), ("brown", (0.70, 0.48, 0.30))),
    *(
        ("white", (0.93, 0.91, 0.86)),
        ("grey", (0.60, 0.61, 0.63)),
        ("dark grey", (0.36, 0.36, 0.38)),
    ),
    *(("black", (0.12, 0.12, 0.13)), ("white", (0.98, 0.98, 0.98))),
)
"""Names with sRGB colours that they stand for; the nearest counts."""
NOUNS = {
    "aeroplane": ("airplane", "aeroplane", "plane"),
    "bear": ("teddy bear", "bear"),
    "boat": ("boat", "ship"),
    "burger": ("burger", "hamburger"),
    "chest": ("treasure chest", "chest"),
    "cloth": ("piece of cloth", "tablecloth"),
    "crate": ("crate", "box"),
    "donut": ("donut", "doughnut"),
    "gem": ("gem", "crystal", "diamond"),
    "gift": ("gift box", "present"),
    "ice_cream": ("ice cream", "ice cream cone"),
    "letter_block": ("letter block", "toy block"),
    "locomotive": ("locomotive", "train", "steam engine"),
    "mug": ("mug", "cup"),
    "pine": ("pine tree", "fir tree", "Christmas tree"),
    "plant": ("potted plant", "plant"),
    "sneaker": ("sneaker", "shoe"),
    "sofa": ("sofa", "couch"),
    "trophy": ("trophy", "trophy cup"),
    "vase": ("vase", "amphora"),
}
DETAILS = {
    "armchair": ("legs",), "bed": ("blanket",), "bicycle": ("wheels",), "boat": ("sail", "hull"),
    "cake": ("icing",), "car": ("windows", "wheels"), "castle": ("roofs",), "chair": ("legs",),
    "gift": ("ribbon", "bow"), "house": ("roof",), "ice_cream": ("wafer",), "lamp": ("base",),
    "lighthouse": ("stripes",), "plant": ("pot",), "rocket": ("fins", "tip"),
    "snowman": ("scarf",), "table": ("legs",), "tree": ("trunk",), "donut": ("icing",),
}  # fmt: skip
"""What the second colour may belong to."""
_PATTERNS = {"stripes": "striped", "dots": "dotted", "checks": "checked"}
_MADE_OF = {"wood": "wooden", "glass": "glass", "metal": "metal", "bricks": "brick"}
_SECOND_SHARE = 0.07
_SIZE = 64


class Look(NamedTuple):
    """A material that is seen.

    Args:
        name: that the toy box gave it.
        color: a name out of ``COLORS``.
        share: of what is seen of the toy.
    """

    name: str
    color: str
    share: float


def captions(toy: Toy, count: int, random: np.random.Generator) -> list[str]:
    """Ways to say what a toy is, from its bare kind to two colours; not all are different."""
    looks = _looks(toy.mesh)
    if toy.family == "mushroom":  # one speaks of its cap
        looks = sorted(looks, key=lambda look: look.name not in ("paint", *_PATTERNS))
    return [_caption(toy, looks, random) for _ in range(count)]


def _caption(toy: Toy, looks: list[Look], random: np.random.Generator) -> str:
    nouns = NOUNS.get(toy.family, (toy.family,))
    noun = str(nouns[int(random.integers(len(nouns)))])
    main, words = looks[0], noun
    made_of = _MADE_OF.get(main.name)
    if made_of and random.random() < 0.5:
        words = f"{made_of} {words}"
    if main.name in _PATTERNS and random.random() < 0.7:
        words = f"{_PATTERNS[main.name]} {words}"
    if random.random() < 0.85:
        words = f"{main.color} {words}"
    second = next((look for look in looks[1:] if look.color != main.color), None)
    told = random.random() < 0.6
    if toy.family == "mushroom" and toy.parts > 3 and told:
        words += f" with white {random.choice(('dots', 'spots'))}"
    elif second is not None and told:
        details = DETAILS.get(toy.family, ("details", "parts"))
        words += f" with {second.color} {random.choice(details)}"
    begin = random.random()
    if begin < 0.6:
        words = f"an {words}" if words[0] in "aeiou" else f"a {words}"
    elif begin < 0.7:
        words = f"a toy {noun}, {main.color}"
    return words


def _looks(mesh: Mesh) -> list[Look]:
    """The materials that are seen, those of which most is seen first."""
    face = visible_faces(
        mesh.vertices, mesh.faces, orbit(30, 20), width=_SIZE, height=_SIZE, threads=1
    ).face
    seen = face[face >= 0]
    if mesh.face_material is None or len(seen) == 0:
        numbers = np.zeros(len(seen), np.int64)
    else:
        numbers = mesh.face_material[seen]
    looks = []
    for number in np.unique(numbers):
        material = mesh.materials[int(number)]
        color = np.asarray(material.base_color_factor, np.float64)
        if material.base_color_texture is not None:
            color = color * _prevailing(material.base_color_texture.pixels) / 255
        if mesh.colors is not None:
            corners = mesh.faces[seen[numbers == number]].ravel()
            color = color * mesh.colors[corners, :3].astype(np.float64).mean(axis=0)
        share = float((numbers == number).mean())
        looks.append(Look(material.name, name_of(color), share))
    looks.sort(key=lambda look: -look.share)
    return [look for k, look in enumerate(looks) if k == 0 or look.share >= _SECOND_SHARE]


def _prevailing(pixels: np.ndarray) -> np.ndarray:
    """(3,) of the commonest colour of a tile."""
    colors, counts = np.unique(
        pixels.reshape(-1, pixels.shape[-1])[:, :3] // 16, axis=0, return_counts=True
    )
    return colors[counts.argmax()] * 16.0 + 8


def name_of(color: np.ndarray) -> str:
    """The name of an sRGB colour (3,) in [0, 1]."""
    apart = [_apart(color, np.asarray(known)) for _, known in COLORS]
    return COLORS[int(np.argmin(apart))][0]


def _apart(one: np.ndarray, other: np.ndarray) -> float:
    """How different two colours are to people, for whom dark green is green and not grey."""
    tint = np.abs((one - one.mean()) - (other - other.mean())).sum()
    return float(2 * tint + abs(one.mean() - other.mean()))
