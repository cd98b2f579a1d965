"""DeepSDF's decoder against the same network written plainly; sizes; codes."""

from __future__ import annotations

import pytest
import torch

from rayfield.fields.deepsdf import AutoDecoder, DeepSDFDecoder, NormedLinear, new_codes


def plainly(decoder: DeepSDFDecoder, points: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
    """Code and point side by side into the first layer, and again half-way (the readable twin)."""
    given = torch.cat([codes[:, None].expand(-1, points.shape[1], -1), points], dim=-1)
    x = given
    for index, layer in enumerate(decoder.layers):
        if index == decoder.skip:
            x = torch.cat([x, given], dim=-1)
        weight = layer.gain[:, None] * layer.direction / layer.direction.norm(dim=1, keepdim=True)
        x = torch.relu(x @ weight.T + layer.bias)
    return torch.tanh(x @ decoder.output.weight.T + decoder.output.bias)[..., 0]


def test_the_decoder_equals_its_twin_in_values_and_gradients(generator):
    decoder = DeepSDFDecoder(24, 4, code=5, generator=generator)
    points = torch.randn(3, 11, 3, generator=generator)
    found = []
    for function in (decoder, lambda p, c: plainly(decoder, p, c)):
        codes = torch.randn(3, 5, generator=torch.Generator().manual_seed(1)).requires_grad_()
        values = function(points, codes)
        (gradient,) = torch.autograd.grad(values.square().sum(), [codes])
        found.append((values, gradient))
    for ours, twin in zip(*found, strict=True):
        torch.testing.assert_close(ours, twin, rtol=1e-4, atol=1e-6)


def test_the_papers_decoder_has_the_papers_sizes():
    decoder = DeepSDFDecoder(512, 8, code=256)
    total = sum(p.numel() for p in decoder.parameters())
    gains = sum(layer.gain.numel() for layer in decoder.layers)
    assert total == 1_843_195
    assert total - gains == 1_839_358
    assert decoder.layers[3].direction.shape == (253, 512)


def test_weight_norm_changes_nothing_at_the_start(generator):
    layer = NormedLinear(7, 5, generator=generator)
    torch.testing.assert_close(layer.weight(), layer.direction)


def test_dropout_needs_a_generator_and_keeps_the_mean(generator):
    decoder = DeepSDFDecoder(64, 2, code=4, dropout=0.5, generator=generator)
    points, codes = torch.randn(1, 9, 3, generator=generator), torch.zeros(1, 4)
    assert torch.equal(decoder(points, codes), decoder(points, codes))
    drawn = decoder(points, codes, generator=generator)
    assert not torch.equal(drawn, decoder(points, codes))
    assert not torch.equal(drawn, decoder(points, codes, generator=generator))


def test_codes_are_cut_to_length_one_and_no_others_are_touched(generator):
    codes = new_codes(4, 8, generator=generator)
    with torch.no_grad():
        codes[1] *= 100
        codes[2] *= 100
    model = AutoDecoder(DeepSDFDecoder(16, 2, code=8, generator=generator), codes)
    before = codes.detach().clone()
    got = model.bounded(torch.tensor([0, 1]))
    assert float(got[1].detach().norm()) == pytest.approx(1, rel=1e-5)
    assert torch.equal(codes[2:], before[2:])
    assert float(new_codes(2000, 16, generator=generator).detach().std()) == pytest.approx(
        0.25, rel=0.05
    )


def test_a_code_wider_than_the_layers_is_refused():
    with pytest.raises(ValueError, match="narrower"):
        DeepSDFDecoder(16, 4, code=16)


@pytest.mark.parametrize("width", [16, 256])
def test_no_point_starts_beyond_the_clamp(width, generator):
    """There its gradient would be zero, whatever the truth."""
    decoder = DeepSDFDecoder(width, 4, code=8, generator=generator)
    points = 2 * torch.rand(4, 200, 3, generator=generator) - 1
    with torch.no_grad():
        assert float(decoder(points, new_codes(4, 8, generator=generator)).abs().max()) < 0.1
