"""The rule for plain backgrounds, on pictures that look like real ones."""

import numpy as np
import pytest
from PIL import Image

from engine.images.picture import load_picture
from engine.images.plain_background import remove_plain_background
from protocol.errors import EngineError
from tests.images.scenes import SCENES, cup, photograph, plant, statue, street


def overlap(found: np.ndarray, truth: np.ndarray) -> float:
    return np.minimum(found, truth).sum() / np.maximum(found, truth).sum()


def alpha_of(image: Image.Image) -> np.ndarray:
    return np.asarray(image.getchannel("A")) / 255


# A shaded opening is not seen through: the handle of these two cups stays filled.
FILLED = {"cup_shadow", "cup_fall_off"}


@pytest.mark.parametrize("name", SCENES)
def test_the_matte_is_close_to_the_truth(name):
    subject, how = SCENES[name]
    truth = alpha_of(subject())
    result = remove_plain_background(photograph(subject(), **how))
    found = alpha_of(result)
    assert result.mode == "RGBA"
    thin = name.startswith("plant")
    assert overlap(found, truth) > (0.9 if name in FILLED else 0.95 if thin else 0.99)
    # Next to nothing of the object is lost, and no speck is left in the empty part.
    assert ((truth == 1) & (found < 0.5)).mean() < 0.0005
    grown = truth > 0
    for _ in range(4):
        grown = np.pad(grown, 1)
        grown = (
            grown[1:-1, 1:-1]
            | grown[:-2, 1:-1]
            | grown[2:, 1:-1]
            | grown[1:-1, :-2]
            | grown[1:-1, 2:]
        )
    if name not in FILLED:
        assert (found[~grown] > 0.5).sum() <= 8


def test_the_outline_is_soft_and_free_from_the_backdrop():
    subject = statue()
    result = np.asarray(remove_plain_background(photograph(subject, colour=(20, 220, 40))))
    partly = (result[..., 3] > 20) & (result[..., 3] < 235)
    assert partly.sum() > 100
    # Grey stays grey: nothing of the green screen is left in the outline.
    outline = result[partly][:, :3].astype(int)
    assert np.abs(outline[:, 1] - outline[:, 0]).mean() < 8


def test_thin_stems_hold_together():
    subject, how = SCENES["plant_thin"]
    found = alpha_of(remove_plain_background(photograph(subject(), **how))) > 0.5
    truth = alpha_of(subject()) > 0.99
    assert found[truth].mean() > 0.995


def test_a_highlight_is_not_a_hole_but_an_opening_is_one():
    found = alpha_of(remove_plain_background(photograph(cup(), colour=(250, 249, 247))))
    assert found[116, 96] == 1  # highlight of the backdrop's own colour
    assert found[150, 240] == 0  # through the handle


def test_a_picture_with_nothing_in_front_is_refused():
    for noise in (0.0, 3.0):
        empty = photograph(Image.new("RGBA", (200, 160)), noise=noise, fall_off=0.2, jpeg=85)
        with pytest.raises(EngineError) as caught:
            remove_plain_background(empty)
        assert caught.value.code == "image_no_foreground"


@pytest.mark.parametrize(
    "image",
    [
        street(),
        photograph(cup(), noise=30.0),
        Image.fromarray(np.random.default_rng(0).integers(0, 255, (90, 90, 3), dtype=np.uint8)),
    ],
)
def test_what_is_not_plain_is_refused_with_the_remedy(image):
    with pytest.raises(EngineError) as caught:
        remove_plain_background(image)
    assert caught.value.code == "background_not_plain"
    assert "transparent background" in caught.value.hint
    assert 'run.py python -m pip install -e ".[matte]"' in caught.value.hint


@pytest.mark.parametrize("size", [(5, 200), (1, 1)])
def test_a_tiny_picture_wants_a_larger_one(size):
    with pytest.raises(EngineError) as caught:
        remove_plain_background(Image.new("RGB", size, (255, 255, 255)))
    assert caught.value.code == "image_too_small"
    assert "larger" in caught.value.hint and "pip" not in caught.value.hint


def test_a_narrow_strip_is_told_by_the_size_of_its_file():
    with pytest.raises(EngineError, match="4000 x 20 pixels") as caught:
        load_picture(Image.new("RGB", (4000, 20), (255, 255, 255)), "plain")
    assert caught.value.code == "image_too_small" and "Cut the object out" in caught.value.hint


def test_checkered_floors_are_refused():
    y, x = np.mgrid[0:200, 0:200]
    board = np.where((x // 20 + y // 20) % 2, 240, 20).astype(np.uint8)
    with pytest.raises(EngineError, match="not plain"):
        remove_plain_background(Image.fromarray(board).convert("RGB"))


def test_a_large_picture_out_of_focus():
    truth = plant().resize((1024, 1024), Image.Resampling.BICUBIC)
    result = remove_plain_background(photograph(truth, noise=3.0, jpeg=85))
    assert result.size == (1024, 1024)
    assert overlap(alpha_of(result), alpha_of(truth)) > 0.95
