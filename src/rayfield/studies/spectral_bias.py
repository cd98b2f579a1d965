"""Which frequencies a network learns first, and what Fourier features change.

Basri, Jacobs, Kasten, Kritchman 2019, arXiv:1906.00425: a wide two-layer ReLU network on the
circle, first layer trained by full-batch gradient descent, learns frequency k at a rate that falls
as 1 / k^2, and without biases odd k >= 3 never. Tancik et al. 2020, arXiv:2006.10739: with Fourier
features as input all frequencies below theirs are learned alike. Shown: amplitudes of the residual
step by step, the rates fitted to them, and the rates of the theory (`math.tangent_kernel`).
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import torch

from rayfield.core import drawing
from rayfield.core.drawing import BLUE, FAINT, GREEN, INK, ORANGE, dress
from rayfield.studies.circle import (
    FREQUENCIES,
    RATE,
    Size,
    amplitudes,
    descend,
    fitted_rate,
    inputs,
    target,
    theory_rate,
)
from rayfield.studies.study import FIGURE, Findings, Report, Verdict, part

SLOW, FAST = 14, 4  # the frequencies of the paper's first figure
SNAPSHOTS = (20, 200, 2000)
SHADES = ("#c7d7ec", "#7fa3d1", BLUE)
INPUTS = {"no bias": FAINT, "bias": BLUE, "Fourier features": ORANGE}
TOLERANCE = 0.25
NEVER = 3e-5  # rates below are drawn there


FULL = Size(512, 16384, 5000)


def run(folder: Path, *, full: bool, report: Report, data: Path | None) -> Findings:
    """See the module; takes no data. Histories that `folder` holds are not computed again."""
    return examine(folder, FULL if full else Size(), report)


def examine(folder: Path, size: Size, report: Report) -> Findings:
    """The study at a given size."""
    histories = {}
    for index, name in enumerate(INPUTS):
        stage = part(report, index / len(INPUTS), (index + 1) / len(INPUTS))
        histories[name] = _history(folder, size, name, stage)
    fitted = {
        name: [fitted_rate(h["amplitude"][:, j]) for j in range(len(FREQUENCIES))]
        for name, h in histories.items()
    }
    theory = {name: [theory_rate(name, k) for k in FREQUENCIES] for name in INPUTS}
    numbers = {
        "points": size.points,
        "width": size.width,
        "steps": size.steps,
        "frequencies": list(FREQUENCIES),
        "fitted_rates": fitted,
        "theory_rates": theory,
        "amplitude_left": {n: h["amplitude"][-1].tolist() for n, h in histories.items()},
        "time_ratio": {n: _ratio(rates) for n, rates in fitted.items()},
        "time_ratio_theory": {n: _ratio(rates) for n, rates in theory.items()},
    }
    _draw(folder / FIGURE, numbers, histories)
    return Findings(numbers, judge(numbers))


def judge(numbers: dict[str, Any]) -> Verdict:
    """Every rate that is not 0 within TOLERANCE of the theory, those that are 0 next to nothing."""
    errors, still = [], []
    for name in INPUTS:
        slow = numbers["theory_rates"]["bias"][FREQUENCIES.index(SLOW)]
        for fitted, theory in zip(
            numbers["fitted_rates"][name], numbers["theory_rates"][name], strict=True
        ):
            if theory > 0:
                errors.append(abs(fitted / theory - 1))
            else:
                still.append(fitted / slow)
    time, known = numbers["time_ratio"], numbers["time_ratio_theory"]
    features = "Fourier features"
    return Verdict(
        f"time to learn grows as k^2: frequency {SLOW} takes {known['bias']:.1f} times as long as "
        f"{FAST} (Basri et al. 2019); with Fourier features {known[features]:.2f} times",
        f"{time['bias']:.1f} times, with Fourier features {time[features]:.2f}; all rates within "
        f"{max(errors):.0%} of the theory; odd frequencies without bias at most {max(still):.1%} "
        f"of the rate of {SLOW}",
        max(errors) <= TOLERANCE and max(still) < 0.1,
    )


def _ratio(rates: list[float]) -> float:
    return rates[FREQUENCIES.index(FAST)] / rates[FREQUENCIES.index(SLOW)]


def _history(folder: Path, size: Size, name: str, report: Report) -> dict[str, np.ndarray]:
    """Amplitudes of the residual at every step, and the network's values at some."""
    file = folder / f"{name.replace(' ', '-')}-{size.points}-{size.width}-{size.steps}.npz"
    if file.exists():
        with np.load(file, allow_pickle=False) as archive:
            return dict(archive)
    t = 2 * math.pi * torch.arange(size.points) / size.points
    values = descend(inputs(name, t), target(t), size, bias=name == "bias", report=report)
    found = {
        "amplitude": amplitudes(target(t) - values, t).numpy(),
        "values": values[[s for s in SNAPSHOTS if s < size.steps]].numpy(),
    }
    folder.mkdir(parents=True, exist_ok=True)
    temporary = file.with_suffix(".tmp.npz")
    np.savez(temporary, allow_pickle=False, **found)
    temporary.replace(file)
    return found


