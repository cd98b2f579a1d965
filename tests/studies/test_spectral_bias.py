"""The study of learning rates on the circle, at a size that takes a moment."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch

from rayfield.math.tangent_kernel import circle_eigenvalue
from rayfield.studies import circle, spectral_bias
from rayfield.studies.circle import FREQUENCIES, RATE, Size


def silent(done: float, what: str) -> None:
    """No progress line."""


def test_the_rate_fitted_to_an_exact_decay_is_its_rate():
    for rate in (1e-4, 2e-3, 0.05):
        amplitude = 3 * (1 - RATE * rate) ** np.arange(500)
        assert circle.fitted_rate(amplitude) == pytest.approx(rate, rel=1e-6)


def test_amplitudes_of_the_target_are_one_at_every_frequency():
    t = 2 * math.pi * torch.arange(64) / 64
    found = circle.amplitudes(circle.target(t)[None], t)
    torch.testing.assert_close(found, torch.ones(1, len(FREQUENCIES)), rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", spectral_bias.INPUTS)
def test_inputs_are_unit_vectors(name):
    t = 2 * math.pi * torch.arange(20) / 20
    norms = circle.inputs(name, t).norm(dim=1)
    torch.testing.assert_close(norms, torch.ones(20))


def test_theory_of_fourier_features_is_nearly_flat_up_to_their_highest_band():
    rates = [circle.theory_rate("Fourier features", k) for k in (2, 14)]
    assert rates[0] / rates[1] < 1.3
    assert circle.theory_rate("Fourier features", 40) < 0.1 * rates[1]
    assert circle.theory_rate("bias", 6) == circle_eigenvalue(6, bias=True)


def test_the_network_starts_at_zero_and_descends():
    t = 2 * math.pi * torch.arange(40) / 40
    y = circle.target(t)
    x = circle.inputs("bias", t)
    values = circle.descend(x, y, Size(40, 64, 30), bias=True, report=silent)
    assert values.shape == (30, 40)
    torch.testing.assert_close(values[0], torch.zeros(40), rtol=0, atol=1e-4)
    losses = (values - y).square().mean(dim=1)
    assert (losses[1:] < losses[:-1]).all()


def test_one_step_is_gradient_descent_on_half_the_mean_squared_error(generator):
    """Against autograd, for the first step of a small network."""
    t = 2 * math.pi * torch.arange(12) / 12
    x, y = circle.inputs("no bias", t), circle.target(t)
    values = circle.descend(x, y, Size(12, 8, 2), bias=False, report=silent)
    half = circle.SPREAD * torch.randn(4, 2, generator=torch.Generator().manual_seed(0))
    weights = torch.cat([half, half]).requires_grad_()
    signs = torch.tensor([1.0] * 4 + [-1.0] * 4) / math.sqrt(8)
    (0.5 * (torch.relu(x @ weights.T) @ signs - y).square().mean()).backward()
    with torch.no_grad():
        expected = torch.relu(x @ (weights - RATE * weights.grad).T) @ signs
    torch.testing.assert_close(values[1], expected, rtol=1e-3, atol=1e-4)


def test_the_study_writes_its_figure_and_agrees_with_the_theory(tmp_path):
    found = spectral_bias.examine(tmp_path, Size(64, 1024, 400), silent)
    assert (tmp_path / "figure.png").stat().st_size > 10_000
    json.dumps(found.numbers)
    fitted, theory = (found.numbers[f"{kind}_rates"] for kind in ("fitted", "theory"))
    for name in spectral_bias.INPUTS:
        for f, t, k in zip(fitted[name], theory[name], FREQUENCIES, strict=True):
            if t > 0 and k <= 7:  # higher ones need a wider network and more steps
                assert f == pytest.approx(t, rel=0.25), (name, k)
            if t == 0:
                assert abs(f) < 1e-6
    again = spectral_bias.examine(tmp_path, Size(64, 1024, 400), silent)
    assert again.numbers == found.numbers
