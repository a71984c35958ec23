"""EfficientNet-Lite0 against numbers of the package efficientnet-lite-pytorch 0.1.0."""

import pytest
import torch
from torch import Tensor

from engine.networks.efficientnet_lite import EfficientNetLite0, folded_weights
from engine.networks.small_encoder import SmallEncoder, SmallEncoderConfig

# Every 14th and every 24th channel at row 1, column 2, of that package's network with the weights
# and the picture below, before its blocks 11 and 15.
FINE = [-5.3288, -4.2361, -4.2691, 3.711, 4.1664, 3.8699, 1.7765, 1.3297]
COARSE = [0.2448, 4.2288, 4.3934, 1.0174, -0.6347, -6.3337, -2.7186, -4.0708]
INNER = (32, 96, 144, 144, 240, 240, 480, 480, 480, 672, 672, 672, 1152, 1152, 1152)
OUTER = (16, 24, 24, 40, 40, 80, 80, 80, 112, 112, 112, 192, 192, 192, 192)
KERNELS = (3, 3, 3, 5, 5, 3, 3, 3, 5, 5, 5, 5, 5, 5, 5)


def published() -> dict[str, Tensor]:
    """Weights under the package's names, in the order of its network."""
    random = torch.Generator().manual_seed(14)
    weights: dict[str, Tensor] = {}

    def add(conv: str, norm: str, *shape: int) -> None:
        inputs = shape[1] * shape[2] * shape[3]
        weights[f"{conv}.weight"] = torch.randn(shape, generator=random) * (2 / inputs) ** 0.5
        n = shape[0]
        weights[f"{norm}.weight"] = 0.7 + 0.6 * torch.rand(n, generator=random)
        weights[f"{norm}.bias"] = 0.2 * torch.randn(n, generator=random)
        weights[f"{norm}.running_mean"] = 0.2 * torch.randn(n, generator=random)
        weights[f"{norm}.running_var"] = 0.5 + torch.rand(n, generator=random)

    add("_conv_stem", "_bn0", 32, 3, 3, 3)
    before = 32
    for number, (inner, outer, side) in enumerate(zip(INNER, OUTER, KERNELS, strict=True)):
        block = f"_blocks.{number}"
        if number:
            add(f"{block}._expand_conv", f"{block}._bn0", inner, before, 1, 1)
        add(f"{block}._depthwise_conv", f"{block}._bn1", inner, 1, side, side)
        add(f"{block}._project_conv", f"{block}._bn2", outer, inner, 1, 1)
        before = outer
    return weights


def test_equals_the_package() -> None:
    network = EfficientNetLite0()
    network.load_state_dict(folded_weights(published()))
    pixels = torch.randn(1, 3, 64, 96, generator=torch.Generator().manual_seed(15))
    with torch.inference_mode():
        fine, coarse = network(pixels)
    assert fine.shape == (1, 112, 4, 6) and coarse.shape == (1, 192, 2, 3)
    torch.testing.assert_close(fine[0, ::14, 1, 2], torch.tensor(FINE), rtol=0, atol=2e-4)
    torch.testing.assert_close(coarse[0, ::24, 1, 2], torch.tensor(COARSE), rtol=0, atol=2e-4)


def test_a_trunk_adds_to_what_the_encoder_sees_once_its_layer_has_learned() -> None:
    config = SmallEncoderConfig(image_size=64, num_blocks=1, num_lift_blocks=1, trunk=True)
    torch.manual_seed(0)
    encoder = SmallEncoder(config).eval()
    assert encoder.trunk is not None and encoder.from_trunk is not None
    encoder.trunk.load_state_dict(folded_weights(published()))
    pixels = torch.randn(2, 3, 64, 64)
    with torch.inference_mode():
        first = encoder(pixels)
        torch.testing.assert_close(first, encoder(pixels, seen=_nothing()))
        for parameter in encoder.from_trunk.parameters():
            torch.nn.init.normal_(parameter)
        assert float((encoder(pixels) - first).abs().max()) > 0.1
        torch.testing.assert_close(encoder(pixels), encoder(pixels, encoder.trunk(pixels)))
    assert not any(parameter.requires_grad for parameter in encoder.trunk.parameters())


def test_a_trunk_wants_sides_that_it_can_halve_five_times() -> None:
    with pytest.raises(ValueError, match="not a multiple of 32"):
        SmallEncoderConfig(image_size=80, trunk=True)


def _nothing() -> tuple[Tensor, Tensor]:
    return torch.zeros(2, 112, 4, 4), torch.zeros(2, 192, 2, 2)
