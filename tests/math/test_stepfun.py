"""Histograms on a line against closed forms and a plain-Python oracle."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from rayfield.math import stepfun


def histogram(generator, rays=5, bins=12):
    edges = torch.rand(rays, bins + 1, generator=generator, dtype=torch.float64).cumsum(-1)
    return edges, torch.rand(rays, bins, generator=generator, dtype=torch.float64)


def reference_sample(bins, weights, u):
    """The released code's formula (sample_pdf), one ray, one draw at a time."""
    p = (weights + 1e-5) / (weights + 1e-5).sum()
    F = np.concatenate([[0.0], np.cumsum(p)])
    found = []
    for x in u:
        index = int((x >= F).sum())
        below, above = max(0, index - 1), min(len(F) - 1, index)
        step = F[above] - F[below]
        fraction = (x - F[below]) / (step if step >= 1e-5 else 1.0)
        found.append(bins[below] + fraction * (bins[above] - bins[below]))
    return np.array(found)


def test_sampling_agrees_with_the_released_formula(generator):
    edges, w = histogram(generator)
    w[:, 3:6] = 0.0
    w[0] = 0.0
    got = stepfun.sample(edges, w, 40)
    u = np.linspace(0, 1, 40)
    for ray in range(len(edges)):
        wanted = reference_sample(edges[ray].numpy(), w[ray].numpy(), u)
        np.testing.assert_allclose(got[ray].numpy(), wanted, atol=1e-10)


def test_sampling_agrees_with_the_released_formula_in_bins_of_hardly_any_weight():
    """A bin of less than 1e-5 of all weight is divided by 1 instead."""
    edges = torch.arange(4.0, dtype=torch.float64)[None]
    w = torch.tensor([[1000.0, 0.0, 1000.0]], dtype=torch.float64)
    F = stepfun.cdf(w + stepfun.PADDING)
    u = torch.tensor([[0.2, 0.5 + 2e-9, 0.9]], dtype=torch.float64)
    got = stepfun.invert(edges, F, u)
    wanted = reference_sample(edges[0].numpy(), w[0].numpy(), u[0].numpy())
    np.testing.assert_allclose(got[0].numpy(), wanted, atol=1e-10)
    assert got[0, 1] == pytest.approx(1.0, abs=1e-8)  # not 1.4, as the share of the bin would be


def test_equal_weights_on_equal_bins_give_equally_spaced_places_from_edge_to_edge():
    edges = torch.linspace(2, 6, 9, dtype=torch.float64)[None]
    got = stepfun.sample(edges, torch.ones(1, 8, dtype=torch.float64), 21)
    torch.testing.assert_close(got[0], torch.linspace(2, 6, 21, dtype=torch.float64))


def test_a_bin_with_all_weight_gets_all_but_the_padding():
    n, bins = 10_000, 50
    w = torch.zeros(1, bins)
    w[0, 17] = 1.0
    got = stepfun.sample(torch.linspace(0, 1, bins + 1)[None], w, n)
    inside = ((got >= 17 / bins - 1e-6) & (got <= 18 / bins + 1e-6)).float().mean()
    padding = bins * stepfun.PADDING
    assert inside >= 1 - padding / (1 + padding) - 3 / n  # and the two ends


@pytest.mark.parametrize("stratified", [False, True])
def test_draws_are_distributed_as_the_weights(stratified, generator):
    """Chi-square with 7 degrees of freedom; stratified draws stay far below it."""
    w = torch.tensor([[1.0, 4, 2, 0.5, 3, 3, 1, 2]])
    edges = torch.tensor([[0, 0.1, 0.3, 0.4, 0.7, 0.75, 1.0, 1.5, 1.6]])
    n = 20_000
    drawn = stepfun.sample(edges, w, n, generator=generator, stratified=stratified)
    counts = torch.histogram(drawn[0], edges[0]).hist
    expected = n * w[0] / w.sum()
    chi_square = ((counts - expected) ** 2 / expected).sum()
    assert counts.sum() == n
    assert chi_square < (0.1 if stratified else 18.5)  # 99th percentile


def test_stratified_draws_ascend_with_one_in_each_step_of_u(generator):
    edges, w = histogram(generator)
    drawn = stepfun.sample(edges, w, 16, generator=generator, stratified=True)
    assert (drawn.diff(dim=-1) >= 0).all()
    borders = stepfun.invert(
        edges, stepfun.cdf(w + stepfun.PADDING), torch.linspace(0, 1, 17).double().expand(5, 17)
    )
    assert ((drawn >= borders[:, :-1] - 1e-9) & (drawn <= borders[:, 1:] + 1e-9)).all()


def test_places_carry_no_gradient(generator):
    edges, w = (x.requires_grad_() for x in histogram(generator))
    assert not stepfun.sample(edges, w, 7).requires_grad


def test_inverting_a_distribution_undoes_it(generator):
    edges, w = histogram(generator)
    F = stepfun.cdf(w + 0.1)
    torch.testing.assert_close(stepfun.invert(edges, F, F), edges)


def test_cdf_runs_from_0_to_1_and_pdf_integrates_to_the_weight(generator):
    edges, w = histogram(generator)
    F = stepfun.cdf(w)
    assert (F[:, 0] == 0).all()
    torch.testing.assert_close(F[:, -1], torch.ones(5, dtype=torch.float64))
    assert (F.diff(dim=-1) >= 0).all()
    torch.testing.assert_close(stepfun.pdf(edges, w) * edges.diff(dim=-1), w)


def test_a_bin_without_width_has_no_density():
    p = stepfun.pdf(torch.tensor([0.0, 1.0, 1.0]), torch.tensor([1.0, 1.0]))
    assert p.tolist() == [1.0, 0.0]


def test_merging_keeps_every_place_in_order(generator):
    a, b = torch.rand(3, 5, generator=generator), torch.rand(3, 8, generator=generator)
    merged = stepfun.merge(a, b)
    assert merged.shape == (3, 13)
    for row in range(3):
        assert merged[row].tolist() == sorted(a[row].tolist() + b[row].tolist())
