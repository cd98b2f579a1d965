"""The deep image prior: what each task's error sees, what it remembers, and that it restores."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from rayfield.core.check import UsageError
from rayfield.data.picture import PictureBatch, PictureTraits
from rayfield.math.resample import downsample
from rayfield.methods import deep_image_prior as dip
from rayfield.objectives.photometric import psnr
from rayfield.train.loop import fit
from rayfield.train.optim import Adam
from rayfield.train.progress import Budget
from rayfield.train.run import Record, Run, create_run, describe_data

SMALL = dip.Config(inputs=4, channels=(8, 8), skip=(2, 2))


def as_batch(picture: torch.Tensor, keep: torch.Tensor | None = None) -> PictureBatch:
    height, width, channels = picture.shape
    if keep is None:
        keep = torch.ones(height, width, dtype=torch.bool)
    points = torch.zeros(height * width, 2)  # not looked at
    return PictureBatch(points, picture.reshape(-1, channels), keep.reshape(-1))


def random_picture(height: int = 12, width: int = 10, seed: int = 0) -> torch.Tensor:
    return torch.rand(height, width, 3, generator=torch.Generator().manual_seed(seed))


def adapted(picture: torch.Tensor, cfg: dip.Config = SMALL, **changes) -> dip.Config:
    return dip.adapt(replace(cfg, **changes), PictureTraits(*picture.shape))


def built(cfg: dip.Config) -> dip.Model:
    return dip.build(cfg, generator=torch.Generator().manual_seed(0))


def train(model, cfg, batch, steps: range) -> list[float]:
    optimiser, errors = Adam(dip.param_groups(model, cfg)), []
    for step in steps:
        generator = torch.Generator().manual_seed(step)
        error = dip.loss(model, batch, cfg, step, generator=generator)["mse"]
        error.backward()
        optimiser.step(1.0)
        errors.append(error.item())
    return errors


def test_the_paper_preset_has_the_published_number_of_parameters():
    cfg = dip.adapt(dip.PRESETS["paper_denoise"], PictureTraits(64, 64, 3))
    assert sum(p.numel() for p in built(cfg).net.parameters()) == 2_217_831


def test_the_first_preset_is_the_default():
    assert next(iter(dip.PRESETS.values())) == dip.Config()


@pytest.mark.parametrize("name", dip.PRESETS)
def test_every_preset_runs(name):
    enlarged = dip.PRESETS[name].task == "super_resolution"
    picture = disc(9 if enlarged else 36)
    cfg = adapted(picture, dip.PRESETS[name], mask="mask.png")
    model = built(cfg)
    start = [parameter.detach().clone() for parameter in model.net.parameters()]
    errors = train(model, cfg, as_batch(picture, half_hidden(picture)), range(2))
    assert all(0 < error < 1 for error in errors)
    pairs = zip(start, model.net.parameters(), strict=True)
    assert not any(torch.equal(before, after) for before, after in pairs)
    assert dip.image(model, cfg).shape == (36, 36, 3)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"task": "inpaint"}, "--set mask=FILE"),
        ({"channels": (8, 8, 8)}, "channels has 3 scales, but skip has 2"),
        ({"channels": (8,) * 4, "skip": (2,) * 4}, "4 scales need 17 pixels a side, not 10"),
    ],
)
def test_settings_that_do_not_fit_are_refused_in_one_line(changes, message):
    with pytest.raises(UsageError, match=message) as caught:
        adapted(random_picture(), **changes)
    assert "\n" not in str(caught.value)


def test_super_resolution_needs_its_pixels_only_after_enlargement():
    cfg = adapted(random_picture(), task="super_resolution", channels=(8,) * 5, skip=(2,) * 5)
    assert dip.image(built(cfg), cfg).shape == (48, 40, 3)


def outputs_of(model: dip.Model) -> list[torch.Tensor]:
    """Every output of the network from now on."""
    found: list[torch.Tensor] = []
    model.net.register_forward_hook(lambda module, given, out: found.append(out))
    return found


def test_denoising_is_the_mean_squared_error():
    picture = random_picture()
    cfg = adapted(picture)
    model = built(cfg)
    seen = outputs_of(model)
    terms = dip.loss(model, as_batch(picture), cfg, 0, generator=torch.Generator())
    expected = (seen[0][0].permute(1, 2, 0) - picture).square().mean()
    torch.testing.assert_close(terms["mse"], expected)


def test_super_resolution_is_the_error_after_downsampling():
    picture = random_picture()
    cfg = adapted(picture, task="super_resolution")
    model = built(cfg)
    seen = outputs_of(model)
    terms = dip.loss(model, as_batch(picture), cfg, 0, generator=torch.Generator())
    expected = (downsample(seen[0][0], 4).permute(1, 2, 0) - picture).square().mean()
    torch.testing.assert_close(terms["mse"], expected)


def half_hidden(picture: torch.Tensor) -> torch.Tensor:
    keep = torch.ones(picture.shape[:2], dtype=torch.bool)
    keep[:, ::2] = False
    return keep


def test_hidden_pixels_change_nothing():
    """Neither the error nor any gradient: the network never sees what the mask hides."""
    picture = random_picture()
    keep = half_hidden(picture)
    other = torch.where(keep[..., None], picture, random_picture(seed=1))
    cfg = adapted(picture, task="inpaint", mask="mask.png")
    results = []
    for hidden in (picture, other):
        model = built(cfg)
        errors = train(model, cfg, as_batch(hidden, keep), range(3))
        results.append((errors, [p.detach() for p in model.net.parameters()]))
    assert results[0][0] == results[1][0]
    assert all(torch.equal(a, b) for a, b in zip(results[0][1], results[1][1], strict=True))


def test_the_gradient_at_hidden_pixels_is_zero():
    picture = random_picture()
    keep = half_hidden(picture)
    cfg = adapted(picture, task="inpaint", mask="mask.png")
    model = built(cfg)
    seen = outputs_of(model)
    terms = dip.loss(model, as_batch(picture, keep), cfg, 0, generator=torch.Generator())
    (gradient,) = torch.autograd.grad(terms["mse"], seen[0])
    assert not gradient[0, :, ~keep].any()
    assert gradient[0, :, keep].all()


def test_an_inpainted_picture_keeps_its_known_pixels():
    picture = random_picture()
    keep = half_hidden(picture)
    cfg = adapted(picture, task="inpaint", mask="mask.png")
    model = built(cfg)
    train(model, cfg, as_batch(picture, keep), range(4))
    image = dip.image(model, cfg)
    torch.testing.assert_close(image[keep], picture[keep])
    assert not torch.isclose(image[~keep], picture[~keep]).any()


def test_an_enlarged_picture_shrinks_to_the_given_one():
    picture = random_picture()
    cfg = adapted(picture, task="super_resolution")
    model = built(cfg)
    for step in range(3):
        dip.loss(model, as_batch(picture), cfg, step, generator=torch.Generator())
    shrunk = downsample(dip.image(model, cfg).permute(2, 0, 1), 4).permute(1, 2, 0)
    torch.testing.assert_close(shrunk, picture, atol=1e-4, rtol=0)


def test_weights_that_were_lost_come_back():
    picture = random_picture()
    cfg = adapted(picture)
    model = built(cfg)
    train(model, cfg, as_batch(picture), range(3))
    good, error = model.good.weights.clone(), model.good.error.item()
    with torch.no_grad():
        model.net.head.bias.add_(20.0)
    terms = dip.loss(model, as_batch(picture), cfg, 3, generator=torch.Generator())
    assert terms["mse"].item() < error * 10**0.5
    assert torch.equal(torch.nn.utils.parameters_to_vector(model.net.parameters()), good)


def test_weights_that_are_not_numbers_come_back():
    picture = random_picture()
    cfg = adapted(picture)
    model = built(cfg)
    train(model, cfg, as_batch(picture), range(2))
    with torch.no_grad():
        next(model.net.parameters()).fill_(torch.nan)
    terms = dip.loss(model, as_batch(picture), cfg, 2, generator=torch.Generator())
    assert terms["mse"].isfinite()
    assert dip.image(model, cfg).isfinite().all()


def test_the_picture_is_given_at_its_own_size_only():
    cfg = adapted(random_picture())
    model = built(cfg)
    assert dip.image(model, cfg, size=(12, 10)).shape == (12, 10, 3)
    with pytest.raises(UsageError, match="exists at 10x12 only"):
        dip.image(model, cfg, size=(24, 20))


def test_early_stopping_gives_the_calmest_average_and_none_the_last():
    picture = random_picture()
    cfg = adapted(picture, patience=3)
    model = built(cfg)
    train(model, cfg, as_batch(picture), range(3))
    model.outputs.calmest.fill_(0.5)
    assert torch.equal(dip.image(model, cfg), torch.full((12, 10, 3), 0.5))
    last = dip.image(model, replace(cfg, patience=0))
    assert torch.equal(last, model.outputs.average.permute(1, 2, 0))


class Whole:
    """The sampler of one picture."""

    def __init__(self, picture: torch.Tensor) -> None:
        self.batch = as_batch(picture)

    def sample(self, n: int, *, generator: torch.Generator) -> PictureBatch:
        assert n == len(self.batch.values)
        return self.batch


def fitted(folder, cfg: dip.Config, picture: torch.Tensor, *stops: int) -> dip.Model:
    """A training in a run folder, begun anew at each of the stops."""
    record = Record(
        method="deep_image_prior", config={}, traits={}, seed=3, budget={},
        data=describe_data(folder, folder, fingerprint="", splits={}, downscale=1),
        world_from_scene=torch.eye(4).tolist(),
    )  # fmt: skip
    run: Run = create_run(folder, record)
    for stop in stops:
        model = built(cfg)
        optimiser = Adam(dip.param_groups(model, cfg))
        fit(
            dip, model, cfg, sampler=Whole(picture), optimiser=optimiser, run=run,
            budget=Budget(stop),
        )  # fmt: skip
    return model


def test_a_resumed_training_gives_the_same_bits(tmp_path):
    picture = random_picture()
    cfg = adapted(picture, patience=5)
    whole = fitted(tmp_path / "whole", cfg, picture, 24).state_dict()
    parts = fitted(tmp_path / "parts", cfg, picture, 7, 18, 24).state_dict()
    assert whole.keys() == parts.keys()
    assert all(torch.equal(whole[name], parts[name]) for name in whole)


def disc(size: int) -> torch.Tensor:
    """A picture with smooth parts and edges."""
    y, x = torch.meshgrid(*[torch.linspace(-1, 1, size)] * 2, indexing="ij")
    inside = (x**2 + y**2 < 0.5).float()
    return torch.stack([0.2 + 0.6 * inside, 0.5 + 0.3 * x, 0.5 + 0.3 * y * inside], dim=-1)


def test_denoising_gains_more_than_3_decibels():
    clean = disc(48)
    noise = 25 / 255 * torch.randn(clean.shape, generator=torch.Generator().manual_seed(1))
    noisy = (clean + noise).clamp(0, 1)
    cfg = adapted(noisy, dip.Config(channels=(16,) * 3, skip=(4,) * 3, ema=0.95))
    model = built(cfg)
    train(model, cfg, as_batch(noisy), range(150))
    assert psnr(dip.image(model, cfg), clean) > psnr(noisy, clean) + 3
