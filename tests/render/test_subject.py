from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest
import torch
from torch.nn.functional import normalize

from rayfield.core.types import Rays, Rendered
from rayfield.fields.hashgrid import HashGrid
from rayfield.fields.radiance import RadianceField
from rayfield.fields.surface import SurfaceField
from rayfield.math.density import neus_depth
from rayfield.math.rays import ray_box, ray_sphere
from rayfield.methods import neus
from rayfield.render import growth
from rayfield.render.shell import Marching, composited
from rayfield.render.subject import FEWEST, SCALE, Subject
from rayfield.render.width import Width

WIDTH = 0.005
RULE = partial(neus_depth, sharpness=1 / WIDTH)


def made(*, ball: float = 1.0, backdrop: bool = False) -> Subject:
    """A sphere of radius 0.6 of the ball, about: the field is untrained."""
    generator = torch.Generator().manual_seed(0)
    sizes = {"levels": 4, "features": 4, "entries": 1 << 12, "base": 4, "finest": 16}
    field = SurfaceField(
        HashGrid(**sizes, generator=generator), 16, radius=0.3, generator=generator
    )
    around = RadianceField(HashGrid(**sizes, generator=generator), 16, generator=generator)
    subject = Subject(
        field, cells=32, ball=ball, width=Width(WIDTH), backdrop=around if backdrop else None
    )
    subject.refresh(0, reach=7.0, generator=generator)
    return subject


def rays_towards(middle: float, n: int = 400, *, spread: float = 0.5, boxed: bool = True) -> Rays:
    """From all around, at distance `middle` from the origin, through its surroundings."""
    generator = torch.Generator().manual_seed(1)
    origins = middle * normalize(torch.randn(n, 3, generator=generator))
    directions = normalize(spread * torch.randn(n, 3, generator=generator) - origins)
    near, far = torch.full((n,), 0.01), torch.full((n,), 1e6)
    if boxed:
        near, far = ray_box(origins, directions)
    return Rays(origins, directions, near, far, torch.zeros(n, dtype=torch.long))


@pytest.mark.parametrize("ball", [1.0, 0.25])
def test_depth_and_silhouette_are_in_scene_units_whatever_the_ball(ball):
    subject, rays = (
        made(ball=ball, backdrop=True),
        rays_towards(2 * ball, spread=0.5 * ball, boxed=False),
    )
    inside = subject.enter(rays)
    cells_only = subject.see(rays, Marching(1 / 256, RULE), background=torch.zeros(3))
    near, far = ray_sphere(rays.origins, rays.directions, radius=0.6 * ball)
    first, last = ray_sphere(rays.origins, rays.directions, radius=ball)
    torch.testing.assert_close(
        inside.near * ball, torch.maximum(first, rays.near), atol=1e-4, rtol=0
    )
    torch.testing.assert_close(inside.far * ball, last, atol=1e-4, rtol=0)
    deep = (far - near) > 0.6 * ball  # not at the silhouette
    assert deep.sum() > 50
    assert (cells_only.depth - near)[deep].abs().max() < 0.02 * ball
    assert cells_only.opacity[deep].min() > 0.99


def test_distance_and_colour_are_asked_in_the_scene():
    subject = made(ball=0.25)
    points = torch.rand(100, 3, generator=torch.Generator().manual_seed(2)) * 0.4 - 0.2
    expected = points.norm(dim=1) - 0.6 * 0.25
    torch.testing.assert_close(subject.distance()(points), expected, atol=1e-3, rtol=0)
    along = normalize(points)
    found = subject.field(points / (SCALE * 0.25) + 0.5)
    torch.testing.assert_close(subject.color()(points, along), subject.field.color(found, along))


def test_looking_with_gradients_sees_what_is_seen_without():
    subject, rays = made(), rays_towards(2.0)
    seen = subject.look(rays, Marching(1 / 128, RULE), samples=1 << 14, cutoff=1e-4,
                        generator=torch.Generator().manual_seed(3))  # fmt: skip
    out = subject.see(rays, Marching(1 / 128, RULE), background=torch.zeros(3))
    assert len(seen.rendered.opacity) == len(rays.near)
    close = (seen.rendered.opacity - out.opacity).abs() < 0.02  # but at the silhouette
    assert close.float().mean() > 0.95
    assert (seen.rendered.color - out.color)[close].abs().max() < 0.03
    assert len(seen.here) == len(seen.nearby) > 100
    assert (seen.here - seen.nearby).norm(dim=1).mean() < 0.5
    assert len(seen.gradient) > len(seen.here)
    assert seen.gradient.requires_grad


