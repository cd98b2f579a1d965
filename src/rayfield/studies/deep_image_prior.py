"""A network that has seen nothing learns pictures long before it learns noise.

Ulyanov, Vedaldi, Lempitsky 2018 (deep image prior), arXiv:1711.10925, Fig. 2. One network is fitted
to a picture, to the picture with noise of sigma 25 / 255, to its shuffled pixels, and to white
noise. Shown: the error left against steps; how close to the clean picture the network comes that
is fitted to the noisy one, which rises, peaks and falls; and where training is stopped without
knowing the clean picture (Wang et al. 2021, arXiv:2112.06074).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Generator, Tensor, nn

from rayfield.core import drawing
from rayfield.core.drawing import BLUE, FAINT, GREEN, INK, ORANGE, PURPLE, dress
from rayfield.data.demo import demo_photos
from rayfield.data.picture import PictureBatch, PictureTraits, read_picture
from rayfield.methods import deep_image_prior as dip
from rayfield.objectives.photometric import psnr
from rayfield.studies.study import FIGURE, Findings, Report, Verdict, part
from rayfield.studies.trial import trial

SIGMA = 25 / 255
LEARNED = 0.1  # part of a signal's variance that may be missing once it counts as learned
COLOURS = {"picture": BLUE, "noisy picture": ORANGE, "shuffled pixels": PURPLE, "noise": GREEN}
NOISY = "noisy picture"


@dataclass(frozen=True)
class Size:
    """Side of the square that is learned, and how long and by how wide a network."""

    side: int = 128
    steps: int = 1000
    width: int = 32


FULL = Size(256, 5000, 128)


class Whole:
    """The sampler of one picture, all of it."""

    def __init__(self, picture: Float[Tensor, "H W C"]) -> None:
        values = picture.flatten(0, 1)
        known = torch.ones(len(values), dtype=torch.bool)
        self.batch = PictureBatch(torch.zeros(len(values), 2), values, known)

    def sample(self, n: int, *, generator: Generator) -> PictureBatch:
        """The picture, in the order of its pixels."""
        return self.batch


class Watched:
    """The method, with a record in the model: error, PSNR of output and average to `clean`."""

    __name__ = dip.__name__
    batch_size = staticmethod(dip.batch_size)
    param_groups = staticmethod(dip.param_groups)
    lr_factor = staticmethod(dip.lr_factor)

    def __init__(self, clean: Float[Tensor, "H W C"]) -> None:
        self.clean = clean

    def build(self, cfg: dip.Config, *, generator: Generator) -> nn.Module:
        """The untrained model and an empty record [steps, 3]."""
        model = dip.build(cfg, generator=generator)
        model.register_buffer("record", torch.zeros(cfg.steps, 3))
        return model

    def loss(
        self, model: Any, batch: PictureBatch, cfg: dip.Config, step: int, *, generator: Generator
    ) -> dict[str, Tensor]:
        """The method's, noted down."""
        outputs: list[Tensor] = []
        hook = model.net.register_forward_hook(lambda net, given, out: outputs.append(out.detach()))
        terms = dip.loss(model, batch, cfg, step, generator=generator)
        hook.remove()
        pictures = (outputs[-1][0], model.outputs.average)
        found = [psnr(picture.permute(1, 2, 0), self.clean) for picture in pictures]
        model.record[step] = torch.stack([terms["mse"].detach().double(), *found])
        return terms


def run(folder: Path, *, full: bool, report: Report, data: Path | None) -> Findings:
    """See the module; `data` is an image file, whose middle is used."""
    return examine(folder, FULL if full else Size(), data, report=report)


