"""Ragged rays: equality with the dense quadrature, brute-force oracles, packing laws."""

from __future__ import annotations

import math
from typing import NamedTuple

import pytest
import torch
from torch import Tensor

from rayfield.core.types import Samples
from rayfield.math import packed, quadrature

F64 = {"dtype": torch.float64}


class Pack(NamedTuple):
    sigma: Tensor
    start: Tensor
    end: Tensor
    color: Tensor
    ray: Tensor
    background: Tensor

    @property
    def delta(self):
        return self.end - self.start


def pack(generator, counts, dtype=torch.float64):
    """Random contiguous cells per ray: ray r has counts[r] of them."""
    n = sum(counts)
    ray = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    edges = [torch.rand(c + 1, generator=generator, **F64).sort().values for c in counts]
    start = torch.cat([e[:-1] for e in edges]).to(dtype)
    end = torch.cat([e[1:] for e in edges]).to(dtype)
    sigma = (10 ** (4 * torch.rand(n, generator=generator, **F64) - 1)).to(dtype)
    color = torch.rand(n, 3, generator=generator, **F64).to(dtype)
    background = torch.rand(len(counts), 3, generator=generator, **F64).to(dtype)
    return Pack(sigma, start, end, color, ray, background)


def outputs(p: Pack):
    """Colour, opacity, depth and distortion of every ray."""
    n_rays = len(p.background)
    w = packed.weights(p.sigma, p.delta, p.ray)
    middle = 0.5 * (p.start + p.end)
    return (
        packed.composite(w, p.color, p.ray, background=p.background),
        packed.ray_sum(w, p.ray, n_rays=n_rays),
        packed.expected_depth(w, middle, p.ray, n_rays=n_rays),
        packed.distortion(w, p.start, p.end, ray=p.ray, n_rays=n_rays),
    )


def brute_distortion(w, start, end):
    """Equation 15 as it is written: a double sum."""
    m = 0.5 * (start + end)
    between = (w[:, None] * w[None, :] * (m[:, None] - m[None, :]).abs()).sum()
    return between + (w**2 * (end - start)).sum() / 3


def dense_outputs(p: Pack):
    """The same, ray by ray, through the dense quadrature."""
    rows = []
    for r in range(len(p.background)):
        own = p.ray == r
        w = quadrature.weights(p.sigma[own], p.delta[own])
        middle = 0.5 * (p.start[own] + p.end[own])
        color = quadrature.composite(w, p.color[own], p.background[r])
        depth = quadrature.expected_depth(w, middle)
        spread = brute_distortion(w, p.start[own], p.end[own])
        rows.append((color, quadrature.opacity(w), depth, spread))
    return tuple(torch.stack(column) for column in zip(*rows, strict=True))


COUNTS = ([0, 3, 1, 0, 0, 17, 2, 0], [1], [0], [0, 0], [40, 0, 40])


@pytest.mark.parametrize("counts", COUNTS)
@pytest.mark.parametrize(("dtype", "tol"), [(torch.float64, 1e-10), (torch.float32, 2e-5)])
def test_packed_equals_dense_in_values_and_gradients(generator, counts, dtype, tol):
    p = pack(generator, counts, dtype)
    grads = []
    for route in (outputs, dense_outputs):
        leaves = [x.clone().requires_grad_() for x in (p.sigma, p.start, p.end, p.color)]
        q = Pack(*leaves, ray=p.ray, background=p.background)
        results = route(q)
        weighting = torch.Generator().manual_seed(1)
        loss = sum(
            (x * torch.rand(x.shape, generator=weighting, dtype=dtype)).sum() for x in results
        )
        grads.append([*[x.detach() for x in results], *torch.autograd.grad(loss, leaves)])
    for fast, slow in zip(*grads, strict=True):
        torch.testing.assert_close(fast, slow, rtol=tol, atol=tol)


def test_gradients_match_finite_differences(generator):
    p = pack(generator, [2, 0, 3])
    leaves = (0.1 * p.sigma, p.start, p.end, p.color)

    def everything(sigma, start, end, color):
        return outputs(Pack(sigma, start, end, color, p.ray, p.background))

    assert torch.autograd.gradcheck(everything, tuple(x.requires_grad_() for x in leaves))


def test_rays_without_samples_show_the_background(generator):
    p = pack(generator, [0, 4, 0])
    color, opacity, depth, spread = outputs(p)
    for r in (0, 2):
        assert torch.equal(color[r], p.background[r])
        assert opacity[r] == depth[r] == spread[r] == 0


def test_permuting_rays_permutes_outputs(generator):
    counts = [3, 0, 5, 1]
    p = pack(generator, counts)
    order = torch.tensor([2, 3, 0, 1])  # new ray k is old ray order[k]
    slots = torch.cat([(p.ray == r).nonzero()[:, 0] for r in order])
    ray = torch.repeat_interleave(torch.arange(4), torch.tensor(counts)[order])
    moved = Pack(*[x[slots] for x in p[:4]], ray=ray, background=p.background[order])
    for before, after in zip(outputs(p), outputs(moved), strict=True):
        torch.testing.assert_close(after, before[order], rtol=1e-12, atol=1e-12)


