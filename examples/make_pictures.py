"""The pictures in this folder: toys that no training has seen, and one drawing by hand.

python run.py python examples/make_pictures.py
"""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from engine.training.data.views import picture_of, random_view
from engine.training.toybox import make_toy, split_of

FOLDER = Path(__file__).parent
SEEDS = {
    "mushroom": 100_097,
    "rocket": 100_440,
    "armchair": 100_243,
    "duck": 101_214,
    "trophy": 100_461,
    "lighthouse": 103_257,
}
"""Held-out toys. Of families whose materials now have patterns, the pictures here are older."""
PIXELS = 512


def main() -> None:
    for family, seed in SEEDS.items():
        assert split_of(seed) == "held_out"
        view = random_view(np.random.default_rng(seed))
        picture = Image.fromarray(picture_of(make_toy(seed, family).mesh, view, PIXELS))
        picture.save(FOLDER / f"{family}.png", optimize=True)
    draw_mushroom().save(FOLDER / "drawn_mushroom.png", optimize=True)


def draw_mushroom() -> Image.Image:
    """A drawing in flat colours with an outline, on white paper."""
    image = Image.new("RGB", (PIXELS * 2, PIXELS * 2), "white")
    draw = ImageDraw.Draw(image)
    ink = {"outline": (60, 40, 40), "width": 10}
    draw.polygon([(420, 520), (600, 520), (650, 900), (380, 900)], fill=(240, 228, 205))
    draw.line([(420, 520), (380, 900), (650, 900), (600, 520)], fill=ink["outline"], width=10)
    draw.ellipse((380, 860, 650, 940), fill=(240, 228, 205), **ink)
    draw.rectangle((384, 855, 646, 900), fill=(240, 228, 205))
    draw.chord((150, 120, 870, 960), 180, 360, fill=(205, 52, 48), **ink)
    draw.ellipse((150, 470, 870, 610), fill=(178, 40, 40), **ink)
    for x, y, r in ((360, 300, 52), (560, 230, 44), (690, 380, 58), (300, 450, 40), (510, 420, 48)):
        draw.ellipse((x - r, y - r, x + r, y + r), fill=(250, 246, 238))
    return image.resize((PIXELS, PIXELS), Image.Resampling.LANCZOS)


if __name__ == "__main__":
    main()