def examine(folder: Path, size: Size, data: Path | None, *, report: Report) -> Findings:
    """The study at a given size. Raises DataError if the image cannot be used."""
    clean = middle(data or demo_photos() / "test" / "r_8.png", size.side)
    signals = make_signals(clean)
    width = (size.width,) * 5
    cfg = dip.Config(steps=size.steps, channels=width, jitter=0.0, patience=size.steps // 4)
    cfg = dip.adapt(cfg, PictureTraits(*clean.shape))
    numbers: dict[str, Any] = {"side": size.side, "steps": size.steps, "width": size.width}
    models = {}
    for index, (name, signal) in enumerate(signals.items()):
        method = Watched(clean if name == NOISY else signal)
        model: Any = trial(
            folder / "trials" / name.replace(" ", "-"), method, cfg, sampler=Whole(signal),
            steps=size.steps, report=part(report, index / 4, (index + 1) / 4),
        )  # fmt: skip
        models[name] = model
        numbers[name] = {"left": error_left(model.record, signal).tolist()}
        numbers[name]["steps_to_learn"] = steps_to_learn(numbers[name]["left"])
    numbers["denoising"] = denoising(models[NOISY], signals[NOISY], clean)
    with torch.no_grad():
        end = models[NOISY].net(models[NOISY].noise)[0].permute(1, 2, 0)
    pictures = {**signals, "restored": dip.image(models[NOISY], cfg), "end": end}
    _draw(folder / FIGURE, numbers, pictures)
    return Findings(numbers, judge(numbers))


def middle(path: Path, side: int) -> Float[Tensor, "S S C"]:
    """The middle square of an image, or all of its shorter side. Raises DataError."""
    values = read_picture(path).values
    side = min(side, *values.shape[:2])
    top, left = ((n - side) // 2 for n in values.shape[:2])
    return values[top : top + side, left : left + side].expand(-1, -1, 3).contiguous()


def make_signals(clean: Float[Tensor, "H W C"]) -> dict[str, Float[Tensor, "H W C"]]:
    """Picture, noisy picture, shuffled pixels, uniform noise; the same at every call."""
    generator = torch.Generator().manual_seed(0)
    noise = SIGMA * torch.randn(clean.shape, generator=generator)
    order = torch.randperm(clean.shape[0] * clean.shape[1], generator=generator)
    return {
        "picture": clean,
        NOISY: (clean + noise).clamp(0, 1),
        "shuffled pixels": clean.flatten(0, 1)[order].view(clean.shape),
        "noise": torch.rand(clean.shape, generator=generator),
    }


def error_left(record: Float[Tensor, "K 3"], signal: Float[Tensor, "H W C"]) -> Float[Tensor, " K"]:
    """Squared error over the signal's variance about its mean colour, at every step."""
    return record[:, 0] / signal.var(dim=(0, 1), correction=0).mean()


def steps_to_learn(left: list[float]) -> int | None:
    """Steps until no more than `LEARNED` of the variance is left; None if that was not reached."""
    return next((k + 1 for k, value in enumerate(left) if value <= LEARNED), None)


def denoising(
    model: Any, noisy: Float[Tensor, "H W C"], clean: Float[Tensor, "H W C"]
) -> dict[str, Any]:
    """PSNR to the clean picture, dB: at the peak, at the step chosen without it, at the end."""
    raw, average = model.record[:, 1], model.record[:, 2]
    stop = int(model.outputs.calm_at) - 1
    return {
        "noisy": float(psnr(noisy, clean)),
        "peak": float(raw.max()),
        "peak_step": int(raw.argmax()) + 1,
        "average_peak": float(average.max()),
        "stop_step": stop + 1,
        "at_stop": float(raw[stop]),
        "restored": float(psnr(model.outputs.calmest.permute(1, 2, 0), clean)),
        "end": float(raw[-1]),
        "output": raw.tolist(),
        "average": average.tolist(),
    }


def judge(numbers: dict[str, Any]) -> Verdict:
    """Noise takes 3 times the steps of the picture or more; the PSNR peaks; the stop is near it."""
    never = numbers["steps"] + 1
    steps = {name: numbers[name]["steps_to_learn"] for name in COLOURS}
    least = min(steps["shuffled pixels"] or never, steps["noise"] or never)
    found = numbers["denoising"]
    learned = steps["picture"] is not None and least >= 3 * steps["picture"]
    peaked = found["end"] < found["peak"] - 1 and found["peak"] > found["noisy"] + 3
    words = {n: f"{k:,}" if k else f"more than {numbers['steps']:,}" for n, k in steps.items()}
    return Verdict(
        "the network resists noise: it fits a picture much sooner than noise, and passes close to "
        "the clean picture while it is fitted to a noisy one (Ulyanov et al. 2018, Fig. 2)",
        f"90 % of the variance after {words['picture']} steps (picture), "
        f"{words['shuffled pixels']} (shuffled), {words['noise']} (noise); from a noisy picture of "
        f"{found['noisy']:.1f} dB it peaks at {found['peak']:.1f} dB and ends at "
        f"{found['end']:.1f} dB; stopped without the clean picture: {found['at_stop']:.1f} dB, "
        f"{found['restored']:.1f} dB averaged",
        bool(learned and peaked and found["restored"] > found["peak"] - 1.5),
    )


def _draw(path: Path, numbers: dict[str, Any], pictures: dict[str, Tensor]) -> None:
    found = numbers["denoising"]
    titles = {
        "picture": "the picture",
        NOISY: f"with noise: {found['noisy']:.1f} dB",
        "shuffled pixels": "its pixels shuffled",
        "noise": "noise",
        "restored": f"stopped: {found['restored']:.1f} dB",
        "end": f"not stopped: {found['end']:.1f} dB",
    }
    with drawing.style():
        figure = drawing.new_figure(11.0, 6.9)
        grid = figure.add_gridspec(1, 2, left=0.06, right=0.98, top=0.86, bottom=0.42, wspace=0.15)
        _draw_errors(figure.add_subplot(grid[0]), numbers)
        _draw_quality(figure.add_subplot(grid[1]), found)
        grid = figure.add_gridspec(1, 6, left=0.02, right=0.98, top=0.31, bottom=0.05, wspace=0.08)
        for column, (name, picture) in enumerate(pictures.items()):
            axes = figure.add_subplot(grid[column])
            drawing.show(axes, picture.clamp(0, 1).numpy())
            axes.set_title(titles[name], fontsize=9, color=COLOURS.get(name, INK))
        drawing.headline(
            figure,
            "A network that has seen nothing learns pictures long before it learns noise",
            below="the same untrained network is fitted to each of the first four pictures below",
            remark=f"{numbers['side']}x{numbers['side']} pixels, {numbers['steps']:,} steps, "
            f"5 scales of {numbers['width']} channels, noise of sigma 25",
        )
    drawing.save(figure, path)


def _draw_errors(axes: Any, numbers: dict[str, Any]) -> None:
    steps = range(1, numbers["steps"] + 1)
    for name, colour in COLOURS.items():
        axes.loglog(steps, numbers[name]["left"], color=colour, lw=1.5, label=name)
    axes.axhline(LEARNED, color=FAINT, lw=0.8, ls="--")
    axes.set_ylim(min(LEARNED / 3, axes.get_ylim()[0]), 2)
    dress(axes, title="error that is left", x="steps", y="part of the variance")


def _draw_quality(axes: Any, found: dict[str, Any]) -> None:
    steps = range(1, len(found["output"]) + 1)
    axes.semilogx(steps, found["output"], color=ORANGE, lw=1.2, label="output")
    axes.semilogx(steps, found["average"], color=INK, lw=1.6, label="averaged output")
    axes.axhline(found["noisy"], color=FAINT, lw=0.8, ls="--")
    axes.text(1, found["noisy"], " the noisy picture itself", color=FAINT, fontsize=8, va="bottom")
    axes.axvline(found["stop_step"], color=FAINT, lw=0.9)
    foot = axes.get_xaxis_transform()
    axes.text(found["stop_step"], 0.03, "stopped here ", fontsize=8, ha="right", transform=foot)
    axes.set_xlim(1, len(steps))
    dress(axes, title="fitted to the noisy picture: closeness to the clean one",
          x="steps", y="PSNR (dB)")  # fmt: skip
