"""Makes benchmarks/odd: 24 pictures that no renderer of ours made, to try the small model on.

    npm pack @lobehub/fluent-emoji-3d@1.1.0 && pip download --no-deps scikit-image
    python -m benchmarks.odd_pictures lobehub-fluent-emoji-3d-1.1.0.tgz scikit_image-*.whl

14 emoji of Microsoft's Fluent set (MIT), 4 pictures of scikit-image (CC0 or public domain), of
which three are cut out by an ellipse or a box, and 6 drawings by this script, lines a little shaky.
None of them was trained on. The results: python -m benchmarks.embedded_sheet CHECKPOINT DATA OUT
--odd benchmarks/odd/*.webp
"""

import io
import sys
import tarfile
import zipfile
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

FOLDER = Path(__file__).with_name("odd")
SIDE = 256
EMOJI = {
    "mug": "2615", "mushroom": "1f344", "car": "1f697", "house": "1f3e0", "rocket": "1f680",
    "cactus": "1f335", "castle": "1f3f0", "fish": "1f41f", "apple": "1f34e", "burger": "1f354",
    "duck": "1f986", "teapot": "1fad6", "gift": "1f381", "sofa": "1f6cb-fe0f",
}  # fmt: skip
PHOTOGRAPHS = {
    "coffee": ("coffee.png", (95, 25, 440, 320), "ellipse"),
    "cat": ("chelsea.png", (95, 5, 345, 290), "ellipse"),
    "horse": ("horse.png", None, "dark"),
    "bricks": ("brick.png", (80, 120, 430, 400), "box"),
}
Points = Sequence[tuple[float, float]]


def main(emoji: Path, pictures: Path) -> None:
    FOLDER.mkdir(exist_ok=True)
    with tarfile.open(emoji) as files:
        for name, code in EMOJI.items():
            content = files.extractfile(f"package/assets/{code}.webp")
            assert content is not None
            save(f"emoji_{name}", Image.open(io.BytesIO(content.read())).convert("RGBA"))
    with zipfile.ZipFile(pictures) as files:
        for name, (file, box, how) in PHOTOGRAPHS.items():
            image = Image.open(io.BytesIO(files.read(f"skimage/data/{file}"))).convert("RGB")
            save(f"photograph_{name}", cut_out(image, box, how))
    for name, draw in DRAWINGS.items():
        save(f"drawing_{name}", draw(Pen(len(name))))
    size = sum(path.stat().st_size for path in FOLDER.iterdir())
    print(len(list(FOLDER.glob("*.webp"))), "pictures,", size, "bytes")


def save(name: str, image: Image.Image) -> None:
    image.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    image.save(FOLDER / f"{name}.webp", quality=85, method=6)


def cut_out(image: Image.Image, box: tuple[int, int, int, int] | None, how: str) -> Image.Image:
    """The part of a photograph in a box or in the ellipse inside of it; or all that is dark."""
    part = image.crop(box) if box else image
    mask = Image.new("L", part.size, 0)
    if how == "dark":
        mask = Image.fromarray((np.asarray(part.convert("L")) < 128).astype(np.uint8) * 255)
    elif how == "ellipse":
        ImageDraw.Draw(mask).ellipse((2, 2, part.width - 2, part.height - 2), fill=255)
    else:
        ImageDraw.Draw(mask).rectangle((6, 6, part.width - 6, part.height - 6), fill=255)
    part.putalpha(mask.filter(ImageFilter.GaussianBlur(1)))
    return part


class Pen:
    """Draws in [0, 100] squared, y downwards, as a hand with felt pens does."""

    def __init__(self, seed: int) -> None:
        self.image = Image.new("RGBA", (4 * SIDE, 4 * SIDE), (0, 0, 0, 0))
        self._draw = ImageDraw.Draw(self.image)
        self._random = np.random.default_rng(seed)

    def shape(self, points: Points, color: str | None, *, closed: bool = True) -> None:
        """A filled outline with a dark line around it."""
        corners = [*points, points[0]] if closed else list(points)
        line: list[tuple[float, float]] = []
        for (x0, y0), (x1, y1) in pairwise(corners):
            for share in np.linspace(0, 1, 12, endpoint=False):
                shake = self._random.normal(0, 0.25, 2)
                x, y = x0 + (x1 - x0) * share + shake[0], y0 + (y1 - y0) * share + shake[1]
                line.append((float(x), float(y)))
        line.append(corners[-1])
        scaled = [(x * 4 * SIDE / 100, y * 4 * SIDE / 100) for x, y in line]
        if color and closed:
            self._draw.polygon(scaled, fill=color)
        self._draw.line(scaled, fill="#2a2830", width=18, joint="curve")

    def round(self, x: float, y: float, wide: float, high: float, color: str | None) -> None:
        turns = np.linspace(0, 2 * np.pi, 24, endpoint=False)
        self.shape([(x + wide * np.cos(t), y + high * np.sin(t)) for t in turns.tolist()], color)

    def done(self) -> Image.Image:
        return self.image


def mug(pen: Pen) -> Image.Image:
    pen.round(72, 54, 16, 17, None)
    pen.shape([(20, 22), (68, 22), (66, 86), (23, 86)], "#3f8fd0")
    pen.round(44, 22, 24, 6, "#6b4028")
    return pen.done()


def house(pen: Pen) -> Image.Image:
    pen.shape([(20, 48), (80, 48), (80, 90), (20, 90)], "#f0d9a0")
    pen.shape([(10, 50), (50, 14), (90, 50)], "#c8402f")
    pen.shape([(42, 64), (58, 64), (58, 90), (42, 90)], "#7a4a2a")
    pen.shape([(26, 56), (36, 56), (36, 68), (26, 68)], "#9fd4ea")
    return pen.done()


def tree(pen: Pen) -> Image.Image:
    pen.shape([(44, 56), (56, 56), (58, 92), (42, 92)], "#7a5230")
    for x, y in ((34, 46), (66, 46), (50, 28)):
        pen.round(x, y, 22, 20, "#4fa23c")
    return pen.done()


def fish(pen: Pen) -> Image.Image:
    pen.shape([(70, 50), (94, 30), (90, 50), (94, 70)], "#f08a2a")
    pen.round(44, 50, 34, 20, "#f5b02a")
    pen.round(24, 45, 3, 3, "#20202a")
    return pen.done()


def car(pen: Pen) -> Image.Image:
    pen.shape([(28, 46), (38, 26), (66, 26), (78, 46)], "#b8e0f0")
    pen.shape([(6, 46), (92, 46), (94, 66), (6, 66)], "#d83a34")
    for x in (26, 74):
        pen.round(x, 68, 11, 11, "#30303a")
    return pen.done()


def toadstool(pen: Pen) -> Image.Image:
    pen.shape([(40, 48), (60, 48), (64, 90), (36, 90)], "#f4ead2")
    dome = [(50 + 40 * np.cos(t), 52 - 36 * np.sin(t)) for t in np.linspace(0, np.pi, 16).tolist()]
    pen.shape(dome, "#d8322c")
    for x, y in ((34, 36), (52, 26), (66, 42)):
        pen.round(x, y, 5, 4, "#fbf6ea")
    return pen.done()


DRAWINGS: dict[str, Callable[[Pen], Image.Image]] = {
    "mug": mug, "house": house, "tree": tree, "fish": fish, "car": car, "mushroom": toadstool,
}  # fmt: skip


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