def _draw(path: Path, numbers: dict[str, Any], histories: dict[str, dict[str, np.ndarray]]) -> None:
    with drawing.style():
        figure = drawing.new_figure(13.2, 4.6)
        fits, decay, rates = figure.subplots(1, 3, width_ratios=(1.25, 1, 1))
        _draw_fits(fits, numbers, histories)
        _draw_decay(decay, histories["bias"]["amplitude"], numbers)
        _draw_rates(rates, numbers)
        ratio = numbers["time_ratio"]
        drawing.headline(
            figure,
            "Networks learn slow waves first; Fourier features make them learn all alike",
            below=f"a wave of {SLOW} periods takes {ratio['bias']:.1f} times as long as one of "
            f"{FAST}, with Fourier features {ratio['Fourier features']:.2f} times: as the theory "
            "of wide networks says",
            remark=f"two-layer ReLU network of {numbers['width']:,} units on {numbers['points']} "
            f"points of the circle, first layer trained by {numbers['steps']:,} steps of "
            "full-batch gradient descent",
        )
        figure.tight_layout(rect=drawing.between(figure), w_pad=2)
    drawing.save(figure, path)


def _draw_fits(
    axes: Any, numbers: dict[str, Any], histories: dict[str, dict[str, np.ndarray]]
) -> None:
    """The target and the network's values at some steps, plain above and Fourier below."""
    t = np.arange(numbers["points"]) * 2 * math.pi / numbers["points"]
    wave = target(torch.from_numpy(t).float()).numpy()
    for lift, name in ((0.0, "bias"), (-16.0, "Fourier features")):
        axes.plot(t, wave + lift, color=ORANGE, lw=3, alpha=0.35)
        for values, step, shade in zip(histories[name]["values"], SNAPSHOTS, SHADES, strict=False):
            label = f"after {step} steps" if lift == 0 else None
            axes.plot(t, values + lift, color=shade, lw=1.2, label=label)
        axes.text(0.1, lift + 4.8, {"bias": "plain coordinates"}.get(name, name), fontsize=9)
    dress(axes, title="target (wide) and what is learned of it", x="angle")
    axes.set(yticks=[], xlim=(0, 2 * math.pi), ylim=(-29, 8))
    axes.legend(frameon=False, fontsize=8, loc="lower right", ncols=3, columnspacing=1, borderpad=0)


def _draw_decay(axes: Any, amplitude: np.ndarray, numbers: dict[str, Any]) -> None:
    steps = np.arange(len(amplitude))
    shown = (2, 4, 6, 9, SLOW)
    for index, k in enumerate(shown):
        j = FREQUENCIES.index(k)
        colour = (INK, BLUE, GREEN, "#7b4fa3", ORANGE)[index]
        axes.semilogy(steps, amplitude[:, j] / amplitude[0, j], color=colour, lw=1.8)
        theory = (1 - RATE * numbers["theory_rates"]["bias"][j]) ** steps
        axes.semilogy(steps, theory, ":", color=colour, lw=1.2, label=f"k = {k}")
    dress(axes, title="share of frequency k still missing (dotted: theory)", x="step")
    axes.set(ylim=(0.02, 1.2))
    axes.legend(frameon=False, fontsize=8)


def _draw_rates(axes: Any, numbers: dict[str, Any]) -> None:
    k = np.array(FREQUENCIES)
    for name, colour in INPUTS.items():
        theory = np.array(numbers["theory_rates"][name])
        fitted = np.array(numbers["fitted_rates"][name])
        learned = theory > 0
        axes.loglog(k[learned], theory[learned], "-", color=colour, lw=1.2)
        axes.loglog(k[learned], fitted[learned], "o", color=colour, ms=5, label=name)
        if not learned.all():
            lost = np.maximum(fitted[~learned], NEVER)
            axes.loglog(k[~learned], lost, "x", color=colour, label=f"{name}, odd (never learned)")
    dress(axes, title="rate of learning: fitted (dots), theory (lines)", x="frequency k")
    axes.set_xticks(FREQUENCIES, [str(x) for x in FREQUENCIES])
    axes.minorticks_off()
    axes.set_ylim(NEVER / 1.5, 1)
    axes.legend(frameon=False, fontsize=8, loc="upper right", ncols=2)
