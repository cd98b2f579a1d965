"""What the deep image prior restores, in PSNR, beside what needs no network.

denoise: Gaussian noise of sigma 25 on a 256x256 crop, against the noisy picture. inpaint: printed
text on a 128x128 crop, against filling each hidden pixel from the nearest known one, or linearly or
cubically between them. super_resolution: a 128x128 crop made 4 times smaller with Lanczos2,
against nearest-neighbour and bicubic enlargement. PSNR over all pixels, RGB in [0, 1], clipped; of
super-resolution also as its authors count, of luma in studio range and without the outermost 4
pixels.
"""

from __future__ import annotations

import math
import os
import sys
import textwrap
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from common import ROOT, Figure, parser, report
from PIL import Image, ImageDraw, ImageFont
from scipy.interpolate import griddata
from torch.nn import functional

from rayfield.data.images import read_image
from rayfield.data.picture import PictureBatch, PictureTraits
from rayfield.math.resample import downsample
from rayfield.methods import deep_image_prior as dip
from rayfield.objectives.photometric import psnr
from rayfield.train.loop import step_seed
from rayfield.train.optim import Adam

SIGMA, FACTOR, BORDER = 25 / 255, 4, 4
GOALS = {"noisy": 6.0, "nearest": 2.0, "bicubic": 2.0}  # dB gained over each
TEXT = (
    "It was the best of times, it was the worst of times, it was the age of wisdom, it was the "
    "age of foolishness, it was the epoch of belief, it was the epoch of incredulity, it was the "
    "season of Light, it was the season of Darkness, it was the spring of hope, it was the winter "
    "of despair"
)
Degraded = tuple[torch.Tensor, torch.Tensor, dict[str, torch.Tensor]]  # given, known, baselines


def degrade(clean: torch.Tensor, task: str) -> Degraded:
    """What the method is given of a picture, which pixels are known, and what to compare with."""
    known = torch.ones(clean.shape[:2], dtype=torch.bool)
    if task == "denoise":
        noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(5))
        noisy = (clean + SIGMA * noise).clamp(0, 1)
        return noisy, known, {"noisy": noisy}
    if task == "inpaint":
        known = ~printed(len(clean))
        return clean * known[..., None], known, fills(clean, known)
    small = downsample(clean.permute(2, 0, 1), FACTOR).clamp(0, 1)[None].mul(255).round() / 255
    larger = {
        "nearest": functional.interpolate(small, scale_factor=FACTOR),
        "bicubic": functional.interpolate(small, scale_factor=FACTOR, mode="bicubic"),
    }
    baselines = {name: picture[0].permute(1, 2, 0).clamp(0, 1) for name, picture in larger.items()}
    return small[0].permute(1, 2, 0).contiguous(), known[::FACTOR, ::FACTOR], baselines


