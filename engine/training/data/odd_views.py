"""Pictures as people bring them: light of real rooms, photographs cut out by rule, drawings.

What a network is shown besides the clean pictures of ``engine.training.data.views``, so that it
knows an object by more than the way one renderer shades it.
"""

import io
from dataclasses import replace

import numpy as np
from PIL import Image, ImageFilter

from engine.host.color import linear_from_srgb, srgb_from_linear
from engine.images.plain_background import remove_plain_background
from engine.mesh import Mesh
from engine.render.lights import Lamp, Studio, random_studio
from engine.render.picture import Picture, render
from engine.render.surroundings import Surroundings, rooms
from engine.training.data.views import View, camera_of, random_view
from protocol.errors import EngineError

FOV = (12.0, 65.0)
_STYLES = ("room", "photograph", "drawing", "flat")
_SHARES = (0.3, 0.35, 0.15, 0.2)
_CUT_OUT_WELL = 0.9
"""Least agreement (IoU) of a cut-out with the true outline; a worse one is not used."""
_INK_DEPTH, _INK_NORMAL, _INK_COLOR = 0.04, 0.5, 0.25
"""Steps between neighbouring pixels that are drawn as a line: share of the side, length, sRGB."""


def odd_picture(mesh: Mesh, random: np.random.Generator, size: int) -> np.ndarray:
    """(size, size, 4) uint8 sRGB picture of a mesh in a style drawn at random, alpha straight.

    Raises:
        EngineError: what ``engine.render.picture.render`` raises.
    """
    style = random.choice(_STYLES, p=_SHARES)
    view = replace(random_view(random), fov_degrees=float(random.uniform(*FOV)))
    surroundings = None
    if style in ("room", "photograph") and random.random() < 0.85:
        view, surroundings = _in_a_room(view, random)
    picture = render(
        mesh,
        camera_of(mesh, view),
        width=size,
        studio=view.studio,
        surroundings=surroundings,
        shadows=bool(view.studio.lamps) and view.shadows,
        threads=1,
    )
    if style == "photograph":
        return _photographed(picture.rgba, random)
    if style == "drawing":
        return _drawn(picture, random)
    return _flat(picture, random) if style == "flat" else picture.rgba


def plain_picture(mesh: Mesh, size: int) -> np.ndarray:
    """(size, size, 4) uint8: the one view that stands for a toy where nobody took a picture."""
    lamps = (Lamp(-42, 48, 16, (5.4, 5.2, 4.9)), Lamp(58, 12, 8, (1.25, 1.32, 1.45)))
    view = View(30.0, 20.0, 35.0, 0.9, (0.0, 0.0), Studio(lamps), False)
    camera = camera_of(mesh, view)
    return render(mesh, camera, width=size, studio=view.studio, shadows=False, threads=1).rgba


def _in_a_room(view: View, random: np.random.Generator) -> tuple[View, Surroundings]:
    """The view without its studio, or with its key light alone, for shadows."""
    room = str(random.choice(list(rooms())))
    exposure = float(np.exp(random.uniform(-0.35, 0.35)))
    key = random_studio(random).lamps[:1] if random.random() < 0.35 else ()
    studio = Studio(key, exposure=0.6)
    turn = float(random.uniform(0, 360))
    return replace(view, studio=studio), Surroundings(room, turn, exposure)


