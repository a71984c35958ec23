"""Stills and turntables as files of every kind that is offered."""

import builtins
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from engine.cli import app
from engine.render.film import BACKDROP, film_bytes
from engine.render.turntable import save_picture
from protocol.errors import EngineError
from tests.finishing.baking.scenes import uv_sphere
from tests.finishing.shapes import box


def turning_bar(count: int, size: int = 40) -> list[Image.Image]:
    """A red bar that steps from left to right over nothing."""
    pictures = []
    for k in range(count):
        pixels = np.zeros((size, size, 4), np.uint8)
        at = k * size // count
        pixels[:, at : at + size // count] = (200, 30, 20, 255)
        pictures.append(Image.fromarray(pixels))
    return pictures


def test_a_gif_turns_once_in_its_time_over_the_backdrop(tmp_path: Path) -> None:
    (tmp_path / "t.gif").write_bytes(film_bytes(".gif", turning_bar(7), 2.0))
    with Image.open(tmp_path / "t.gif") as film:
        assert getattr(film, "n_frames", 1) == 7 and film.info["loop"] == 0
        shown = 0
        for k in range(7):
            film.seek(k)
            shown += film.info["duration"]
            pixels = np.asarray(film.convert("RGB")).astype(int)
            assert np.abs(pixels[0, k * 40 // 7] - (200, 30, 20)).max() < 12
            assert np.abs(pixels[0, (k * 40 // 7 + 20) % 40] - BACKDROP).max() < 12
    assert shown == 2000


def test_an_mp4_has_every_picture_and_even_sides(tmp_path: Path) -> None:
    av = pytest.importorskip("av", reason="films in .mp4 need the extra video")
    (tmp_path / "t.mp4").write_bytes(film_bytes(".mp4", turning_bar(8, 41), 4.0))
    with av.open(str(tmp_path / "t.mp4")) as film:
        frames = [frame.to_ndarray(format="rgb24") for frame in film.decode(video=0)]
        assert film.duration == pytest.approx(4e6, abs=1e5)
    assert len(frames) == 8 and frames[0].shape == (42, 42, 3)
    for k, frame in enumerate(frames):  # colours are coded, so not exact
        assert frame[20, k * 41 // 8 + 2, 0] > frame[20, k * 41 // 8 + 2, 1] + 80
        assert np.abs(frame[20, (k * 41 // 8 + 20) % 41].astype(int) - BACKDROP).max() < 30


def test_without_its_library_an_mp4_is_refused_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = builtins.__import__

    def without_av(name: str, *rest: Any) -> Any:
        if name == "av":
            raise ImportError(name)
        return whole(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without_av)
    with pytest.raises(EngineError, match="av") as caught:
        save_picture(uv_sphere(4, 8), tmp_path / "t.mp4", size=16)
    assert caught.value.code == "video_missing" and "pip install" in caught.value.hint
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("seconds", ["inf", "nan", "1e9", "0.04"])
def test_a_time_that_no_film_has_is_refused_before_the_work(tmp_path: Path, seconds: str) -> None:
    target = tmp_path / "t.gif"
    # The mesh is not there, which reading it would tell.
    words = ["render", str(tmp_path / "a.glb"), "-o", str(target), "--seconds", seconds]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 2 and f"in {float(seconds):g} seconds is not possible" in done.stderr
    assert "0.05 to 600 seconds" in done.stderr
    with pytest.raises(EngineError) as caught:
        save_picture(uv_sphere(4, 8), target, size=16, frames=2, seconds=float(seconds))
    assert caught.value.code == "picture_frames" and not list(tmp_path.iterdir())


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".mp4"])
@pytest.mark.parametrize(("frames", "seconds"), [(7, 0.05), (1, 600.0), (7, 600.0)])
def test_films_hold_the_shortest_and_the_longest_time(
    suffix: str, frames: int, seconds: float
) -> None:
    if suffix == ".mp4":
        pytest.importorskip("av", reason="films in .mp4 need the extra video")
    assert film_bytes(suffix, turning_bar(frames), seconds)


@pytest.mark.parametrize("suffix", [".jpg", ".jpeg", ".JPG"])
def test_a_jpeg_still_lies_on_the_backdrop(tmp_path: Path, suffix: str) -> None:
    (file,) = save_picture(box((0.5, 0.5, 0.5)), tmp_path / f"a{suffix}", size=32)
    with Image.open(file) as image:
        assert image.format == "JPEG" and image.size == (32, 32)
        assert np.abs(np.asarray(image)[0, 0].astype(int) - BACKDROP).max() < 6


def test_frames_may_be_jpegs(tmp_path: Path) -> None:
    files = save_picture(uv_sphere(4, 8), tmp_path / "f_##.jpg", size=16, frames=3)
    assert [file.name for file in files] == ["f_00.jpg", "f_01.jpg", "f_02.jpg"]
