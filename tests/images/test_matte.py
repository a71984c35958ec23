"""Which way of removing a background is taken, and what the result says about it."""

import numpy as np
import pytest
from PIL import Image

from engine.images import matte as matte_module
from engine.images.matte import has_own_alpha, remove_background
from protocol.errors import EngineError
from tests.images.scenes import cup, photograph, street


class HalfNetwork:
    """Says that the left half of any picture is the object."""

    def __init__(self, value: int = 255) -> None:
        self.value = value
        self.seen: list[Image.Image] = []

    place = ("half", "")

    def ready(self) -> bool:
        return True

    def alpha(self, image: Image.Image) -> Image.Image:
        self.seen.append(image)
        mask = Image.new("L", image.size)
        mask.paste(self.value, (0, 0, image.width // 2, image.height))
        return mask


def opaque() -> Image.Image:
    return photograph(cup(), noise=2.0).convert("RGBA")


@pytest.fixture(autouse=True)
def nothing_installed(monkeypatch):
    """As on a machine without the extra, whatever this one has."""
    monkeypatch.setattr(matte_module.RembgMatte, "ready", lambda self: False)


def test_the_pictures_own_alpha_comes_first():
    network = HalfNetwork()
    image = cup()
    result = remove_background(image, network=network)
    assert result.method == "alpha"
    assert result.image is image
    assert network.seen == []


def test_an_alpha_that_is_all_but_opaque_counts_as_none():
    image = opaque()
    whole = np.asarray(remove_background(image).image)
    assert not has_own_alpha(image)
    image.putpixel((3, 3), (1, 2, 3, 254))
    image.putpixel((40, 3), (1, 2, 3, 0))
    for x in range(4):
        for y in range(4 - x):
            image.putpixel((x, y), (0, 0, 0, 0))  # a rounded corner
    assert not has_own_alpha(image)
    result = remove_background(image)
    assert result.method == "plain"
    # The corner is background, not a black speck.
    alpha = np.asarray(result.image)[..., 3]
    assert alpha[:8, :8].max() == 0
    assert (np.abs(alpha.astype(int) - whole[..., 3]) > 64).sum() <= 4


def test_a_see_through_object_without_a_clear_pixel_has_no_alpha_of_its_own():
    image = opaque()
    image.putalpha(200)
    assert remove_background(image).method == "plain"


def test_a_tenth_that_is_clear_counts():
    image = opaque()
    pixels = np.asarray(image).copy()
    pixels[: image.height // 10, :, 3] = 0
    assert remove_background(Image.fromarray(pixels)).method == "alpha"


def test_who_asks_for_alpha_gets_it_however_little_there_is():
    image = opaque()
    image.putpixel((3, 3), (1, 2, 3, 0))
    assert remove_background(image, "alpha").image is image


def test_then_the_network_which_sees_colours_only():
    network = HalfNetwork()
    image = opaque()
    result = remove_background(image, network=network)
    assert result.method == "rembg"
    assert network.seen[0].mode == "RGB"
    assert result.image.mode == "RGBA"
    pixels = np.asarray(result.image)
    assert (pixels[..., :3] == np.asarray(image)[..., :3]).all()
    assert (pixels[:, : image.width // 2, 3] == 255).all()
    assert (pixels[:, image.width // 2 :, 3] == 0).all()


def test_then_the_rule_which_is_said_in_the_result_and_in_the_log(caplog):
    with caplog.at_level("INFO"):
        result = remove_background(opaque())
    assert result.method == "plain"
    assert "plain" in result.note
    assert "plain" in caplog.text


def test_a_method_can_be_asked_for():
    network = HalfNetwork()
    assert remove_background(cup(), "rembg", network=network).method == "rembg"
    assert remove_background(opaque(), "plain", network=network).method == "plain"
    with pytest.raises(EngineError) as caught:
        remove_background(opaque(), "alpha")
    assert caught.value.code == "image_no_alpha"
    with pytest.raises(EngineError) as caught:
        remove_background(opaque(), "magic")  # type: ignore[arg-type]
    assert caught.value.code == "matte_method"


@pytest.mark.parametrize(
    ("image", "options"),
    [
        (Image.new("RGBA", (40, 30), (200, 10, 10, 0)), {}),
        (Image.new("RGBA", (40, 30), (200, 10, 10, 180)), {}),
        (Image.new("RGBA", (40, 30), (200, 10, 10, 255)), {}),
        (Image.new("RGBA", (40, 30), (200, 10, 10, 255)), {"network": HalfNetwork(9)}),
    ],
)
def test_nothing_in_front_is_an_error_with_a_remedy(image, options):
    with pytest.raises(EngineError) as caught:
        remove_background(image, **options)
    assert caught.value.code == "image_no_foreground"
    assert caught.value.hint


def test_an_uneven_background_without_a_network_names_both_remedies():
    with pytest.raises(EngineError) as caught:
        remove_background(street().convert("RGBA"))
    assert caught.value.code == "background_not_plain"
    assert "transparent background" in caught.value.hint
    assert "matte" in caught.value.hint