def _photographed(rgba: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Before an even background, with a camera's faults, then cut out by our own rule.

    As it was where the rule does not find the object.
    """
    size = rgba.shape[0]
    alpha = rgba[..., 3:].astype(np.float32) / 255
    falloff = np.linspace(-1, 1, size, dtype=np.float32)
    slope = random.uniform(-12, 12, 2)
    ground = random.uniform(20, 245, 3) if random.random() < 0.5 else random.uniform(150, 250)
    behind = ground + slope[0] * falloff[:, None, None] + slope[1] * falloff[None, :, None]
    shown = rgba[..., :3] * alpha + behind * (1 - alpha)
    light = np.exp(random.normal(0, 0.06, 3)) * np.exp(random.uniform(-0.25, 0.2))
    shown = srgb_from_linear(linear_from_srgb(np.clip(shown, 0, 255) / 255) * light) * 255
    shown += random.normal(0, random.uniform(0.5, 5), shown.shape)
    image = Image.fromarray(np.clip(shown, 0, 255).astype(np.uint8))
    if random.random() < 0.5:
        image = image.filter(ImageFilter.GaussianBlur(float(random.uniform(0.3, 1.0))))
    image = _as_jpeg(image, int(random.integers(35, 92)))
    try:
        cut_out = np.asarray(remove_plain_background(image))
    except EngineError:
        cut_out = np.zeros_like(rgba)
    found, true = cut_out[..., 3] > 127, rgba[..., 3] > 127
    if (found & true).sum() >= _CUT_OUT_WELL * max(int((found | true).sum()), 1):
        return cut_out
    return np.concatenate([np.asarray(image), rgba[..., 3:]], axis=2)


def _drawn(picture: Picture, random: np.random.Generator) -> np.ndarray:
    """Lines where something begins, on paper or on one or two tones of the object's colours."""
    color = picture.base_color
    if random.random() < 0.35:
        color = 1 - (1 - color) * random.uniform(0.25, 0.6)  # washed out
    if random.random() < 0.5:
        color = _toned(color, picture.normal, random)
    return _inked(color, picture, random)


def _flat(picture: Picture, random: np.random.Generator) -> np.ndarray:
    """Colours without light, as icons have them; half of them with two tones."""
    color = picture.base_color
    if random.random() < 0.5:
        color = _toned(color, picture.normal, random)
    alpha = picture.rgba[..., 3:]
    return np.concatenate([np.rint(color * 255).astype(np.uint8), alpha], axis=2)


def _toned(color: np.ndarray, normal: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Darker where a surface looks away from a light."""
    light = np.array([random.uniform(-1, 1), -1.0, random.uniform(0.3, 1.2)])
    lit = normal @ (light / np.linalg.norm(light))
    steps = lit > random.uniform(-0.1, 0.4) if random.random() < 0.6 else np.clip(lit + 0.4, 0, 1)
    dark = random.uniform(0.6, 0.85)
    return color * (dark + (1 - dark) * steps[..., None])


def _inked(color: np.ndarray, picture: Picture, random: np.random.Generator) -> np.ndarray:
    seen = picture.mask > 0.5
    line = np.zeros(seen.shape, bool)
    for axis in (0, 1):
        here, there = (seen, np.roll(seen, 1, axis))
        depth = np.abs(picture.depth - np.roll(picture.depth, 1, axis)) > _INK_DEPTH
        normal = np.linalg.norm(picture.normal - np.roll(picture.normal, 1, axis), axis=2)
        tint = np.abs(picture.base_color - np.roll(picture.base_color, 1, axis)).max(axis=2)
        inside = here & there & (depth | (normal > _INK_NORMAL) | (tint > _INK_COLOR))
        line |= inside | (here != there)
    width = float(random.uniform(0.5, 1.4)) * line.shape[0] / 144
    soft = Image.fromarray((line * 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(width))
    ink = np.clip(np.asarray(soft, np.float32) / 255 * random.uniform(1.8, 3.0), 0, 1)[..., None]
    shade = random.uniform(0, 0.25)
    inked = color * (1 - ink) + shade * ink
    alpha = np.maximum(picture.rgba[..., 3:] / 255, ink * (ink > 0.3))
    return np.rint(np.concatenate([inked, alpha], axis=2).clip(0, 1) * 255).astype(np.uint8)


def _as_jpeg(image: Image.Image, quality: int) -> Image.Image:
    file = io.BytesIO()
    image.save(file, "jpeg", quality=quality)
    return Image.open(io.BytesIO(file.getvalue())).convert("RGB")
