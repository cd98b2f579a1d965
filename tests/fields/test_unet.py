"""The hourglass: sizes counted by hand, shapes at any size, its own randomness."""

from __future__ import annotations

import math

import pytest
import torch

from rayfield.fields.unet import SkipHourglass, convolution, layer

PAPER = {"channels": (128,) * 5, "skip": (4,) * 5}


def small(**changes) -> SkipHourglass:
    options = {"channels": (6, 8, 10), "skip": (2, 0, 3), **changes}
    return SkipHourglass(4, 3, generator=torch.Generator().manual_seed(0), **options)


def count(net: torch.nn.Module) -> int:
    return sum(p.numel() for p in net.parameters())


def counted_by_hand(inputs: int, outputs: int, channels: tuple, skip: tuple) -> int:
    """Weights and biases of every convolution, scale and shift of every normalisation."""
    total, coming = 0, inputs
    for i, width in enumerate(channels):
        below = channels[i + 1] if i + 1 < len(channels) else width
        if skip[i]:
            total += coming * skip[i] + skip[i] + 2 * skip[i]
        total += coming * width * 9 + width + 2 * width  # down, stride 2
        total += width * width * 9 + width + 2 * width
        joined = skip[i] + below
        total += 2 * joined
        total += joined * width * 9 + width + 2 * width
        total += width * width + width + 2 * width
        coming = width
    return total + channels[0] * outputs + outputs


def test_the_network_of_the_paper_has_2217831_parameters():
    assert count(SkipHourglass(32, 3, **PAPER)) == 2_217_831


@pytest.mark.parametrize(
    ("channels", "skip"),
    [((128,) * 5, (128,) * 5), ((8, 16, 32, 64, 128), (0, 0, 0, 4, 4)), ((6,), (0,))],
)
def test_parameters_are_those_counted_by_hand(channels, skip):
    net = SkipHourglass(3, 1, channels=channels, skip=skip)
    assert count(net) == counted_by_hand(3, 1, channels, skip)


@pytest.mark.parametrize("upsampling", ["bilinear", "nearest"])
@pytest.mark.parametrize("size", [(32, 32), (9, 9), (31, 50), (17, 9), (33, 10)])
def test_the_output_is_as_large_as_the_input_at_any_size(size, upsampling):
    out = small(upsampling=upsampling)(torch.rand(1, 4, *size))
    assert out.shape == (1, 3, *size)
    assert ((out > 0) & (out < 1)).all()


def test_every_scale_halves():
    net, seen = small(), []
    for name, module in net.named_modules():
        if name.endswith("down"):
            module.register_forward_hook(lambda m, i, out: seen.append(tuple(out.shape[1:])))
    net(torch.rand(1, 4, 40, 24))
    assert seen == [(6, 20, 12), (8, 10, 6), (10, 5, 3)]


def test_a_convolution_reflects_at_the_border():
    conv = convolution(1, 1, 3)
    with torch.no_grad():
        conv.weight.fill_(1)
        conv.bias.zero_()
    picture = torch.arange(12.0).reshape(1, 1, 3, 4)
    padded = torch.nn.functional.pad(picture, (1, 1, 1, 1), mode="reflect")
    corner = padded[0, 0, :3, :3].sum()
    assert conv(picture)[0, 0, 0, 0].item() == pytest.approx(corner.item())


def test_a_layer_is_convolution_normalisation_and_leaky_relu():
    block = layer(3, 5, 3, stride=2, generator=torch.Generator().manual_seed(0))
    x = torch.rand(1, 3, 8, 8)
    y = block[0](x)
    y = (y - y.mean((0, 2, 3), keepdim=True)) / (y.var((0, 2, 3), False, True) + 1e-5).sqrt()
    torch.testing.assert_close(block(x), torch.where(y > 0, y, 0.2 * y), rtol=1e-4, atol=1e-5)


def test_evaluation_mode_changes_nothing():
    net, x = small(), torch.rand(1, 4, 16, 16)
    assert torch.equal(net(x), net.eval()(x))


def test_weights_start_within_one_over_the_root_of_the_fan_in():
    conv = convolution(16, 64, 3, generator=torch.Generator().manual_seed(0))
    bound = 1 / math.sqrt(16 * 9)
    for parameter in conv.parameters():
        assert parameter.abs().max() <= bound
    assert conv.weight.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.03)


def test_only_the_given_generator_is_drawn_from():
    before = torch.get_rng_state()
    first, second = small(), small()
    assert torch.equal(torch.get_rng_state(), before)
    pairs = zip(first.parameters(), second.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
