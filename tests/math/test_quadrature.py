"""Closed forms of the emission-absorption model against the dense quadrature."""

from __future__ import annotations

import math

import pytest
import torch

from rayfield.math import quadrature as q

F64 = {"dtype": torch.float64}


def close(actual, expected, tol=1e-10):
    expected = torch.as_tensor(expected, **F64).expand_as(actual)
    torch.testing.assert_close(actual.double(), expected, rtol=tol, atol=tol)


def lengths(edges):
    return edges[..., 1:] - edges[..., :-1]


def ragged_edges(generator, low, high, n):
    inner = torch.rand(n - 1, generator=generator, **F64).sort().values
    return torch.cat([torch.zeros(1, **F64), inner, torch.ones(1, **F64)]) * (high - low) + low


def medium(generator, n=12, rays=5):
    """Random densities (some empty, some opaque), lengths, colours and backgrounds."""
    sigma = 10 ** (4 * torch.rand(rays, n, generator=generator, **F64) - 2)
    sigma[0] = 0
    sigma[1, n // 2] = 1e6
    delta = torch.rand(rays, n, generator=generator, **F64)
    color = torch.rand(rays, n, 3, generator=generator, **F64)
    return sigma, delta, color, torch.rand(rays, 3, generator=generator, **F64)


@pytest.mark.parametrize("n", [1, 2, 7, 64])
def test_slab_opacity_is_exact_for_any_partition(generator, n):
    edges = ragged_edges(generator, 0.3, 2.3, n)
    w = q.weights(torch.full((n,), 1.7, **F64), lengths(edges))
    close(q.opacity(w), 1 - math.exp(-1.7 * 2))
    color = q.composite(w, torch.full((n, 1), 0.25, **F64), torch.full((1,), 0.75, **F64))
    close(color, 0.25 * (1 - math.exp(-3.4)) + 0.75 * math.exp(-3.4))


def test_weights_and_residual_transmittance_sum_to_one(generator):
    sigma, delta, _, _ = medium(generator)
    close(q.opacity(q.weights(sigma, delta)) + q.transmittance(sigma, delta)[..., -1], 1.0)


def test_weights_are_non_negative_and_transmittance_falls_from_one(generator):
    sigma, delta, _, _ = medium(generator)
    T = q.transmittance(sigma, delta)
    assert (q.weights(sigma, delta) >= 0).all()
    assert (T[..., 0] == 1).all()
    assert (T[..., 1:] <= T[..., :-1]).all()


def test_splitting_cells_changes_nothing(generator):
    sigma, delta, color, background = medium(generator)
    split = torch.rand(delta.shape, generator=generator, **F64)
    halves = torch.stack([delta * split, delta * (1 - split)], dim=-1).flatten(-2)
    w = q.weights(sigma, delta)
    w2 = q.weights(sigma.repeat_interleave(2, -1), halves)
    close(w2.unflatten(-1, (-1, 2)).sum(-1), w)
    colors = color.repeat_interleave(2, -2)
    close(q.composite(w2, colors, background), q.composite(w, color, background))


@pytest.mark.parametrize("scale", [1e-3, 0.5, 7.0])
def test_stretching_lengths_and_diluting_density_changes_nothing(generator, scale):
    sigma, delta, _, _ = medium(generator)
    close(q.weights(sigma / scale, delta * scale), q.weights(sigma, delta))


def test_unnormalised_directions_need_lengths_times_their_norm(generator):
    sigma, delta, _, _ = medium(generator)
    norm = 2.5
    per_parameter = delta / norm  # the same points, t measured in steps of |d|
    close(q.weights(sigma, per_parameter * norm), q.weights(sigma, delta))
    assert (q.weights(sigma, per_parameter) - q.weights(sigma, delta)).abs().max() > 1e-3


def test_uniform_colour_over_itself_is_that_colour(generator):
    sigma, delta, _, background = medium(generator)
    w = q.weights(sigma, delta)
    uniform = torch.full((5, 12, 3), 0.6, **F64)
    close(q.composite(w, uniform, torch.full((3,), 0.6, **F64)), 0.6)
    A = q.opacity(w)[:, None]
    close(q.composite(w, uniform, background), A * 0.6 + (1 - A) * background)


def test_empty_space_shows_the_background_without_nan():
    sigma = torch.zeros(4, requires_grad=True, **F64)
    color = torch.rand(4, 3, **F64).requires_grad_()
    edges = torch.linspace(0, 1, 5, **F64)
    w = q.weights(sigma, lengths(edges))
    out = q.composite(w, color, torch.tensor([0.1, 0.2, 0.3], **F64))
    depth = q.expected_depth(w, q.midpoints(edges)) + q.median_depth(sigma, edges)
    close(out.detach(), [0.1, 0.2, 0.3])
    assert q.opacity(w) == 0
    assert depth == 0
    (out.sum() + depth + q.hit_points(sigma, edges).sum()).backward()
    assert (color.grad == 0).all()
    assert sigma.grad.isfinite().all()


def test_opaque_first_cell_hides_everything_behind_it():
    sigma = torch.tensor([1e6, 3.0, 4.0], requires_grad=True, **F64)
    color = torch.rand(3, 3, **F64).requires_grad_()
    out = q.composite(q.weights(sigma, torch.ones(3, **F64)), color, torch.zeros(3, **F64))
    close(out.detach(), color[0].detach())
    out.sum().backward()
    assert (sigma.grad[1:] == 0).all()
    assert (color.grad[1:] == 0).all()


def test_two_slabs_with_a_gap_follow_their_formula_and_their_order_matters():
    background = torch.tensor([0.5], **F64)
    delta = torch.tensor([0.5, 2.0, 0.25], **F64)

    def seen(s1, L1, c1, s2, L2, c2):
        a1, a2 = 1 - math.exp(-s1 * L1), 1 - math.exp(-s2 * L2)
        return a1 * c1 + (1 - a1) * a2 * c2 + (1 - a1) * (1 - a2) * 0.5

    def rendered(sigma, order, color):
        w = q.weights(torch.tensor(sigma, **F64), delta[order])
        return q.composite(w, torch.tensor(color, **F64)[:, None], background)

    near = rendered([1.5, 0.0, 4.0], [0, 1, 2], [0.9, 0.0, 0.2])
    far = rendered([4.0, 0.0, 1.5], [2, 1, 0], [0.2, 0.0, 0.9])
    close(near, seen(1.5, 0.5, 0.9, 4.0, 0.25, 0.2))
    close(far, seen(4.0, 0.25, 0.2, 1.5, 0.5, 0.9))
    assert (near - far).abs() > 0.05
    same = rendered([1.5, 0.0, 4.0], [0, 1, 2], [0.9, 0.0, 0.9])
    close(same, rendered([4.0, 0.0, 1.5], [2, 1, 0], [0.9, 0.0, 0.9]))


def test_slab_coloured_by_depth_has_its_closed_form():
    s, L = 1.3, 2.0
    edges = torch.linspace(0, L, 6, **F64)
    sigma = torch.full((5,), s, **F64)
    w = q.weights(sigma, lengths(edges))
    color = q.hit_points(sigma, edges)[:, None]  # the mean of c(t) = t over each cell
    expected = (1 - math.exp(-s * L) * (1 + s * L)) / s
    close(q.composite(w, color, torch.zeros(1, **F64)), expected)


@pytest.mark.parametrize(("rule", "order"), [("left", 1.0), ("middle", 2.0)])
def test_quadrature_converges_at_the_order_of_its_sampling_rule(rule, order):
    a, b, end = 2.0, 0.7, 4.0  # exponential medium a exp(-b t), residual closed form
    exact = math.exp(-(a / b) * (1 - math.exp(-b * end)))
    cells = [16, 32, 64, 128, 256]
    errors = []
    for n in cells:
        edges = torch.linspace(0, end, n + 1, **F64)
        t = edges[:-1] if rule == "left" else q.midpoints(edges)
        T = q.transmittance(a * torch.exp(-b * t), lengths(edges))[-1]
        errors.append(abs(T.item() - exact))
    x, y = torch.tensor(cells, **F64).log(), torch.tensor(errors, **F64).log()
    slope = ((x - x.mean()) * (y - y.mean())).sum() / ((x - x.mean()) ** 2).sum()
    assert -slope == pytest.approx(order, abs=0.06)


def test_exponential_medium_lets_through_its_residual():
    edges = torch.linspace(0, 60, 200_001, **F64)
    T = q.transmittance(0.8 * torch.exp(-0.5 * q.midpoints(edges)), lengths(edges))[-1]
    close(T, math.exp(-0.8 / 0.5), tol=1e-8)


def test_linear_ramp_has_rayleigh_mean_and_median_depth():
    k = 3.0
    edges = torch.linspace(0, 8, 40_001, **F64)
    sigma = k * q.midpoints(edges)
    w = q.weights(sigma, lengths(edges))
    close(q.expected_depth(w, q.midpoints(edges)), math.sqrt(math.pi / (2 * k)), tol=1e-7)
    close(q.median_depth(sigma, edges), math.sqrt(2 * math.log(2) / k), tol=1e-7)


def test_ball_opacity_follows_its_chord_and_its_depths_add_up_to_its_volume():
    s, R, n = 0.9, 0.8, 400
    p = (torch.arange(n, **F64) + 0.5) / n  # impact parameters 0..1: some miss
    half = (R**2 - p**2).clamp(min=0).sqrt()
    edges = torch.stack([-half, half], dim=-1)
    sigma = torch.full((n, 1), s, **F64)
    opacity = q.opacity(q.weights(sigma, lengths(edges)))
    close(opacity, 1 - torch.exp(-2 * s * half))
    assert (opacity[p >= R] == 0).all()
    tau = q.optical_depth(sigma, lengths(edges))[:, -1]
    close((tau * 2 * math.pi * p / n).sum(), s * 4 / 3 * math.pi * R**3, tol=1e-3)


def test_gaussian_blob_has_its_optical_depth_and_mass():
    A, v = 1.7, 0.3
    grid = torch.linspace(-8 * v, 8 * v, 161, **F64)
    mid = q.midpoints(grid)
    y, z = torch.meshgrid(mid, mid, indexing="ij")
    r2 = (y**2 + z**2)[..., None] + mid**2
    tau = q.optical_depth(A * torch.exp(-r2 / (2 * v**2)), lengths(grid).expand_as(r2))[..., -1]
    cell = (grid[1] - grid[0]) ** 2
    close(tau.sum() * cell, A * (2 * math.pi) ** 1.5 * v**3)
    through = A * torch.exp(-(mid**2) / (2 * v**2))
    total = A * v * math.sqrt(2 * math.pi)
    close(q.opacity(q.weights(through, lengths(grid))), 1 - math.exp(-total))


def test_opaque_wall_gives_its_own_colour_and_depth():
    edges = torch.tensor([0.0, 2.0, 2.0 + 1e-6, 5.0], **F64)
    sigma = torch.tensor([0.0, 1e9, 1.0], **F64)
    w = q.weights(sigma, lengths(edges))
    close(w, [0.0, 1.0, 0.0])
    close(q.expected_depth(w, q.midpoints(edges)), 2.0, tol=1e-6)
    close(q.median_depth(sigma, edges), 2.0, tol=1e-6)


def test_colour_gradient_by_density_is_sample_minus_what_lies_behind(generator):
    sigma, delta, color, background = medium(generator)
    sigma.requires_grad_()
    w, T = q.weights(sigma, delta), q.transmittance(sigma, delta)
    q.composite(w, color, background).sum().backward()
    wc = (w[..., None] * color).detach().sum(-1)
    behind = (
        wc.flip(-1).cumsum(-1).flip(-1) - wc + T[..., -1:].detach() * background.sum(-1)[:, None]
    )
    close(sigma.grad, delta * (T[..., 1:].detach() * color.sum(-1) - behind))


def test_gradients_match_finite_differences(generator):
    sigma = torch.rand(2, 5, generator=generator, **F64).requires_grad_()
    edges = torch.rand(2, 6, generator=generator, **F64).sort(-1).values.requires_grad_()
    color = torch.rand(2, 5, 3, generator=generator, **F64).requires_grad_()

    def everything(sigma, edges, color):
        w = q.weights(10 * sigma, lengths(edges))
        t = q.hit_points(10 * sigma, edges)
        rgb = q.composite(w, color, torch.ones(3, **F64))
        return rgb, q.expected_depth(w, t), q.median_depth(10 * sigma, edges)

    assert torch.autograd.gradcheck(everything, (sigma, edges, color))


def test_colour_gradients_sum_to_opacity_and_opacity_gradients_share_one_factor(generator):
    sigma, delta, color, background = medium(generator)
    sigma.requires_grad_()
    color.requires_grad_()
    w = q.weights(sigma, delta)
    (grad_color,) = torch.autograd.grad(
        q.composite(w, color, background)[:, 0].sum(), color, retain_graph=True
    )
    close(grad_color[..., 0].sum(-1), q.opacity(w).detach())
    (grad_sigma,) = torch.autograd.grad(q.opacity(w).sum(), sigma)
    close(grad_sigma / delta, q.transmittance(sigma, delta)[..., -1:].detach().expand_as(delta))


def test_front_to_back_equals_back_to_front_over(generator):
    sigma, delta, color, background = medium(generator)
    front = q.composite(q.weights(sigma, delta), color, background)
    alpha = q.alpha(sigma, delta)
    back = background
    for i in reversed(range(delta.shape[-1])):
        back = alpha[:, i, None] * color[:, i] + (1 - alpha[:, i, None]) * back
    close(front, back)


def test_transmittance_multiplies_over_consecutive_stretches(generator):
    sigma, delta, _, _ = medium(generator)
    first = q.transmittance(sigma[:, :5], delta[:, :5])[:, -1]
    second = q.transmittance(sigma[:, 5:], delta[:, 5:])[:, -1]
    close(q.transmittance(sigma, delta)[:, -1], first * second)


def test_log_space_agrees_with_products_and_survives_great_depth(generator):
    sigma = 3 * torch.rand(64, 50, generator=generator)
    delta = torch.full_like(sigma, 0.1)
    alpha = 1 - torch.exp(-sigma.double() * delta)
    product = torch.cat([torch.ones(64, 1), (1 - alpha).cumprod(-1)[:, :-1]], -1) * alpha
    torch.testing.assert_close(q.weights(sigma, delta).double(), product, atol=1e-6, rtol=1e-5)
    deep = q.transmittance(torch.full((200,), 1.0, **F64), torch.ones(200, **F64))[-1]
    assert deep.item() == pytest.approx(math.exp(-200), rel=1e-10)


def test_thin_cells_keep_all_their_digits():
    alpha = q.alpha(torch.tensor([1e-9], dtype=torch.float32), torch.ones(1))
    assert alpha.item() == pytest.approx(1e-9, rel=1e-6)


def test_exact_cell_depth_of_a_slab_is_its_mean_free_path():
    s, L = 2.0, 1.5
    edges = torch.tensor([0.0, L], **F64)
    sigma = torch.tensor([s], **F64)
    close(q.hit_points(sigma, edges), 1 / s - L / (math.exp(s * L) - 1))
    infinite = torch.tensor([0.0, 1e4], **F64)
    close(q.hit_points(sigma, infinite), 1 / s)
    close(q.hit_points(torch.zeros(1, **F64), edges), L / 2)


@pytest.mark.parametrize("tau", [0.05, 0.0999, 0.1001, 0.4, 30.0])
def test_exact_cell_depth_joins_its_series_to_its_closed_form(tau):
    actual = q.hit_points(torch.tensor([tau], **F64), torch.tensor([0.0, 1.0], **F64))
    close(actual, 1 / tau - 1 / (math.exp(tau) - 1), tol=1e-12)


def test_midpoint_depth_of_a_slab_converges_at_second_order():
    s, L = 2.0, 1.5
    exact = 1 / s - L / (math.exp(s * L) - 1)

    def error(n):
        edges = torch.linspace(0, L, n + 1, **F64)
        w = q.weights(torch.full((n,), s, **F64), lengths(edges))
        return abs(q.expected_depth(w, q.midpoints(edges)).item() - exact)

    assert error(32) / error(64) == pytest.approx(4, abs=0.05)


def test_median_depth_of_a_slab_is_ln2_over_sigma_or_missing(generator):
    edges = ragged_edges(generator, 0.0, 1.0, 9)
    sigma = torch.tensor([[2.0], [0.5]], **F64).expand(2, 9)  # s L above and below ln 2
    close(q.median_depth(sigma, edges.expand(2, -1)), [math.log(2) / 2, 0.0])


def test_free_flight_monte_carlo_agrees_with_the_quadrature(generator):
    edges = torch.linspace(0, 3, 41, **F64)
    t = q.midpoints(edges)
    sigma, color = 1 + torch.sin(4 * t), 0.5 + 0.5 * torch.cos(5 * t)
    w = q.weights(sigma, lengths(edges))
    expected = q.composite(w, color[:, None], torch.tensor([0.3], **F64))
    flight = -torch.log1p(-torch.rand(200_000, generator=generator, **F64))
    cell = torch.searchsorted(q.optical_depth(sigma, lengths(edges)), flight) - 1
    seen = torch.cat([color, torch.tensor([0.3], **F64)])[cell]
    assert abs(seen.mean() - expected) < 4 * seen.std() / math.sqrt(len(seen))


def test_white_minus_black_background_is_one_minus_opacity(generator):
    sigma, delta, color, _ = medium(generator)
    w = q.weights(sigma, delta)
    white = q.composite(w, color, torch.ones(3, **F64))
    black = q.composite(w, color, torch.zeros(3, **F64))
    close(white - black, (1 - q.opacity(w))[:, None].expand(-1, 3))
