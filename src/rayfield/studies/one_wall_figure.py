"""The figure of the study `one_wall`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np

from rayfield.core import drawing
from rayfield.core.drawing import BLUE, FAINT, GREEN, INK, ORANGE, PURPLE, dress

COLOURS = {"NeuS": BLUE, "VolSDF": GREEN, "naive density": ORANGE, "UNISURF": PURPLE}
Curve = tuple[np.ndarray, np.ndarray]


def draw(
    path: Path, numbers: dict[str, Any], *, shown: dict[str, Curve], layers: dict[int, Curve]
) -> None:
    """Where light ends about the wall above; below, over sharpness, samples and incidence."""
    with drawing.style():
        figure = drawing.new_figure(13.2, 7.4)
        grid = figure.subplots(2, 3)
        _weights(grid[0, 0], shown)
        _layers(grid[0, 1], layers)
        _samples(grid[0, 2], numbers)
        _sharpness(grid[1, 0], numbers)
        _slant(grid[1, 1], numbers, "transmittance_by_angle", lambda c: np.exp(-0.5 / c))
        dress(
            grid[1, 1], title="light that passes the wall's face", x="angle of incidence, degrees"
        )
        _slant(grid[1, 2], numbers, "opacity_by_angle", lambda c: 1 - np.exp(-1 / c))
        dress(grid[1, 2], title="light that ends anywhere", x="angle of incidence, degrees")
        for axes in grid[1, 1:]:
            axes.set(ylim=(-0.03, 1.08), ylabel="part of the light")
        drawing.headline(
            figure,
            "Only NeuS puts the light of a flat wall where the wall is",
            below="a wall at 0, met from the left, and four rules that make a signed distance "
            "visible (sharpness s; VolSDF's beta is 1/s). Dashed: theory. The naive density is "
            "NeuS without its correction",
            remark=f"exact signed distance, no training; s = 10 where not told; "
            f"{numbers['cells']:,} cells on a ray below, double precision",
        )
        figure.tight_layout(rect=drawing.between(figure), h_pad=1.8, w_pad=1.6)
    drawing.save(figure, path)


def _weights(axes: Any, shown: dict[str, Curve]) -> None:
    axes.axvspan(0, 1, color=FAINT, alpha=0.13, lw=0)
    for name, (u, w) in shown.items():
        axes.plot(u, w, color=COLOURS[name], lw=1.6, label=name)
        axes.plot(u[w.argmax()], w.max(), "o", color=COLOURS[name], ms=5)
    axes.set(xlim=(-0.5, 0.5), ylim=(0, None))
    axes.text(0.48, 0.1, "wall", color=FAINT, ha="right", fontsize=9)
    dress(
        axes,
        title="where light ends (dot: most of it)",
        x="place on the ray",
        y="share of light per length",
    )


def _layers(axes: Any, layers: dict[int, Curve]) -> None:
    axes.axvspan(0, 1, color=FAINT, alpha=0.13, lw=0)
    for index, (samples, (u, w)) in enumerate(layers.items()):
        colour = mpl.colormaps["Purples"](0.4 + 0.6 * index / max(1, len(layers) - 1))
        axes.plot(u, w, color=colour, lw=1.5, label=f"{samples} samples")
    axes.set(xlim=(-0.8, 0.5), ylim=(0, None))
    dress(
        axes,
        title="UNISURF: more samples, farther out",
        x="place on the ray",
        y="share of light per length",
    )


def _samples(axes: Any, numbers: dict[str, Any]) -> None:
    axes.axhline(0, color=INK, lw=0.8)
    for name, colour in COLOURS.items():
        axes.semilogx(
            numbers["samples"], numbers[name]["mean_by_samples"], "o-", color=colour, ms=3.5,
            lw=1.5, label=name,
        )  # fmt: skip
    theory = numbers["UNISURF"]["gumbel_by_samples"]
    axes.semilogx(numbers["samples"][2:], theory[2:], "--", color=INK, lw=1)
    axes.set_xticks(numbers["samples"], [str(n) for n in numbers["samples"]])
    axes.minorticks_off()
    dress(
        axes,
        title="mean place where light ends, by samples",
        x="samples on the ray from -1 to 1",
        y="place",
    )


def _sharpness(axes: Any, numbers: dict[str, Any]) -> None:
    s = np.array(numbers["sharpness"])
    axes.axhline(0, color=INK, lw=0.8)
    for name, colour in COLOURS.items():
        label = "UNISURF, 64 samples" if name == "UNISURF" else name
        axes.plot(
            s, numbers[name]["mean_by_sharpness"], "o-", color=colour, ms=3.5, lw=1.5, label=label
        )
    axes.plot(s, 0.3431 / s, "--", color=INK, lw=1)
    axes.set_xscale("log")
    axes.set_yscale("symlog", linthresh=1e-3)
    dress(
        axes,
        title="mean place where light ends, by sharpness",
        x="sharpness s, 1/length",
        y="place",
    )


def _slant(axes: Any, numbers: dict[str, Any], key: str, theory: Any) -> None:
    angles = np.array(numbers["angles"])
    for name in ("NeuS", "VolSDF", "naive density"):
        marks = {"NeuS": "o", "VolSDF": "s", "naive density": "D"}[name]
        axes.plot(angles, numbers[name][key], marks, color=COLOURS[name], ms=4, label=name)
    cosine = np.cos(np.radians(angles))
    axes.plot(angles, theory(cosine), "--", color=INK, lw=1)
    axes.axhline(0.5 if "transmittance" in key else 1, color=INK, lw=1, ls="--")
