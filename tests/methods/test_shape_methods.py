"""What methods that learn solid shapes promise, asked of each; and what is each one's own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from rayfield.core.check import UsageError
from rayfield.data.shape_batches import ShapeBatch
from rayfield.data.shape_class import ShapesTraits
from rayfield.data.solids import HALF, PADDED
from rayfield.fields import volume_code
from rayfield.geometry.marching import extract
from rayfield.geometry.voxels import centres
from rayfield.math.calculus import central_gradient
from rayfield.methods import deepsdf, imnet, occupancy_network
from rayfield.train.optim import Adam

METHODS = (occupancy_network, deepsdf, imnet)
SMALL = {
    occupancy_network: {"width": 24, "hidden": 16, "code": 12, "blocks": 2, "features": 16},
    deepsdf: {"width": 48, "code": 12, "layers": 4, "fit_steps": 60, "fit_points": 256},
    imnet: {"widths": (48, 48, 24), "code": 12, "channels": 2, "stages": (0.1,)},
}
each_method = pytest.mark.parametrize("method", METHODS, ids=lambda m: m.__name__.split(".")[-1])
each_count = pytest.mark.parametrize("count", [1, 3], ids=["single", "class"])
RADII = (0.5, 0.35, 0.65)


def small(method, count: int, **changes):
    cfg = replace(method.Config(), **SMALL[method], shapes=3, points=300, **changes)
    return method.adapt(cfg, ShapesTraits(count))


def seen_of(kind: str, radii: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Observations of balls about the origin."""
    if kind == "voxels":
        distance = centres(32, half=HALF).norm(dim=1).view(32, 32, 32)
        return torch.stack([distance < radius for radius in radii.tolist()])
    if kind == "image":
        line = torch.linspace(-1.1, 1.1, 64)
        distance = torch.cartesian_prod(line, line).norm(dim=1).view(64, 64)
        return torch.stack([(distance > radius).float() for radius in radii.tolist()])
    direction = torch.randn(len(radii), 300, 3, generator=generator)
    direction = torch.nn.functional.normalize(direction, dim=-1)
    if kind == "points":
        return direction * radii[:, None, None]
    reach = radii[:, None, None] + 0.1 * torch.randn(len(radii), 300, 1, generator=generator)
    return torch.cat([direction * reach, reach - radii[:, None, None]], dim=-1)


def balls(cfg, count: int, generator: torch.Generator) -> ShapeBatch:
    """Points about balls of RADII, one of each."""
    wanted, radii = cfg.wanted(count), torch.tensor(RADII[:count])
    points = (2 * torch.rand(count, cfg.points, 3, generator=generator) - 1) * 0.88
    near = cfg.points * 2 // 3
    reach = radii[:, None, None] + 0.1 * torch.randn(count, near, 1, generator=generator)
    points[:, :near] = torch.nn.functional.normalize(points[:, :near], dim=-1) * reach
    distance = points.norm(dim=-1) - radii[:, None]
    values = distance if wanted.truth == "distance" else (distance < 0).float()
    seen = torch.zeros(count, 0)
    if wanted.observation != "none":
        seen = seen_of(wanted.observation, radii, generator)
    return ShapeBatch(points, values, torch.arange(count), seen)


def trained(method, cfg, count: int, *, steps: int, seed: int = 0):
    generator = torch.Generator().manual_seed(seed)
    model = method.build(cfg, generator=generator)
    optimiser, losses = Adam(method.param_groups(model, cfg)), []
    for step in range(steps):
        batch = balls(cfg, count, generator)
        terms = method.loss(model, batch, cfg, step, generator=generator)
        total = sum(terms.values())
        total.backward()
        losses.append(total.item())
        optimiser.step(method.lr_factor(cfg, step, step / steps))
    return model.eval(), losses


