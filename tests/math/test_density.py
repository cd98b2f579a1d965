"""A planar wall, of which every model's answer is known, and random ones."""

from __future__ import annotations

import math

import pytest
import torch

from rayfield.math import density
from rayfield.math import quadrature as q

F64 = torch.float64


def wall(n: int, reach: float, incidence: float = 1.0):
    """Cells from -reach to +reach about the face of a wall met at this cosine: edges, f, slope."""
    edges = torch.linspace(-reach, reach, n + 1, dtype=F64)
    middle = q.midpoints(edges)
    return edges, -incidence * middle, torch.full_like(middle, -incidence)


def neus_weights(edges, value, slope, sharpness):
    delta = edges[1:] - edges[:-1]
    return q.alpha_weights(density.neus_alpha(value, slope, delta, sharpness=sharpness))


@pytest.mark.parametrize("sharpness", [1.0, 50.0, 1e4])
@pytest.mark.parametrize("incidence", [1.0, 0.3])
def test_neus_sees_half_of_a_wall_in_front_of_its_face(sharpness, incidence):
    edges, value, slope = wall(4000, 40 / (sharpness * incidence), incidence)
    w = neus_weights(edges, value, slope, sharpness)
    middle = q.midpoints(edges)
    assert w[middle < 0].sum() == pytest.approx(0.5, abs=1e-12)
    assert w.sum() == pytest.approx(1, abs=1e-12)
    mean = (w * middle).sum()
    assert abs(mean) * sharpness < 1e-12
    assert abs(middle[w.argmax()]) <= edges[1] - edges[0]
    spread = ((w * middle**2).sum() - mean**2).sqrt() * sharpness * incidence
    assert spread == pytest.approx(math.pi / math.sqrt(3), rel=1e-4)


@pytest.mark.parametrize("n", [1, 3, 50])
def test_neus_telescopes_whatever_the_cells(generator, n):
    """What a falling distance lets through depends on its ends alone."""
    f = torch.rand(6, n + 1, generator=generator, dtype=F64).sort(dim=-1, descending=True).values
    f = f * 2 - 1
    delta = torch.rand(6, n, generator=generator, dtype=F64) + 0.1
    alpha = density.neus_alpha(
        q.midpoints(f), (f[:, 1:] - f[:, :-1]) / delta, delta, sharpness=20.0
    )
    ends = torch.sigmoid(20 * f[:, -1]) / torch.sigmoid(20 * f[:, 0])
    torch.testing.assert_close((1 - alpha).prod(dim=-1), ends)


def test_neus_sees_nothing_of_a_surface_it_leaves(generator):
    value = torch.randn(50, generator=generator)
    slope, delta = torch.rand(50, generator=generator), torch.rand(50, generator=generator)
    assert (density.neus_alpha(value, slope, delta, sharpness=30.0) == 0).all()
    assert (density.neus_alpha(value, -slope - 0.1, delta + 0.1, sharpness=30.0) > 0).all()


def test_neus_agrees_with_the_published_form_where_that_keeps_digits(generator):
    value = torch.rand(400, generator=generator, dtype=F64) * 0.2 - 0.1
    slope = torch.rand(400, generator=generator, dtype=F64) * 2 - 1
    near = torch.sigmoid(20 * (value - slope * 0.05))
    far = torch.sigmoid(20 * (value + slope * 0.05))
    published = ((near - far + 1e-5) / (near + 1e-5)).clamp(0, 1)
    ours = density.neus_alpha(value, slope, torch.full_like(value, 0.1), sharpness=20.0)
    torch.testing.assert_close(ours, published, atol=1e-4, rtol=0)


@pytest.mark.parametrize("sharpness", [1e2, 1e4, 1e6])
def test_single_precision_keeps_neus_finite_and_right(generator, sharpness):
    value = torch.cat([torch.randn(300, generator=generator), torch.zeros(3)])
    value[:100] /= sharpness
    slope = -torch.rand(303, generator=generator)
    delta = torch.rand(303, generator=generator) * 0.1
    leaves = [
        value.requires_grad_(),
        slope.requires_grad_(),
        torch.tensor(sharpness).requires_grad_(),
    ]
    alpha = density.neus_alpha(leaves[0], leaves[1], delta, sharpness=leaves[2])
    twin = density.neus_alpha(value.double(), slope.double(), delta.double(), sharpness=sharpness)
    torch.testing.assert_close(alpha.double(), twin, atol=1e-5, rtol=1e-3)
    for slope_of in torch.autograd.grad(alpha.sum(), leaves):
        assert torch.isfinite(slope_of).all()


@pytest.mark.parametrize("beta", [0.02, 0.5])
@pytest.mark.parametrize("incidence", [1.0, 0.5, 0.2])
def test_volsdf_sees_through_the_face_of_a_wall_by_the_law_of_incidence(beta, incidence):
    edges, value, _ = wall(40_000, 30 * beta / incidence, incidence)
    T = q.transmittance(density.laplace_density(value, beta), edges[1:] - edges[:-1])
    assert T[20_000] == pytest.approx(math.exp(-0.5 / incidence), abs=1e-5)


@pytest.mark.parametrize("beta", [0.02, 0.5])
def test_volsdf_finds_a_wall_a_third_of_its_width_behind_the_face(beta):
    edges, value, _ = wall(40_000, 25 * beta)
    sigma = density.laplace_density(value, beta)
    w = q.weights(sigma, edges[1:] - edges[:-1])
    middle = q.midpoints(edges)
    assert q.opacity(w) == pytest.approx(1, abs=1e-9)
    assert middle[w.argmax()] / beta == pytest.approx(0.2693, abs=1e-3)
    assert (w * middle).sum() / beta == pytest.approx(0.3431, abs=1e-3)
    assert q.median_depth(sigma, edges) / beta == pytest.approx(0.3357, abs=1e-3)


