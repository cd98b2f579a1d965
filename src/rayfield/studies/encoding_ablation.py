"""What a coordinate network makes of a picture, with and without Fourier features.

Tancik et al. 2020, arXiv:2006.10739, Sec. 6 and Table 1 (2D image): trained on every second row
and column of a picture and asked for the pixels between, networks without a mapping blur, and
Gaussian frequencies do best if their scale is right: smaller scales blur, larger ones overfit.
Shown: PSNR of the pixels trained on and of those held out, for every mapping and scale.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from rayfield.core.check import DataError
from rayfield.data.demo import demo_photos
from rayfield.data.images import SUFFIXES
from rayfield.data.picture import Picture, PictureSampler, PictureTraits, read_picture
from rayfield.methods import fourier_features
from rayfield.methods.fourier_features import Config
from rayfield.objectives.photometric import psnr
from rayfield.studies import encoding_figure
from rayfield.studies.study import FIGURE, Findings, Report, Verdict, part
from rayfield.studies.trial import trial

SCALES = (1, 2, 4, 8, 10, 16, 32, 64)  # of the Gaussian, in periods over the picture
TOP_BANDS = (4, 5)  # of the positional mapping, log2 of its highest frequency
MAPPINGS = ("none", "basic", "positional", "gaussian")
MOST = 6  # pictures looked at
PLAIN_RATE = 1e-2  # of the mappings without detail, as published; the others' is the default


@dataclass(frozen=True)
class Size:
    """The square cut from the middle of each picture, the network, its training."""

    side: int = 256
    width: int = 128
    features: int = 128
    batch: int = 1024
    steps: int = 1000


FULL = Size(512, 256, 256, 4096, 4000)


class Variant(NamedTuple):
    """A mapping at a scale (0 where it has none)."""

    mapping: str
    scale: int = 0

    @property
    def label(self) -> str:
        """Its name in folders and figures."""
        return f"{self.mapping} {self.scale}" if self.scale else self.mapping


VARIANTS = (
    Variant("none"),
    Variant("basic"),
    *(Variant("positional", top) for top in TOP_BANDS),
    *(Variant("gaussian", scale) for scale in SCALES),
)


def run(folder: Path, *, full: bool, report: Report, data: Path | None) -> Findings:
    """See the module; `data` is a picture or a folder of them, by default of the demo."""
    return examine(folder, FULL if full else Size(), data=data or demo_photos(), report=report)


def examine(folder: Path, size: Size, *, data: Path, report: Report) -> Findings:
    """The study at a given size."""
    pictures = [middle(read_picture(path), size.side) for path in find_pictures(data)]
    scores: dict[str, dict[str, dict[str, float]]] = {}
    shown: dict[str, dict[str, Tensor]] = {}
    for done, (picture, variant) in enumerate(_pairs(pictures)):
        total = len(pictures) * len(VARIANTS)
        stage = part(report, done / total, (done + 1) / total)
        image = learn(folder / "trials", size, picture, variant=variant, report=stage)
        scores.setdefault(picture.path.stem, {})[variant.label] = {
            name: score(image, picture, name) for name in ("train", "test")
        }
        shown.setdefault(picture.path.stem, {})[variant.label] = image
    best = {name: best_of(found) for name, found in scores.items()}
    numbers: dict[str, Any] = {
        "side": size.side,
        "width": size.width,
        "features": size.features,
        "steps": size.steps,
        "psnr": scores,
        "best_scale": {name: found["gaussian"] for name, found in best.items()},
        "best_test_psnr": {
            name: {m: scores[name][label]["test"] for m, label in found.items()}
            for name, found in best.items()
        },
    }
    picture = max(pictures, key=lambda p: _gain(numbers["best_test_psnr"][p.path.stem]))
    images = shown[picture.path.stem]
    encoding_figure.draw(folder / FIGURE, numbers, picture=picture, shown=images, scales=SCALES)
    return Findings(numbers, judge(numbers))


def find_pictures(data: Path) -> list[Path]:
    """The pictures in a folder, Kodak's and `camera` first; a file stands for itself."""
    if not data.is_dir():
        return [data]
    found = sorted(path for path in data.rglob("*") if path.suffix.lower() in SUFFIXES)
    if not found:
        raise DataError(data, "holds no pictures", "give a picture or a folder of them")
    known = [p for p in found if p.stem.startswith("kodim") or p.stem == "camera"]
    return (known or found)[:MOST]


def middle(picture: Picture, side: int) -> Picture:
    """The square in the middle of a picture. Raises DataError if it is smaller."""
    height, width, channels = picture.values.shape
    if min(height, width) < side:
        what = f"is {width}x{height} pixels"
        raise DataError(picture.path, what, f"give pictures of at least {side}x{side}")
    top, left = (height - side) // 2, (width - side) // 2
    return replace(
        picture,
        values=picture.values[top : top + side, left : left + side].contiguous(),
        keep=torch.ones(side, side, dtype=torch.bool),
        traits=PictureTraits(side, side, channels),
    )


def learn(
    folder: Path, size: Size, picture: Picture, *, variant: Variant, report: Report
) -> Float[Tensor, "H W C"]:
    """The picture that a network makes of the train pixels of another."""
    cfg = Config(
        mapping=variant.mapping,  # type: ignore[arg-type]
        scale=float(variant.scale),
        steps=size.steps,
        width=size.width,
        features=size.features,
        batch=size.batch,
        held_out=True,
    )
    if variant.mapping in ("none", "basic"):
        cfg = replace(cfg, rate=PLAIN_RATE)
    cfg = fourier_features.adapt(cfg, picture.traits)
    model: Any = trial(
        folder / picture.path.stem / variant.label.replace(" ", "-"),
        fourier_features,
        cfg,
        sampler=PictureSampler(picture, held_out=True),
        steps=size.steps,
        report=report,
    )
    return fourier_features.image(model, cfg).clamp(0, 1)


def score(image: Float[Tensor, "H W C"], picture: Picture, name: str) -> float:
    """PSNR of the pixels of a part of the picture."""
    chosen = picture.indices("train" if name == "train" else "test")
    a, b = (x.flatten(0, 1)[chosen][None] for x in (image, picture.values))
    return float(psnr(a, b))


def best_of(found: dict[str, dict[str, float]]) -> dict[str, str]:
    """For each mapping the variant with the highest PSNR on held-out pixels."""
    return {
        mapping: max(
            (v.label for v in VARIANTS if v.mapping == mapping), key=lambda v: found[v]["test"]
        )
        for mapping in MAPPINGS
    }


def judge(numbers: dict[str, Any]) -> Verdict:
    """The order of the mappings on every picture."""
    rows = [[row[m] for m in MAPPINGS] for row in numbers["best_test_psnr"].values()]
    ordered = sum(a < b < c <= d for a, b, c, d in rows)
    means = np.mean(rows, axis=0)
    means_text = ", ".join(f"{m} {x:.2f}" for m, x in zip(MAPPINGS, means, strict=True))
    return Verdict(
        "held-out PSNR: none < basic < positional <= Gaussian at its best scale "
        "(Tancik et al. 2020, Table 1: 19.32, 21.71, 24.95, 25.57 dB on 512x512 photos)",
        f"so on {ordered} of {len(rows)} pictures; means {means_text} dB",
        ordered == len(rows),
    )


def _gain(best: dict[str, float]) -> float:
    return best["gaussian"] - best["none"]


def _pairs(pictures: list[Picture]) -> Iterator[tuple[Picture, Variant]]:
    for picture in pictures:
        for variant in VARIANTS:
            yield picture, variant
