"""The learned ray marcher, against closed forms and torch's own LSTM."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from rayfield.core.types import Rays
from rayfield.fields.conditioned import HyperMLP, NormMLP
from rayfield.fields.srn import CLAMP, SceneNetworks, Stepper, march, start_depth


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def rays_towards_a_plane(n: int = 50) -> tuple[torch.Tensor, torch.Tensor]:
    """Origins above the plane z = 0, and unit directions down to it."""
    origins = torch.rand(n, 3, generator=seeded(), dtype=torch.float64) + 0.5
    directions = torch.randn(n, 3, generator=seeded(1), dtype=torch.float64)
    directions[:, 2] = -directions[:, 2].abs() - 0.3
    return origins, nn.functional.normalize(directions)


def marched(step, steps: int, start: float = 0.05) -> tuple[torch.Tensor, ...]:
    origins, directions = rays_towards_a_plane()
    first = torch.full((50,), start, dtype=torch.float64)
    depth = march(
        lambda points: points, step, origins, directions=directions, start=first, steps=steps
    )
    return origins, directions, depth


@pytest.mark.parametrize("steps", [1, 10])
def test_steps_of_the_exact_distance_along_the_ray_end_on_the_plane(steps):
    _, directions = rays_towards_a_plane()
    origins, _, depth = marched(lambda f, _: (f[:, 2] / -directions[:, 2], None), steps)
    torch.testing.assert_close(depth, origins[:, 2] / -directions[:, 2])


@pytest.mark.parametrize("steps", [0, 1, 5, 10])
def test_steps_of_the_distance_to_the_plane_close_the_gap_by_one_minus_the_cosine(steps):
    """Sphere tracing of a plane: gap_k = gap_0 (1 - |cos|)^k, in closed form."""
    origins, directions, depth = marched(lambda f, _: (f[:, 2], None), steps)
    cosine = -directions[:, 2]
    exact = origins[:, 2] / cosine
    torch.testing.assert_close(exact - depth, (exact - 0.05) * (1 - cosine) ** steps)


def rays_at_distance(distance: float, *, sign: int = 1) -> Rays:
    """From a sphere about the centre, through the middle of the cube or (sign -1) away from it."""
    origins = nn.functional.normalize(torch.randn(500, 3, generator=seeded())) * distance
    target = torch.rand(500, 3, generator=seeded(1)) - 0.5
    directions = sign * nn.functional.normalize(target - origins)
    zero = torch.zeros(500)
    return Rays(origins, directions, zero, zero, zero.long())


def test_marching_starts_outside_the_cube_at_points_sqrt_3_before_the_nearest_to_the_centre():
    rays = rays_at_distance(3.0)
    start = start_depth(rays, least=0.05)
    points = rays.origins + start[:, None] * rays.directions
    assert (points.abs().amax(-1) >= 1).all()
    # so |point|^2 = 3 + the square of the ray's distance to the centre
    away = torch.linalg.cross(rays.origins, rays.directions).square().sum(-1)
    torch.testing.assert_close(points.square().sum(-1), 3 + away)


@pytest.mark.parametrize(("distance", "sign"), [(3.0, -1), (1.0, 1)])
def test_marching_starts_in_front_of_the_lens_at_least(distance, sign):
    """For rays that look away, and for cameras amidst the scene."""
    assert (start_depth(rays_at_distance(distance, sign=sign), least=0.05) == 0.05).all()


def test_the_state_is_handed_on_from_step_to_step():
    seen = []

    def step(features, state):
        seen.append(state)
        return torch.ones(len(features), dtype=torch.float64), len(seen)

    *_, depth = marched(step, 4, start=0.5)
    assert seen == [None, 1, 2, 3]
    torch.testing.assert_close(depth, torch.full((50,), 4.5, dtype=torch.float64))


def test_a_stepper_set_by_hand_walks_to_the_plane():
    """Gates held open, small inputs: hidden = 0.5 z nearly, so length = 2 hidden is z."""
    stepper = Stepper(3, 1, generator=seeded())
    small = 1e-3
    with torch.no_grad():
        stepper.input.zero_()[2, 2] = small
        stepper.recurrent.zero_()
        stepper.bias.copy_(torch.tensor([20.0, -20.0, 0.0, 20.0]))  # enter, forget, -, leave
        stepper.length.weight.fill_(1 / small)
        stepper.length.bias.zero_()
    stepper.double()
    origins, directions, depth = marched(stepper, 10)
    cosine = -directions[:, 2]
    exact = origins[:, 2] / cosine
    expected = exact - (exact - 0.05) * (1 - cosine) ** 10
    torch.testing.assert_close(depth, expected, rtol=1e-4, atol=1e-4)


def test_the_stepper_is_torchs_lstm_cell_with_one_bias():
    stepper, cell = Stepper(7, 5, generator=seeded()), nn.LSTMCell(7, 5)
    with torch.no_grad():
        cell.weight_ih.copy_(stepper.input)
        cell.weight_hh.copy_(stepper.recurrent)
        cell.bias_ih.copy_(stepper.bias)
        cell.bias_hh.zero_()
    state, twin = None, None
    for step in range(4):
        features = torch.randn(6, 7, generator=seeded(step))
        length, state = stepper(features, state)
        twin = cell(features, twin)
        torch.testing.assert_close(state, twin)
        torch.testing.assert_close(length, stepper.length(twin[0])[:, 0])


def test_the_stepper_starts_orthogonal_and_remembering():
    stepper = Stepper(200, 16, generator=seeded())
    assert stepper.input.std().item() == pytest.approx((2 / 200) ** 0.5, rel=0.03)
    torch.testing.assert_close(stepper.recurrent.T @ stepper.recurrent, torch.eye(16))
    enter, keep, new, leave = stepper.bias.chunk(4)
    assert (keep == 1).all()
    assert not torch.cat([enter, new, leave]).any()


@pytest.mark.parametrize(("upstream", "expected"), [(3.0, 3.0), (1e6, CLAMP), (-1e6, -CLAMP)])
def test_the_gradient_of_a_hidden_state_is_clamped(upstream, expected):
    """What arrives at the features is what an unclamped cell gives for the clamped gradient."""
    stepper = Stepper(7, 5, generator=seeded())
    features = torch.randn(6, 7, generator=seeded(1), requires_grad=True)
    _, (hidden, _) = stepper(features, None)
    (got,) = torch.autograd.grad((upstream * hidden).sum(), [features])
    cell = nn.LSTMCell(7, 5)
    with torch.no_grad():
        cell.weight_ih.copy_(stepper.input)
        cell.bias_ih.copy_(stepper.bias)
        cell.bias_hh.zero_()
    hidden, _ = cell(features)
    (want,) = torch.autograd.grad((expected * hidden).sum(), [features])
    torch.testing.assert_close(got, want)


def test_ten_steps_on_a_cliff_do_not_blow_the_gradient_up():
    """Ten slopes of 1e4 in a row; without the clamp it is 1e32."""
    stepper = Stepper(3, 4, generator=seeded())
    weight = torch.full((3, 3), 1e4, requires_grad=True)
    origins, directions = (x.float() for x in rays_towards_a_plane())
    start = torch.zeros(50)
    depth = march(
        lambda x: torch.sin(x @ weight), stepper, origins,
        directions=directions, start=start, steps=10,
    )  # fmt: skip
    depth.square().sum().backward()
    assert weight.grad is not None
    assert weight.grad.abs().max() < 1e6


def a_class() -> SceneNetworks:
    """Networks of two scenes with 2 and 3 photos."""
    generator = seeded()
    codes = torch.randn(2, 4, generator=generator)
    return SceneNetworks(
        HyperMLP(3, 8, 8, code=4, generator=generator),
        Stepper(8, 4, generator=generator),
        NormMLP(8, 8, outputs=3, generator=generator),
        codes=codes,
        photos=(2, 3),
    )


def some_rays(image: list[int]) -> Rays:
    n = len(image)
    origins, directions = (x.float()[:1].expand(n, 3) for x in rays_towards_a_plane())
    return Rays(origins, directions, torch.zeros(n), torch.ones(n), torch.tensor(image))


def test_photos_belong_to_their_scenes_and_no_photo_to_none():
    scenes = a_class().scenes(torch.tensor([0, 1, 2, 3, 4, -1]))
    assert scenes.tolist() == [0, 0, 1, 1, 1, -1]


def test_a_ray_sees_its_own_scene_in_any_company():
    model = a_class()
    image = [3, -1, 0, 1, 4, 2]
    with torch.no_grad():
        color, depth = model(some_rays(image), start=torch.full((6,), 0.1), steps=3)
        alone = [model(some_rays([i]), start=torch.full((1,), 0.1), steps=3) for i in image]
    torch.testing.assert_close(color, torch.cat([c for c, _ in alone]))
    torch.testing.assert_close(depth, torch.cat([d for _, d in alone]))
    assert torch.equal(color[0], color[4])
    assert not torch.allclose(color[0], color[2])


def test_rays_of_no_photo_see_the_mean_of_the_codes():
    model = a_class()
    mean = SceneNetworks(
        model.phi, model.stepper, model.pixel, codes=model.codes.detach().mean(0)[None], photos=(1,)
    )
    with torch.no_grad():
        got, _ = model(some_rays([-1]), start=torch.zeros(1), steps=3)
        want, _ = mean(some_rays([0]), start=torch.zeros(1), steps=3)
    torch.testing.assert_close(got, want)