@each_method
@each_count
def test_loss_is_named_finite_scalars_and_every_parameter_is_in_one_group(method, count, generator):
    cfg = small(method, count)
    model = method.build(cfg, generator=generator)
    terms = method.loss(model, balls(cfg, count, generator), cfg, 0, generator=generator)
    assert all(value.shape == () and value.isfinite() for value in terms.values())
    sum(terms.values()).backward()
    grouped = [p for group in method.param_groups(model, cfg) for p in group["params"]]
    assert sorted(map(id, grouped)) == sorted(map(id, model.parameters()))
    assert any(p.grad is not None and p.grad.any() for p in grouped)


@each_method
def test_after_three_steps_no_parameter_is_without_a_gradient(method, generator):
    """Not before: residual blocks and the maps of the codes start with weights of zero."""
    cfg = small(method, 3)
    model = method.build(cfg, generator=generator)
    optimiser = Adam(method.param_groups(model, cfg))
    for step in range(4):
        batch = balls(cfg, 3, generator)
        sum(method.loss(model, batch, cfg, step, generator=generator).values()).backward()
        if step < 3:
            optimiser.step(1.0)
    assert all(p.grad.any() and p.grad.isfinite().all() for p in model.parameters())


@each_method
@each_count
def test_adapting_is_idempotent_and_changes_nothing_else(method, count):
    cfg = method.adapt(method.Config(steps=7), ShapesTraits(count))
    assert method.adapt(cfg, ShapesTraits(count)) == cfg == method.Config(steps=7, learned=count)


@each_method
def test_the_same_seed_gives_the_same_bits_and_no_hidden_randomness(method):
    before = torch.get_rng_state()
    cfg = small(method, 3)
    states = [trained(method, cfg, 3, steps=2, seed=s)[0].state_dict() for s in (0, 0, 1)]
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(states[0][k], states[1][k]) for k in states[0])
    assert any(not torch.equal(states[0][k], states[2][k]) for k in states[0])


@each_method
@each_count
def test_surface_is_negative_inside_and_grows_outwards(method, count):
    """Of balls that were learned: sign, gradient, and a closed mesh about as large."""
    cfg = small(method, count, rate=4e-3)
    model, losses = trained(method, cfg, count, steps=150)
    assert sum(losses[-10:]) / 10 < 0.5 * sum(losses[:5]) / 5
    number = torch.arange(count)
    seen = balls(cfg, count, torch.Generator().manual_seed(5)).seen
    with torch.no_grad():
        codes = method.known(model, number, seen)
    seeded = torch.Generator().manual_seed(7)
    for index in range(count):
        value = method.surface(model, None if count == 1 else codes[index])
        radius = RADII[index]
        with torch.no_grad():
            rim = torch.nn.functional.normalize(torch.randn(60, 3, generator=seeded))
            assert (value((radius - 0.15) * rim) < 0).float().mean() > 0.9
            assert (value((radius + 0.15) * rim) > 0).float().mean() > 0.9
            assert (value(torch.full((1, 3), PADDED + 0.05)) > 0).all()
        slope = (central_gradient(value, radius * rim, 0.05) * rim).sum(dim=1)
        assert (slope > 0).float().mean() > 0.8
    mesh = extract(
        value, level=0.0, box_min=(-1.0,) * 3, box_max=(1.0,) * 3, resolution=24, inside="below"
    )
    reach = np.median(np.linalg.norm(mesh.vertices, axis=1))
    assert reach == pytest.approx(radius, abs=0.1)


@each_method
def test_a_new_shape_is_told_from_what_is_seen_of_it(method):
    """A ball between two that were learned is larger than one and smaller than the other."""
    cfg = small(method, 3, rate=4e-3)
    model, _ = trained(method, cfg, 3, steps=150)
    generator = torch.Generator().manual_seed(1)
    seen = seen_of(cfg.observes, torch.tensor([0.38, 0.62]), generator)
    codes = method.infer(model, seen, cfg, generator=generator)
    assert codes.shape == (2, cfg.code)
    assert not codes.requires_grad
    points = (2 * torch.rand(4000, 3, generator=generator) - 1) * 0.88
    with torch.no_grad():
        small_one, large = ((method.surface(model, c)(points) < 0).sum() for c in codes)
    assert 1.3 * small_one < large


