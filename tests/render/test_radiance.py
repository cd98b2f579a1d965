"""The compiled renderer against its readable twin: values and gradients."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from rayfield.core.types import Rays
from rayfield.fields.hashgrid import HashGrid
from rayfield.fields.radiance import RadianceField
from rayfield.math.rays import ray_box
from rayfield.render.occupancy import OccupancyGrid
from rayfield.render.radiance import Marching, density, render, render_all, render_readable


def random_rays(n: int, generator: torch.Generator, *, bounded: bool) -> Rays:
    origins = torch.randn(n, 3, generator=generator) * (1.0 if bounded else 0.5)
    directions = torch.randn(n, 3, generator=generator)
    directions = directions / directions.norm(dim=-1, keepdim=True)
    near, far = ray_box(origins, directions)
    near, far = near.clamp_min(0.05), far
    if not bounded:
        near, far = torch.full((n,), 0.05), torch.full((n,), 1e3)
    return Rays(origins, directions, near, far, torch.full((n,), -1))


def random_field(generator: torch.Generator, *, levels: int = 6, width: int = 40) -> RadianceField:
    grid = HashGrid(
        levels=levels, features=4, entries=1 << 9, base=3, finest=40, generator=generator
    )
    field = RadianceField(grid, width, generator=generator)
    with torch.no_grad():  # representable in half precision, and strong enough to matter
        values = torch.randn(grid.table.shape, generator=generator)
        grid.table.copy_((2 * values).half().float())
    return field


def random_grid(generator: torch.Generator, *, contracted: bool, share: float) -> OccupancyGrid:
    grid = OccupancyGrid(16, contracted=contracted)
    grid.density.copy_((torch.rand(16**3, generator=generator) < share).float())
    grid.threshold(1.0, 0.5)
    return grid


CASES = {
    "object": (Marching(0.05), True, 0.4),
    "object, opaque early": (Marching(0.05, cutoff=0.2), True, 0.9),
    "real capture": (Marching(0.05, cone=0.05, most=200), False, 0.4),
    "gradients that fade": (Marching(0.05, cone=0.05, most=200, fade=0.8), False, 0.4),
    "nothing occupied": (Marching(0.05), True, 0.0),
    "few samples a ray": (Marching(0.02, most=5), True, 0.5),
    "little room": (Marching(0.05, capacity=500), True, 0.4),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("rays", [1, 7, 213])
def test_compiled_rendering_equals_the_readable_one(case: str, rays: int, generator):
    marching, bounded, share = CASES[case]
    field = random_field(generator)
    grid = random_grid(generator, contracted=not bounded, share=share)
    bundle = random_rays(rays, generator, bounded=bounded)
    jitter = torch.rand(rays, generator=generator)
    with torch.no_grad():
        fast = render(field, grid, bundle, marching=marching, jitter=jitter)
        slow = render_readable(field, grid, bundle, marching=marching, jitter=jitter)
    assert len(fast.opacity) == len(slow.opacity)
    same = fast.samples == slow.samples  # a sample on a cell's wall may round either way
    assert (~same).sum() <= 0.03 * len(same)
    for name in ("color", "opacity", "depth", "distortion"):
        a, b = getattr(fast, name)[same], getattr(slow, name)[same]
        torch.testing.assert_close(a, b, rtol=2e-4, atol=2e-5, msg=lambda m, n=name: f"{n}: {m}")


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("capacity", [300, 1000, 1 << 18])
def test_rendering_in_rounds_equals_one_pass(case: str, capacity: int, generator):
    marching, bounded, share = CASES[case]
    field = random_field(generator)
    grid = random_grid(generator, contracted=not bounded, share=share)
    bundle = random_rays(213, generator, bounded=bounded)
    with torch.no_grad():
        whole = render(field, grid, bundle, marching=replace(marching, capacity=1 << 18))
    parts = render_all(field, grid, bundle, marching=replace(marching, capacity=capacity))
    # one pass stops at the sample that spends the light, a round may go on a little
    assert (parts.samples >= whole.samples).all()
    atol = 2 * marching.cutoff
    torch.testing.assert_close(parts.color, whole.color, rtol=0, atol=atol)
    torch.testing.assert_close(parts.opacity, whole.opacity, rtol=0, atol=atol)
    reach = (parts.depth * parts.opacity - whole.depth * whole.opacity) / bundle.far.clamp(1, 30)
    assert reach.abs().max() <= 3 * atol


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(("levels", "width"), [(6, 40), (8, 64), (2, 8)])
def test_compiled_gradients_equal_automatic_differentiation(case, levels, width, generator):
    marching, bounded, share = CASES[case]
    field = random_field(generator, levels=levels, width=width)
    grid = random_grid(generator, contracted=not bounded, share=share)
    bundle = random_rays(101, generator, bounded=bounded)
    with torch.no_grad():
        fast = render(field, grid, bundle, marching=marching)
        slow = render_readable(field, grid, bundle, marching=marching)
    n = len(fast.opacity)
    bundle = Rays(*(x[:n][fast.samples == slow.samples] for x in bundle))
    marching = replace(marching, capacity=1 << 18)
    weights = [torch.randn(len(bundle.near), generator=generator) for _ in range(6)]
    grads = []
    for function in (render, render_readable):
        field.zero_grad()
        out = function(field, grid, bundle, marching=marching)
        parts = (*out.color.unbind(-1), out.opacity, out.depth, out.distortion)
        sum((w * x).sum() for w, x in zip(weights, parts, strict=True)).backward()
        grads.append([p.grad.clone() for p in field.parameters()])
    for fast_grad, slow_grad in zip(*grads, strict=True):
        # in the norm, because rounding may put a single unit on the other side of its ReLU
        assert (fast_grad - slow_grad).norm() <= 3e-3 * slow_grad.norm() + 1e-9


def test_compiled_density_equals_the_readable_one(generator):
    field = random_field(generator)
    points = torch.rand(1003, 3, generator=generator)
    expected = field.density(field.geometry(points))
    torch.testing.assert_close(density(field, points), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("levels", "width"), [(5, 40), (6, 36)])
def test_sizes_the_kernels_cannot_take_run_the_readable_form(levels, width, generator):
    assert random_field(generator, levels=levels, width=width).compiled() is None
    assert random_field(generator).compiled() is not None