def test_concatenating_packs_concatenates_outputs(generator):
    a, b = pack(generator, [3, 0, 2]), pack(generator, [0, 6])
    joined = [torch.cat(pair) for pair in zip(a, b, strict=True)]
    joined[4] = torch.cat([a.ray, b.ray + 3])
    for one, two, both in zip(outputs(a), outputs(b), outputs(Pack(*joined)), strict=True):
        torch.testing.assert_close(both, torch.cat([one, two]), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("eps", [1e-1, 1e-2, 1e-4])
def test_early_termination_changes_colour_by_at_most_its_threshold(generator, eps):
    p = pack(generator, [30, 0, 60, 5])
    keep = packed.visible(p.sigma, p.delta, p.ray, threshold=eps)
    assert torch.equal(keep, packed.transmittance(p.sigma, p.delta, p.ray) >= eps)
    assert not keep.all()
    kept = Pack(*[x[keep] for x in p[:5]], background=p.background)
    change = (outputs(kept)[0] - outputs(p)[0]).abs()
    for r in range(4):
        contrast = (p.color[p.ray == r] - p.background[r]).abs()
        assert (change[r] <= eps * (contrast.max() if len(contrast) else 0) + 1e-12).all()


def test_float32_depth_survives_a_million_samples_before_it(generator):
    """A global float32 running sum would lose all digits here; the last ray must not notice."""
    n = 1_000_000
    ray = torch.cat([torch.arange(n) // 100, torch.full((3,), n // 100)])
    sigma = torch.cat([torch.full((n,), 50.0), torch.tensor([0.1, 0.2, 0.3])])
    depth = packed.optical_depth(sigma, torch.ones(n + 3), ray)
    torch.testing.assert_close(depth[-3:], torch.tensor([0.0, 0.1, 0.3]), rtol=1e-6, atol=1e-8)


def test_one_enormous_density_does_not_disturb_the_rays_after_it():
    sigma = torch.tensor([1e30, 1.0, 0.1, 0.2], requires_grad=True)
    w = packed.weights(sigma, torch.ones(4), torch.tensor([0, 0, 1, 1]))
    w.sum().backward()
    expected = torch.tensor([1.0, 0.0, -math.expm1(-0.1), math.exp(-0.1) * -math.expm1(-0.2)])
    torch.testing.assert_close(w.detach(), expected)
    assert sigma.grad[:2].tolist() == [0, 0]
    torch.testing.assert_close(sigma.grad[2:], torch.full((2,), math.exp(-0.3)))


def test_select_repacks_the_marked_samples_over_the_same_rays(generator):
    p = pack(generator, [2, 0, 3, 1])
    count = torch.tensor([2, 0, 3, 1])
    samples = Samples(p.start, p.end, p.ray, torch.tensor([0, 2, 2, 5]), count)
    keep = torch.tensor([False, True, True, False, True, False])
    kept = packed.select(samples, keep)
    assert kept.ray.tolist() == [0, 2, 2]
    assert kept.count.tolist() == [1, 0, 2, 0]
    assert kept.first.tolist() == [0, 1, 1, 3]
    assert torch.equal(kept.start, p.start[keep])
    assert torch.equal(kept.end, p.end[keep])


def spread(w, start, end):
    ray = torch.zeros(len(w), dtype=torch.int64)
    return packed.distortion(w, start, end, ray=ray, n_rays=1)[0]


def test_distortion_of_mass_in_one_cell_is_its_square_times_a_third_of_the_width():
    w, start = torch.tensor([0.0, 0.7, 0.0], **F64), torch.tensor([0.0, 0.5, 0.9], **F64)
    end = torch.tensor([0.5, 0.9, 2.0], **F64)
    assert spread(w, start, end).item() == pytest.approx(0.49 * 0.4 / 3, abs=1e-12)


@pytest.mark.parametrize("n", [1, 2, 10, 333])
def test_distortion_of_uniform_unit_mass_on_the_unit_interval_is_one_third(n):
    edges = torch.linspace(0, 1, n + 1, **F64)
    w = torch.full((n,), 1 / n, **F64)
    assert spread(w, edges[:-1], edges[1:]).item() == pytest.approx(1 / 3, abs=1e-12)


def test_distortion_ignores_translation_and_scales_with_length(generator):
    p = pack(generator, [25])
    w = torch.rand(25, generator=generator, **F64)
    base = spread(w, p.start, p.end)
    torch.testing.assert_close(spread(w, p.start + 1e3, p.end + 1e3), base, rtol=1e-10, atol=0)
    torch.testing.assert_close(spread(w, 7 * p.start, 7 * p.end), 7 * base, rtol=1e-12, atol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_outputs_keep_the_input_precision(generator, dtype):
    assert {x.dtype for x in outputs(pack(generator, [2, 0, 3], dtype))} == {dtype}


def test_a_scaled_gradient_leaves_the_value(generator):
    x = torch.randn(20, generator=generator, requires_grad=True)
    share = torch.rand(20, generator=generator)
    y = packed.scale_gradient(x, share)
    torch.testing.assert_close(y, x, rtol=1e-6, atol=1e-7)
    y.square().sum().backward()
    torch.testing.assert_close(x.grad, 2 * x.detach() * share)
