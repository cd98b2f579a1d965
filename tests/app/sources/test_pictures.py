"""Learning one picture or signal: from the file to a run folder, and to pictures at any size."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from rayfield.app.command.display import Quiet
from rayfield.app.drawing.gallery import Gallery
from rayfield.app.learned.trained_picture import TrainedPicture
from rayfield.app.sources.pictures import MOST_PREVIEWED, Pixels, open_picture, open_samples
from rayfield.core.check import DataError, UsageError
from rayfield.methods import fourier_features
from rayfield.train.loop import fit
from rayfield.train.optim import Adam
from rayfield.train.progress import Budget, Hooks
from rayfield.train.run import Record, Run, create_run

SMALL = {"width": 16, "features": 16, "batch": 64, "scale": 2.0}


def learn(source: Pixels, cfg, out: Path, *, steps: int = 40) -> tuple[TrainedPicture, Gallery]:
    """What the verb `train` does with a source."""
    cfg = fourier_features.adapt(cfg, source.traits)
    origin = source.origin(out)
    record = Record(
        method="fourier_features",
        config=cfg.__dict__,
        data=origin.data,
        world_from_scene=origin.world_from_scene,
        traits=origin.traits,
        seed=0,
        budget={"steps": steps, "seconds": None},
    )
    run = create_run(out, record)
    model = fourier_features.build(cfg, generator=torch.Generator().manual_seed(0))
    gallery = source.preview(run, fourier_features, model, cfg=cfg, display=Quiet())
    fit(
        fourier_features,
        model,
        cfg,
        sampler=source.sampler,
        optimiser=Adam(fourier_features.param_groups(model, cfg)),
        run=run,
        budget=Budget(steps),
        hooks=Hooks(preview_at=lambda step, _: step in (1, 2), preview=gallery.take),
    )
    gallery.finish(steps, 1.0)
    return TrainedPicture(run, fourier_features, cfg, model.eval(), steps), gallery


@pytest.fixture
def picture(tmp_path) -> Path:
    """A 12 x 20 colour gradient."""
    row, column = np.mgrid[0:12, 0:20]
    pixels = np.stack([row * 20, column * 12, row + column], axis=-1).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "picture.png")
    return tmp_path / "picture.png"


def test_a_run_of_a_picture_holds_its_strip_curves_and_history(picture, tmp_path):
    source = open_samples(picture, cfg=fourier_features.Config(**SMALL), downscale=1)
    assert source.lines() == [f"{picture}: picture of 20x12 pixels, colour"]
    trained, _ = learn(source, fourier_features.Config(**SMALL), tmp_path / "run")
    figures = trained.run.figures
    assert {p.name for p in figures.glob("*.png")} >= {"sharpening.png", "curves.png"}
    frames = json.loads((figures / "sharpening.json").read_text())["frames"]
    assert [row["step"] for row in frames] == [1, 2, 40]
    assert frames[-1]["psnr"] > frames[0]["psnr"]
    for row in frames:
        with Image.open(figures / row["file"]) as image:
            assert image.size == (20, 12)


def test_the_record_says_which_picture_and_what_its_values_mean(picture, tmp_path):
    source = open_samples(picture, cfg=fourier_features.Config(), downscale=2)
    origin = source.origin(tmp_path / "run")
    assert origin.data["path"] == picture.as_posix()
    assert origin.data["downscale"] == 2
    assert origin.traits == {"height": 6, "width": 10, "channels": 3, "low": 0.0, "high": 1.0}
    json.dumps(origin._asdict())


def test_a_learned_picture_is_drawn_at_any_size(picture, tmp_path):
    cfg = fourier_features.Config(**SMALL)
    trained, _ = learn(open_samples(picture, cfg=cfg, downscale=1), cfg, tmp_path / "run")
    assert trained.image().shape == (12, 20, 3)
    found = trained.render(size=(60, 36))
    assert Path(found["file"]) == tmp_path / "run" / "renders" / "60x36.png"
    with Image.open(found["file"]) as image:
        assert image.size == (60, 36)
        large = np.asarray(image, dtype=float) / 255
    np.testing.assert_allclose(large[1::3, 1::3], trained.image(), atol=0.5 / 255 + 1e-4)
    trained.render(out=tmp_path / "mine.png")
    assert (tmp_path / "mine.png").exists()
    trained.render(out=tmp_path / "folder")
    assert [p.name for p in (tmp_path / "folder").iterdir()] == ["20x12.png"]
    with pytest.raises(UsageError, match=r"written as \.png"):
        trained.render(out=tmp_path / "film.mp4")
    for size in ((0, 5), (2**14, 2**14)):
        with pytest.raises(UsageError, match="give a size"):
            trained.image(size)


def test_evaluation_reports_the_psnr_of_the_pixels(picture, tmp_path):
    cfg = fourier_features.Config(**SMALL)
    trained, _ = learn(open_samples(picture, cfg=cfg, downscale=1), cfg, tmp_path / "run")
    found = trained.evaluate()
    with Image.open(picture) as image:
        truth = np.asarray(image, dtype=float) / 255
    expected = -10 * np.log10(((trained.image() - truth) ** 2).mean())
    assert found["psnr"] == pytest.approx(expected, abs=1e-4)
    assert 0 < found["ssim"] <= 1
    assert json.loads(trained.run.metrics.read_text()) == found
    assert (trained.run.figures / "evaluation.png").exists()


def test_held_out_pixels_are_measured_apart(picture, tmp_path):
    cfg = fourier_features.Config(held_out=True, **SMALL)
    source = open_samples(picture, cfg=cfg, downscale=1)
    assert len(source.sampler.sample(1000, generator=torch.Generator()).points) == 60
    found = learn(source, cfg, tmp_path / "run")[0].evaluate()
    assert {"psnr_train", "psnr_held_out"} <= found.keys()
    assert found["psnr_train"] != found["psnr_held_out"]


def test_masked_pixels_are_not_learned_and_measured_apart(picture, tmp_path):
    mask = np.full((12, 20), 255, np.uint8)
    mask[:, 10:] = 0
    Image.fromarray(mask).save(tmp_path / "mask.png")
    cfg = fourier_features.Config(mask=str(tmp_path / "mask.png"), **SMALL)
    source = open_picture(picture, cfg=cfg, downscale=1)
    assert "50.0% of the pixels are known" in source.lines()[1]
    found = learn(source, cfg, tmp_path / "run", steps=300)[0].evaluate()
    assert found["psnr_hidden"] < found["psnr"] - 1


def test_a_signal_comes_back_in_its_own_values(tmp_path):
    np.save(tmp_path / "signal.npy", 100 + 50 * np.sin(np.linspace(0, 6, 80)))
    cfg = fourier_features.Config(**SMALL)
    source = open_samples(tmp_path / "signal.npy", cfg=cfg, downscale=1)
    assert "signal of 80 samples" in source.lines()[0]
    trained, _ = learn(source, cfg, tmp_path / "run", steps=300)
    found = np.load(trained.render()["file"])
    assert found.shape == (80, 1)
    np.testing.assert_allclose(found[:, 0], np.load(tmp_path / "signal.npy"), atol=5)
    assert trained.evaluate()["ssim"] is None
    assert np.load(trained.render(size=(200, 1))["file"]).shape == (200, 1)


def test_a_picture_that_changed_is_noticed(picture, tmp_path):
    cfg = fourier_features.Config(**SMALL)
    trained, _ = learn(open_samples(picture, cfg=cfg, downscale=1), cfg, tmp_path / "run")
    Image.fromarray(np.zeros((12, 20, 3), np.uint8)).save(picture)
    with pytest.raises(DataError, match="differs from the data"):
        trained.evaluate()


def test_a_reference_of_another_size_is_refused(picture, tmp_path):
    cfg = fourier_features.Config(**SMALL)
    trained, _ = learn(open_samples(picture, cfg=cfg, downscale=1), cfg, tmp_path / "run")
    Image.fromarray(np.eye(12, dtype=np.uint8)).save(tmp_path / "other.png")
    with pytest.raises(DataError, match="12x12x1"):
        trained.evaluate(reference=tmp_path / "other.png")


def test_a_resumed_training_keeps_the_pictures_it_took(picture, tmp_path):
    cfg = fourier_features.Config(**SMALL)
    source = open_samples(picture, cfg=cfg, downscale=1)
    trained, gallery = learn(source, cfg, tmp_path / "run")
    again = source.preview(
        trained.run, fourier_features, trained.model, cfg=trained.cfg, display=Quiet()
    )
    assert gallery.due(41, 1.5) is again.due(41, 1.5) is False
    assert gallery.due(41, 2.5) is again.due(41, 2.5) is True


def test_large_pictures_are_previewed_in_a_small_size(tmp_path, monkeypatch):
    side = 725
    assert side**2 > MOST_PREVIEWED
    Image.fromarray(np.zeros((side, side), np.uint8)).save(tmp_path / "large.png")
    source = open_samples(tmp_path / "large.png", cfg=fourier_features.Config(), downscale=1)
    asked = []

    class Method:
        @staticmethod
        def image(model, cfg, *, size) -> Tensor:
            asked.append(size)
            return torch.zeros(*size, 1)

    run = Run(tmp_path / "run", Record(method="", data={}))  # type: ignore[typeddict-item]
    run.path.mkdir()
    model = torch.nn.Linear(1, 1)
    source.preview(run, Method, model, cfg=None, display=Quiet()).take(1, 1.0)
    assert asked == [(256, 256)]