def test_laplace_density_is_the_distribution_of_laplace(generator):
    value = torch.randn(200, generator=generator, dtype=F64)
    beta = 0.3
    law = torch.distributions.Laplace(torch.zeros((), dtype=F64), beta)
    torch.testing.assert_close(density.laplace_density(value, beta), law.cdf(-value) / beta)
    assert density.laplace_density(torch.tensor(0.0), beta) == pytest.approx(0.5 / beta)
    # The far tail, of which 1 - (1 - x) would leave nothing in single precision.
    assert density.laplace_density(torch.tensor(20.0), 1.0) == pytest.approx(0.5 * math.exp(-20))


@pytest.mark.parametrize(
    ("samples", "mean"), [(16, 0.0056), (32, -0.0851), (64, -0.1643), (128, -0.2384)]
)
def test_unisurf_moves_outwards_as_samples_are_added(samples, mean):
    t = torch.linspace(-1, 1, samples, dtype=F64)
    w = q.alpha_weights(density.occupancy(-t, 10.0))
    assert (w * t).sum() == pytest.approx(mean, abs=1e-4)


def test_a_binary_occupancy_ends_every_ray_at_its_first_sample_inside(generator):
    value = torch.randn(40, 12, generator=generator, dtype=F64)
    w = q.alpha_weights(density.occupancy(value, 1e8))
    inside = value < 0
    first = inside & (inside.cumsum(-1) == 1)
    torch.testing.assert_close(w, first.double())


def test_alpha_weights_are_those_of_a_density(generator):
    sigma = torch.rand(5, 9, generator=generator, dtype=F64) * 8
    delta = torch.rand(5, 9, generator=generator, dtype=F64)
    w = q.alpha_weights(q.alpha(sigma, delta))
    torch.testing.assert_close(w, q.weights(sigma, delta))
    depth = density.neus_depth(sigma - 4, -sigma, delta, sharpness=3.0)
    alpha = density.neus_alpha(sigma - 4, -sigma, delta, sharpness=3.0)
    torch.testing.assert_close(q.weights(depth, torch.ones_like(delta)), q.alpha_weights(alpha))


def test_gradients_are_those_of_finite_differences(generator):
    def draw(scale=1.0):
        return (torch.rand(3, 7, generator=generator, dtype=F64) * scale).requires_grad_()

    shift, beta, s = draw(2.0), draw(), draw(9.0)
    assert torch.autograd.gradcheck(
        lambda f, b: density.laplace_density(f - 1, b + 0.1), (shift, beta)
    )
    assert torch.autograd.gradcheck(lambda f, s: density.occupancy(f - 1, s), (shift, s))
    assert torch.autograd.gradcheck(
        lambda f, c, d, s: density.neus_alpha(f - 1, -c - 0.1, d + 0.1, sharpness=s + 0.1),
        (shift, draw(), draw(), s),
    )
    opaque = (torch.rand(3, 7, generator=generator, dtype=F64) < 0.2).double()
    alpha = (draw() * (1 - opaque) + opaque).detach().requires_grad_()
    assert torch.autograd.gradcheck(q.alpha_weights, (alpha,))
    zero = torch.zeros(1, dtype=F64, requires_grad=True)
    (slope,) = torch.autograd.grad(density.laplace_density(zero, 0.5).sum(), zero)
    assert slope.item() == pytest.approx(-1 / (2 * 0.5**2))


@pytest.mark.parametrize("beta", [0.02, 0.3])
def test_laplace_depth_is_the_integral_of_the_density_over_the_cell(generator, beta):
    value = torch.randn(200, generator=generator, dtype=F64) * 0.3
    slope = 2 * torch.rand(200, generator=generator, dtype=F64) - 1
    slope[:20] *= 0.01  # along the surface
    delta = torch.rand(200, generator=generator, dtype=F64)
    delta[:20] *= 0.1
    fine = (torch.arange(4000, dtype=F64) + 0.5) / 4000 - 0.5
    along = value[:, None] + slope[:, None] * delta[:, None] * fine
    expected = density.laplace_density(along, beta).mean(dim=1) * delta
    found = density.laplace_depth(value, slope, delta, beta=beta)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("n", [2, 6, 400])
def test_a_wall_of_laplace_lets_the_same_light_to_its_face_whatever_the_cells(n):
    edges, value, slope = wall(n, 1.0)
    tau = density.laplace_depth(value, slope, edges[1:] - edges[:-1], beta=0.05)
    assert tau[: n // 2].sum() == pytest.approx(0.5, abs=1e-8)


def test_laplace_depth_learns_the_width_and_is_finite_at_any():
    value, slope = torch.tensor([-1.0, 0.0, 0.3]), torch.tensor([-1.0, 0.0, 1.0])
    for beta in (1e-4, 0.1, 10.0):
        width = torch.tensor(beta, requires_grad=True)
        leaves = value.clone().requires_grad_(), slope.clone().requires_grad_()
        tau = density.laplace_depth(*leaves, torch.ones(3), beta=width)
        grads = torch.autograd.grad(tau.sum(), (*leaves, width))
        assert all(torch.isfinite(x).all() for x in (tau, *grads))
        assert grads[2] != 0