def test_exposures_show_in_training_and_not_in_views():
    subject, rays = made(), rays_towards(2.0, 40)
    seeing = {"samples": 4096, "cutoff": 0.0}
    marching = Marching(1 / 32, RULE)

    def looked() -> Rendered:
        return subject.look(
            rays, marching, generator=torch.Generator().manual_seed(0), **seeing
        ).rendered

    plain, view = looked(), subject.see(rays, marching, background=torch.ones(3))
    subject.log_gains = torch.nn.Parameter(torch.tensor([[1.0, 0.0, -1.0], [-1.0, 0.0, 1.0]]))
    again = subject.see(rays, marching, background=torch.ones(3))
    torch.testing.assert_close(again.color, view.color)
    gains = torch.tensor([1.0, 0.0, -1.0]).exp()
    torch.testing.assert_close(looked().color, plain.color * gains)
    torch.testing.assert_close(looked().opacity, plain.opacity)


def test_the_next_batch_has_as_many_rays_as_give_the_samples_wanted():
    subject, rays = made(), rays_towards(2.0)
    look = partial(subject.look, rays, Marching(1 / 128, RULE), cutoff=1e-4)
    for _ in range(12):
        look(samples=4000, generator=torch.Generator().manual_seed(0))
    per_ray = float(
        subject.see(rays, Marching(1 / 128, RULE), background=torch.zeros(3)).samples.float().mean()
    )
    assert 0.3 * 4000 / per_ray < float(subject.rays) < 1.2 * 4000 / per_ray
    assert float(subject.rays) >= FEWEST
    few = look(samples=100, generator=torch.Generator().manual_seed(0)).rendered
    assert 0 < len(few.opacity) < len(rays.near)


def test_what_is_behind_begins_where_the_ball_ends(monkeypatch):
    subject, rays = made(ball=0.5, backdrop=True), rays_towards(1.0, boxed=False)
    asked = []
    monkeypatch.setattr(
        "rayfield.render.radiance.render_all", lambda *a, **k: asked.append(a[2]) or _nothing(a[2])
    )
    subject.see(rays, Marching(1 / 64, RULE), background=torch.zeros(3))
    _, last = ray_sphere(rays.origins, rays.directions, radius=0.5)
    torch.testing.assert_close(asked[0].near, torch.maximum(last, rays.near))


def test_a_matte_colour_comes_to_depend_on_direction_as_the_surface_sharpens():
    subject = made()
    subject.plan = Width(WIDTH, matte=(0.02, 0.005))
    points = torch.rand(50, 3, generator=torch.Generator().manual_seed(2)) - 0.5
    away = normalize(points)

    def spread(width: float) -> float:
        subject.set_width(width)
        seen = [subject.color()(points, along).detach() for along in (away, -away)]
        return float((seen[0] - seen[1]).abs().max())

    assert spread(0.03) == 0.0
    assert spread(0.02) < 1e-6
    assert 0 < spread(0.015) < spread(0.01) < spread(0.005)
    full = subject.color()(points, away)
    subject.plan = Width(WIDTH)
    torch.testing.assert_close(subject.color()(points, away), full)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"backdrop": True}, True),
        ({"backdrop": False}, False),
        ({"backdrop": True, "sharp": 0.03}, False),
    ],
)
def test_colour_is_matte_at_first_before_a_backdrop_alone(settings, expected):
    cfg = replace(neus.Config(levels=2, entries=1 << 10, occupancy=16), **settings)
    subject = neus.build(cfg, generator=torch.Generator().manual_seed(0))
    assert (subject.plan.shine(subject.width) == 0.0) == expected
    growth.advance(subject, cfg, cfg.steps, generator=torch.Generator())
    assert subject.plan.shine(subject.width) == 1.0


def _nothing(rays: Rays) -> Rendered:
    n = len(rays.near)
    return Rendered(torch.zeros(n, 3), torch.zeros(n), torch.zeros(n), torch.zeros(n, dtype=int))


def test_two_layers_composite_as_one_does_over_the_other():
    front = Rendered(
        torch.tensor([[0.3, 0.0, 0.0]]), torch.tensor([0.6]), torch.tensor([2.0]), torch.tensor([3])
    )
    behind = Rendered(
        torch.tensor([[0.0, 0.5, 0.0]]), torch.tensor([0.5]), torch.tensor([6.0]), torch.tensor([4])
    )
    out = composited(front, behind)
    torch.testing.assert_close(out.color, torch.tensor([[0.3, 0.2, 0.0]]))
    torch.testing.assert_close(out.opacity, torch.tensor([0.8]))
    torch.testing.assert_close(out.depth, torch.tensor([(0.6 * 2 + 0.2 * 6) / 0.8]))
    assert int(out.samples) == 7
    assert composited(front, None) is front
