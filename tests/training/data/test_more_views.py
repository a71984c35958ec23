"""More pictures of toys: of every style, resumable, and seen by data sets."""

from pathlib import Path

import numpy as np
import pytest
import torch

from engine.networks.small_encoder import SmallEncoder, SmallEncoderConfig
from engine.training.data import odd_views
from engine.training.data.dataset import Dataset
from engine.training.data.more_views import add_views, more_views
from engine.training.data.odd_views import odd_picture, plain_picture
from engine.training.tasks.image_encoder import EncoderTask
from engine.training.toybox import make_toy
from tests.training.folders import build_toys, files_of

MESH = make_toy(4, "mushroom").mesh


@pytest.mark.parametrize("style", ["room", "photograph", "drawing", "flat"])
def test_every_style_shows_the_toy_in_its_colours(
    style: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(odd_views, "_SHARES", [float(s == style) for s in odd_views._STYLES])
    random = np.random.default_rng(3)
    pictures = [odd_picture(MESH, random, 96) for _ in range(6)]
    plain = plain_picture(MESH, 96)
    for picture in pictures:
        assert picture.shape == (96, 96, 4) and picture.dtype == np.uint8
        opaque = picture[..., 3] > 200
        assert 0.05 < opaque.mean() < 0.9
    wanted = plain[plain[..., 3] > 200][:, :3].mean(axis=0)
    mean = np.mean([p[p[..., 3] > 200][:, :3].mean(axis=0) for p in pictures], axis=0)
    np.testing.assert_allclose(mean, wanted, atol=60)
    assert not np.array_equal(pictures[0], pictures[1])


def test_what_the_rule_cannot_cut_out_keeps_its_true_outline() -> None:
    rgba = np.zeros((64, 64, 4), np.uint8)
    rgba[20:44, 20:44] = (200, 30, 30, 255)
    noisy = odd_views._photographed(rgba, np.random.default_rng(0))
    assert (noisy[..., 3] > 127).sum() == pytest.approx(24 * 24, rel=0.1)


def test_views_are_added_once_and_the_same_after_a_stop(tmp_path: Path) -> None:
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    for folder in (whole, stopped):
        build_toys(folder)
    assert more_views(whole) == 0 and Dataset(whole).views == 2
    add_views(whole, 3)

    def stop(done: int, total: int) -> None:
        if done == 2:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        add_views(stopped, 3, on_progress=stop)
    assert more_views(stopped) == 0 and Dataset(stopped).views == 2
    add_views(stopped, 3)
    assert files_of(stopped) == files_of(whole)
    data = Dataset(whole)
    assert data.views == 5
    assert data.picture(0, 4).shape == (24, 24, 4)


def test_the_encoder_learns_from_them_with_a_trunk_that_stays_as_it_is(tmp_path: Path) -> None:
    build_toys(tmp_path)
    add_views(tmp_path, 2)
    config = SmallEncoderConfig(
        image_size=64, model_channels=96, num_blocks=1, num_lift_blocks=1, trunk=True
    )
    torch.manual_seed(0)
    encoder = SmallEncoder(config)
    task = EncoderTask(
        torch.nn.ModuleDict({"image_encoder": encoder}), Dataset(tmp_path), torch.device("cpu"),
        batch_size=3, resolution=32,
    )  # fmt: skip
    random = np.random.default_rng(0)
    batch = task.batch(random)
    assert batch.seen is not None and encoder.trunk is not None
    for kept, fresh in zip(batch.seen, encoder.trunk(batch.pixels), strict=True):
        torch.testing.assert_close(kept, fresh, rtol=2e-3, atol=2e-3)  # kept in 16 bits
    loss, _ = task.loss(batch, torch.Generator())
    loss.backward()
    assert encoder.from_trunk is not None
    gradients = [p.grad for p in encoder.from_trunk.parameters() if p.grad is not None]
    assert max(float(gradient.abs().max()) for gradient in gradients) > 0
    assert all(parameter.grad is None for parameter in encoder.trunk.parameters())