def printed(side: int) -> torch.Tensor:
    """True where text is printed on a square."""
    page = Image.new("L", (side, side), 255)
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(15)
    for row, line in enumerate(textwrap.wrap(TEXT, side // 8)):
        draw.text((6, 6 + 22 * row), line, fill=0, font=font)
    return torch.from_numpy(np.array(page) < 255)


def fills(clean: torch.Tensor, known: torch.Tensor) -> dict[str, torch.Tensor]:
    """The hidden pixels interpolated between the known ones."""
    at, grid = np.argwhere(known.numpy()), tuple(np.mgrid[: len(clean), : len(clean)])
    found = {}
    for kind in ("nearest", "linear", "cubic"):
        filled = griddata(at, clean[known].numpy(), grid, method=kind)
        nearest = found.get("nearest", torch.zeros(())).numpy()
        outside = np.isnan(filled)  # no known pixels all around
        found[kind] = torch.from_numpy(np.where(outside, nearest, filled)).float().clamp(0, 1)
    return found


def luma(picture: torch.Tensor) -> torch.Tensor:
    """Luma in studio range (ITU-R BT.601), 16/255 to 235/255, without the border: [H, W, 1]."""
    weights = torch.tensor([65.481, 128.553, 24.966])
    return ((picture @ weights + 16) / 255)[BORDER:-BORDER, BORDER:-BORDER, None]


def restore(
    given: torch.Tensor, known: torch.Tensor, cfg: dip.Config
) -> tuple[dip.Model, list[Figure]]:
    """The model trained on a degraded picture; how well its output explains that, and seconds."""
    values = given.flatten(0, 1)
    batch = PictureBatch(torch.zeros(len(values), 2), values, known.flatten())
    model = dip.build(cfg, generator=torch.Generator().manual_seed(0))
    optimiser, generator = Adam(dip.param_groups(model, cfg)), torch.Generator()
    started = time.perf_counter()
    for step in range(cfg.steps):
        generator.manual_seed(step_seed(0, step))
        error = dip.loss(model, batch, cfg, step, generator=generator)["mse"]
        error.backward()
        optimiser.step(1.0)
    seconds = time.perf_counter() - started
    fit = -10 * math.log10(float(error.detach()))
    return model, [
        Figure("last output against what was given", fit, "dB"),
        Figure(f"{cfg.steps} steps", seconds, "s"),
    ]


def figures(
    clean: torch.Tensor, baselines: dict[str, torch.Tensor], found: torch.Tensor, *, task: str
) -> list[Figure]:
    """PSNR of all pictures, and the gain over each that needs no network."""
    restored = float(psnr(found, clean))
    others = {name: float(psnr(picture, clean)) for name, picture in baselines.items()}
    lines = [Figure(name, value, "dB") for name, value in others.items()]
    lines.append(Figure("restored", restored, "dB"))
    for name, value in others.items():
        lines.append(Figure(f"gain over {name}", restored - value, "dB", GOALS.get(name)))
    if task == "super_resolution":
        as_luma = {
            name: float(psnr(luma(picture), luma(clean)))
            for name, picture in {**baselines, "restored": found}.items()
        }
        lines += [Figure(f"{name}, luma", value, "dB") for name, value in as_luma.items()]
    return lines


def main() -> None:
    """Measure and report."""
    arguments = parser(__doc__)
    arguments.add_argument("task", choices=("denoise", "inpaint", "super_resolution"))
    arguments.add_argument("--image", type=Path, help="default: kodim23.png of $RAYFIELD_DATA")
    arguments.add_argument("--corner", type=int, nargs=2, metavar=("TOP", "LEFT"))
    arguments.add_argument("--side", type=int, help="of the square taken from it")
    arguments.add_argument("--preset", choices=dip.PRESETS, default="laptop")
    arguments.add_argument("--steps", type=int, help="default: the preset's")
    arguments.add_argument("--jitter", type=float, help="of the input; default: the preset's")
    arguments.add_argument("--save", type=Path, help="PNG: clean, given, restored")
    args = arguments.parse_args()
    data = Path(os.environ.get("RAYFIELD_DATA", ROOT.parent / "shared" / "data"))
    image = args.image or data / "images2d" / "kodim23.png"
    if not image.is_file():
        sys.exit(f"{image}: not found; give a picture with --image")
    side = args.side or (256 if args.task == "denoise" else 128)
    top, left = args.corner or ((60, 60) if args.task == "denoise" else (130, 130))
    pixels = read_image(image)[top : top + side, left : left + side, :3]
    clean = torch.from_numpy(pixels.copy()).float() / 255
    given, known, baselines = degrade(clean, args.task)
    cfg = replace(dip.PRESETS[args.preset], task=args.task, mask="text")
    cfg = dip.adapt(cfg, PictureTraits(*given.shape))
    jitter = cfg.jitter if args.jitter is None else args.jitter
    cfg = replace(cfg, steps=5 if args.quick else args.steps or cfg.steps, jitter=jitter)
    model, training = restore(given, known, cfg)
    found = dip.image(model, cfg).clamp(0, 1)
    lines = figures(clean, baselines, found, task=args.task)
    if args.task == "denoise":
        last = dip.image(model, replace(cfg, patience=0))
        lines.append(Figure("average at the last step", float(psnr(last, clean)), "dB"))
    lines += training
    if args.save:
        rows = [clean, functional.interpolate(given.permute(2, 0, 1)[None], (side, side))[0]]
        strip = torch.cat([rows[0], rows[1].permute(1, 2, 0), found], dim=1)
        Image.fromarray((strip * 255 + 0.5).byte().numpy()).save(args.save)
    report(lines, args, task=args.task, image=image.name, corner=[top, left], side=side)


if __name__ == "__main__":
    main()