@each_method
@pytest.mark.parametrize("name", ["shapes", "points", "code"])
def test_sizes_below_one_are_refused(method, name):
    with pytest.raises(ValueError, match="1 or more"):
        method.Config(**{name: 0})


@pytest.mark.parametrize("encoder", ["points", "voxels", "image"])
def test_an_occupancy_network_learns_from_each_kind_of_observation(encoder):
    cfg = small(occupancy_network, 3, rate=5e-3, encoder=encoder, channels=2)
    assert cfg.observes == cfg.wanted(3).observation == encoder
    _, losses = trained(occupancy_network, cfg, 3, steps=30)
    assert losses[-1] < 0.7 * losses[0]


@pytest.mark.parametrize("encoder", ["points", "voxels"])
def test_a_code_may_be_a_volume(encoder, monkeypatch):
    """Every parameter learns, and a ball between two that were learned is between them."""
    monkeypatch.setattr(volume_code, "SIDE", 16)
    cfg = small(occupancy_network, 3, rate=5e-3, encoder=encoder, volume=6)
    model, losses = trained(occupancy_network, cfg, 3, steps=150)
    assert losses[-1] < 0.4 * losses[0]
    generator = torch.Generator().manual_seed(1)
    terms = occupancy_network.loss(model, balls(cfg, 3, generator), cfg, 0, generator=generator)
    sum(terms.values()).backward()
    assert all(p.grad.any() and p.grad.isfinite().all() for p in model.parameters())
    seen = seen_of(encoder, torch.tensor([0.35, 0.5, 0.62]), generator)
    codes = occupancy_network.infer(model, seen, cfg, generator=generator)
    points = (2 * torch.rand(4000, 3, generator=generator) - 1) * 0.88
    with torch.no_grad():
        sizes = [int((occupancy_network.surface(model, c)(points) < 0).sum()) for c in codes]
    assert 1.3 * sizes[0] < sizes[1] < sizes[2] / 1.1


def test_a_volume_of_a_picture_is_refused():
    with pytest.raises(ValueError, match="0 with encoder=image"):
        occupancy_network.Config(volume=4, encoder="image")


def test_the_papers_image_model_has_its_number_of_parameters():
    cfg = replace(occupancy_network.PRESETS["paper"], encoder="image", code=256, learned=5)
    model = occupancy_network.build(cfg, generator=torch.Generator())
    assert sum(p.numel() for p in model.parameters()) == 13_414_465


def test_occupancy_crosses_zero_at_the_threshold():
    cfg = small(occupancy_network, 1, threshold=0.2)
    model = occupancy_network.build(cfg, generator=torch.Generator().manual_seed(0))
    points = torch.rand(50, 3) - 0.5
    with torch.no_grad():
        occupancy = model(points[None], torch.zeros(1, 0))[0].sigmoid()
        value = occupancy_network.surface(model)(points)
    expected = torch.logit(torch.tensor(0.2)) - torch.logit(occupancy)
    torch.testing.assert_close(value, expected, rtol=1e-4, atol=1e-5)


def test_the_logit_mesh_of_an_affine_logit_is_exact_and_that_of_its_probability_is_not():
    normal = torch.tensor([0.6, 0.0, 0.8])
    plane = 0.1
    errors = []
    for field, level in (
        (lambda p: 30 * (plane - p @ normal), 0.0),
        (lambda p: torch.sigmoid(30 * (plane - p @ normal)), 0.5),
    ):
        box = {"box_min": (-1.0,) * 3, "box_max": (1.0,) * 3, "resolution": 9}
        mesh = extract(field, level=level, inside="above", **box)
        inner = mesh.vertices[abs(mesh.vertices).max(axis=1) < 0.95]
        errors.append(abs(inner @ normal.numpy() - plane).max())
    assert errors[0] < 1e-5
    assert errors[1] > 1e-3


