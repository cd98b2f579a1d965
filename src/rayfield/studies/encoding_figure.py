"""The figure of the study `encoding_ablation`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from torch import Tensor

from rayfield.core import drawing
from rayfield.core.drawing import BLUE, FAINT, INK, ORANGE, dress
from rayfield.data.picture import Picture

COLOURS = {"none": FAINT, "basic": "#7b4fa3", "positional": "#3c8d53", "gaussian": BLUE}


def draw(
    path: Path,
    numbers: dict[str, Any],
    *,
    picture: Picture,
    shown: dict[str, Float[Tensor, "H W C"]],
    scales: Sequence[int],
) -> None:
    """Crops of one picture above; below PSNR over the scale, and for each picture."""
    with drawing.style():
        figure: Any = drawing.new_figure(13.2, 7.0)
        top, bottom = figure.subfigures(2, 1, height_ratios=(0.95, 1.0))
        _crops(top, numbers, picture, shown)
        curve, bars = bottom.subplots(1, 2)
        _curve(curve, numbers, scales)
        _bars(bars, numbers)
        bottom.subplots_adjust(0.05, 0.2, 0.985, 0.9, 0.13)
        drawing.headline(
            figure,
            "Without Fourier features a network blurs; with too high frequencies it makes noise",
            below="trained on every second row and column of a picture, asked for all of it; "
            "PSNR of the pixels held out, in dB",
            remark=f"middle {numbers['side']}x{numbers['side']} pixels of each picture; 4 hidden "
            f"layers of {numbers['width']}, {numbers['features']} frequencies, "
            f"{numbers['steps']:,} steps",
        )
    drawing.save(figure, path)


def _crops(
    top: Any, numbers: dict[str, Any], picture: Picture, shown: dict[str, Float[Tensor, "H W C"]]
) -> None:
    """A quarter of the picture as each mapping has it."""
    name = picture.path.stem
    scores = numbers["psnr"][name]
    best = numbers["best_test_psnr"][name]
    labels = ["none", "basic"]
    positional = [label for label in shown if label.startswith("positional")]
    labels.append(max(positional, key=lambda label: scores[label]["test"]))
    gaussian = [label for label in shown if label.startswith("gaussian")]
    labels += [gaussian[0], numbers["best_scale"][name], gaussian[-1]]
    labels = list(dict.fromkeys(labels))
    side = numbers["side"]
    part = slice(side // 4, 3 * side // 4)
    cells = top.subplots(1, len(labels) + 1)
    for axes, label in zip(cells[:-1], labels, strict=True):
        mapping = label.split()[0]
        title = label.replace("gaussian", "Gaussian, scale").replace("positional", "positional, 2^")
        drawing.show(axes, _rgb(shown[label][part, part]))
        axes.set_title(title.replace("^ ", "^"), fontsize=9, color=COLOURS[mapping], pad=4)
        strong = "bold" if scores[label]["test"] == best["gaussian"] else "normal"
        text = f"{scores[label]['test']:.2f} dB"
        axes.text(0.5, -0.09, text, ha="center", weight=strong, transform=axes.transAxes)
    drawing.show(cells[-1], _rgb(picture.values[part, part]))
    cells[-1].set_title("picture", fontsize=9, color=INK, pad=4)
    top.subplots_adjust(0.008, 0.02, 0.992, 0.8, 0.04)


def _rgb(values: Float[Tensor, "H W C"]) -> np.ndarray:
    colours = values.numpy()
    return np.repeat(colours, 3, axis=-1) if colours.shape[-1] == 1 else colours


def _curve(axes: Any, numbers: dict[str, Any], scales: Sequence[int]) -> None:
    """Train and held-out PSNR over the Gaussian's scale: each picture, and the mean."""
    for part, colour, label, offset in (
        ("train", ORANGE, "pixels trained on", (-8, 6)),
        ("test", BLUE, "pixels held out", (-8, -15)),
    ):
        rows = np.array(
            [[found[f"gaussian {s}"][part] for s in scales] for found in numbers["psnr"].values()]
        )
        mean, place = rows.mean(axis=0), len(scales) // 3
        axes.semilogx(scales, rows.T, color=colour, lw=0.7, alpha=0.35, base=2)
        axes.semilogx(scales, mean, "o-", color=colour, lw=2, ms=4, base=2)
        axes.annotate(
            label, (scales[place], mean[place]), xytext=offset, textcoords="offset points",
            color=colour, ha="right", weight="bold",
        )  # fmt: skip
    dress(
        axes,
        title="Gaussian frequencies: underfit, best, overfit (thin: each picture)",
        x="scale: standard deviation of the frequencies, periods over the picture",
        y="PSNR, dB",
    )
    axes.set_xticks(scales, [str(s) for s in scales])
    axes.minorticks_off()


def _bars(axes: Any, numbers: dict[str, Any]) -> None:
    """The best held-out PSNR of each mapping for each picture."""
    rows = numbers["best_test_psnr"]
    width = 0.2
    for index, (mapping, colour) in enumerate(COLOURS.items()):
        values = [row[mapping] for row in rows.values()]
        place = np.arange(len(rows)) + (index - 1.5) * width
        label = "Gaussian, best scale" if mapping == "gaussian" else mapping
        axes.bar(place, values, width * 0.92, color=colour, label=label)
        for x, value in zip(place, values, strict=True):
            axes.text(x, value + 0.2, f"{value:.1f}", ha="center", fontsize=6, color=INK)
    dress(axes, title="best on held-out pixels, by picture", y="PSNR, dB")
    lowest = min(min(row.values()) for row in rows.values())
    axes.set(xticks=range(len(rows)), xticklabels=list(rows), ylim=(max(0, lowest - 3), None))
    axes.set_ylim(top=axes.get_ylim()[1] + 2.5)
    axes.legend(frameon=False, fontsize=8, ncols=4, loc="upper left")