def test_deepsdf_has_the_papers_sizes():
    cfg = replace(deepsdf.PRESETS["paper"], learned=7)
    model = deepsdf.build(cfg, generator=torch.Generator())
    assert sum(p.numel() for p in model.decoder.parameters()) == 1_843_195
    assert model.codes.shape == (7, 256)


def test_where_the_clamp_hides_the_error_codes_are_moved_by_their_prior_alone(generator):
    cfg = small(deepsdf, 3, clamp=0.01)
    model = deepsdf.build(cfg, generator=generator)
    with torch.no_grad():
        model.decoder.output.bias.fill_(5.0)
    batch = balls(cfg, 3, generator)._replace(values=torch.full((3, 300), 0.7))
    terms = deepsdf.loss(model, batch, cfg, cfg.steps, generator=generator)
    sum(terms.values()).backward()
    codes = model.codes.detach()
    expected = cfg.prior * codes / codes.norm(dim=1, keepdim=True) / 3
    torch.testing.assert_close(model.codes.grad, expected, rtol=1e-3, atol=1e-9)


def test_a_code_of_a_linear_decoder_is_that_of_ridge_regression(generator):
    """Squared error and squared prior, as in eq. 10's Gaussian form, solved by the same Adam."""
    features = torch.randn(200, 4, generator=generator, dtype=torch.float64)
    true = features @ torch.tensor([0.3, -0.2, 0.5, 0.1], dtype=torch.float64)
    true = true + 0.05 * torch.randn(200, generator=generator, dtype=torch.float64)
    weight = 0.1
    code = torch.zeros(4, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.Adam([code], lr=0.02)
    for _ in range(1500):
        error = (features @ code - true).square().mean() + weight * code.square().sum()
        (code.grad,) = torch.autograd.grad(error, [code])
        optimiser.step()
    ridge = torch.linalg.solve(
        features.T @ features / 200 + weight * torch.eye(4, dtype=torch.float64),
        features.T @ true / 200,
    )
    torch.testing.assert_close(code.detach(), ridge, rtol=0, atol=1e-6)


def test_a_code_for_each_shape_as_it_is_allows_no_mirror():
    with pytest.raises(UsageError, match="mirror=none"):
        deepsdf.Config(mirror="x").wanted(3)


def test_the_stages_of_imnet_go_from_coarse_to_fine():
    cfg = imnet.Config(steps=100, levels=(16, 32), stages=(0.25,))
    assert [imnet.level_at(cfg, step) for step in (0, 24, 25, 99)] == [16, 16, 32, 32]


def test_a_coarse_stage_leaves_out_what_its_cells_tell_wrong(generator):
    """All inside points are kept, of those outside the ones whose coarse cell is empty."""
    cfg = small(imnet, 3)
    batch = balls(cfg, 3, generator)
    fine = imnet.kept(batch, 32)
    coarse = imnet.kept(batch, 8)
    inside = batch.values > 0.5
    assert coarse[inside].float().mean() > fine[inside].float().mean() - 1e-6
    assert coarse[inside].float().mean() > 0.99
    near = ~inside & (batch.points.norm(dim=-1) < torch.tensor(RADII)[:, None] + 0.03)
    assert coarse[near].float().mean() < 0.3 < fine[near].float().mean()
    assert fine.float().mean() > 0.97


@pytest.mark.parametrize(
    ("levels", "stages"), [((16, 24), (0.5,)), ((32, 16), (0.5,)), ((16, 32), ()), ((), ())]
)
def test_stages_that_make_no_sense_are_refused(levels, stages):
    with pytest.raises(ValueError, match="levels must"):
        imnet.Config(levels=levels, stages=stages)
