"""Gradient descent with the eikonal term finds planes, from almost every start.

Gropp et al. 2020, arXiv:2002.10099, Sec. 4: for the linear model f(x) = w.x, points on a plane
with normal n, and E(w) = w^T G w + lambda (|w|^2 - 1)^2, G = mean of x x^T, gradient descent
converges to +n or -n with probability one. Shown: many random starts in several dimensions, with
and without noise, 2 lambda above and below the eigenvalues of the data; the set of bad luck
w0.n = 0, which ends in a saddle; planes off the origin, f(x) = w.x + b. With noise of least
eigenvalue mu the limit is the plane of total least squares, its |w| = sqrt(1 - mu / (2 lambda)),
and 0 once mu > 2 lambda.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from rayfield.core import drawing
from rayfield.core.drawing import BLUE, FAINT, GREEN, INK, ORANGE, dress
from rayfield.studies.linear_model import (
    POINTS,
    descend,
    distance,
    plane_points,
    predicted,
    starts,
)
from rayfield.studies.study import FIGURE, Findings, Report, Verdict

CLOSE = 1e-8
STRENGTHS = {"above": 2.0, "below": 0.1}  # lambda: 2 lambda against eigenvalues near 1
NOISES = (0.0, 0.05, 0.2)
CURVE = np.sqrt(np.linspace(0, 1.4, 15)).tolist()  # noise, in units of sqrt(2 lambda)


@dataclass(frozen=True)
class Size:
    """Starts of each case, dimensions of space, most steps of a descent."""

    starts: int = 1000
    dimensions: tuple[int, ...] = (2, 3, 8)
    steps: int = 40_000


FULL = Size(20_000, (2, 3, 8, 32), 200_000)


def run(folder: Path, *, full: bool, report: Report, data: Path | None) -> Findings:
    """See the module; takes no data, and computes everything anew."""
    return examine(folder, FULL if full else Size(), report)


def examine(folder: Path, size: Size, report: Report) -> Findings:
    """The study at a given size."""
    numbers: dict[str, Any] = {"size": vars(size) | {"dimensions": list(size.dimensions)}}
    numbers["cases"] = _cases(size, report)
    report(0.7, "starts without a part along n, and planes off the origin")
    numbers["bad_luck"] = bad_luck(size)
    numbers["offset"] = off_origin(size)
    report(0.8, "noise")
    numbers["noise"] = _noise_curve(size)
    _draw(folder / FIGURE, numbers, size)
    return Findings(numbers, judge(numbers))


def _cases(size: Size, report: Report) -> list[dict[str, Any]]:
    """Random starts in every dimension, noise and strength."""
    found: list[dict[str, Any]] = []
    total = len(size.dimensions) * len(NOISES) * len(STRENGTHS)
    for d in size.dimensions:
        for noise in NOISES:
            for name, strength in STRENGTHS.items():
                report(0.7 * len(found) / total, f"{d} dimensions, noise {noise}")
                generator = torch.Generator().manual_seed(1000 * d + len(found))
                points, _ = plane_points(d, noise, generator=generator)
                w0 = starts(size.starts, d, generator=generator)
                end = descend(points, w0, strength=strength, steps=size.steps)
                limit, least = predicted(points, strength)
                errors = distance(end.w, limit)
                found.append({
                    "dimensions": d, "noise": noise, "two_lambda": name, "lambda": strength,
                    "least_eigenvalue": least, "norm": float(end.w.norm(dim=1).mean()),
                    "norm_theory": float(limit.norm()), "starts": size.starts,
                    "arrived": int((errors < CLOSE).sum()), "error": float(errors.max()),
                    "steps": end.steps,
                })  # fmt: skip
    return found


def bad_luck(size: Size) -> dict[str, Any]:
    """Starts with w0.n = 0 exactly, n along an axis; and in a turned frame, where w0.n rounds."""
    generator = torch.Generator().manual_seed(5)
    points = torch.randn(POINTS, 3, generator=generator, dtype=torch.float64)
    points *= torch.tensor([1.0, 1.4, 0.0], dtype=torch.float64)
    w0 = starts(size.starts, 3, generator=generator)
    w0[:, 2] = 0
    strength = STRENGTHS["above"]
    end = descend(points, w0, strength=strength, steps=size.steps)
    moments = points[:, :2].T @ points[:, :2] / POINTS
    values, vectors = torch.linalg.eigh(moments)
    saddle = torch.cat([vectors[:, 0], torch.zeros(1, dtype=torch.float64)])
    saddle = saddle * math.sqrt(1 - float(values[0]) / (2 * strength))
    turn = torch.linalg.qr(torch.randn(3, 3, generator=generator, dtype=torch.float64))[0]
    turned = descend(points @ turn.T, w0 @ turn.T, strength=strength, steps=size.steps)
    return {
        "along_n": float(end.w[:, 2].abs().max()),
        "at_saddle": int((distance(end.w, saddle) < CLOSE).sum()),
        "starts": size.starts,
        "norm": float(saddle.norm()),
        "turned_escaped": int((distance(turned.w, turn[:, 2]) < CLOSE).sum()),
        "turned_steps": turned.steps,
    }


def off_origin(size: Size) -> dict[str, Any]:
    """Planes at 0.7 from the origin, f = w.x + b, against total least squares."""
    found: dict[str, Any] = {}
    for noise in NOISES:
        generator = torch.Generator().manual_seed(9)
        points, _ = plane_points(3, noise, offset=0.7, generator=generator)
        w0 = starts(size.starts, 3, generator=generator)
        end = descend(points, w0, strength=STRENGTHS["above"], steps=size.steps, offset=True)
        middle = points.mean(dim=0)
        limit, _ = predicted(points - middle, STRENGTHS["above"])
        errors = distance(end.w, limit) + (end.b + end.w @ middle).abs()
        found[str(noise)] = {"arrived": int((errors < CLOSE).sum()), "error": float(errors.max())}
    return found | {"starts": size.starts}


def _noise_curve(size: Size) -> dict[str, list[float]]:
    """|w| over the least eigenvalue of the data / 2 lambda: found, and by the theory."""
    share, norm = [], []
    strength = STRENGTHS["below"]
    for index, noise in enumerate(CURVE):
        generator = torch.Generator().manual_seed(index)
        points, _ = plane_points(3, noise * math.sqrt(2 * strength), generator=generator)
        w0 = starts(min(size.starts, 100), 3, generator=generator)
        end = descend(points, w0, strength=strength, steps=size.steps)
        share.append(predicted(points, strength)[1] / (2 * strength))
        norm.append(float(end.w.norm(dim=1).mean()))
    return {"share": share, "norm": norm, "theory": [math.sqrt(max(1 - s, 0)) for s in share]}


def judge(numbers: dict[str, Any]) -> Verdict:
    """Every random start arrives, none of the bad ones does, |w| within 1 % of the theory (close
    to mu = 2 lambda descent is too slow for more)."""
    cases, luck, offset = numbers["cases"], numbers["bad_luck"], numbers["offset"]
    arrived = sum(case["arrived"] for case in cases)
    count = sum(case["starts"] for case in cases)
    clean = max(case["error"] for case in cases if case["noise"] == 0)
    shifted = min(offset[str(noise)]["arrived"] for noise in NOISES)
    curve = numbers["noise"]
    gap = max(abs(a - b) for a, b in zip(curve["norm"], curve["theory"], strict=True))
    holds = (
        arrived == count
        and shifted == offset["starts"]
        and luck["at_saddle"] == luck["starts"]
        and gap < 0.01
    )
    return Verdict(
        "gradient descent on the linear model with the eikonal term reproduces a plane with "
        "probability one (Gropp et al. 2020, Sec. 4); starts with w0.n = 0 are the exception",
        f"{arrived:,} of {count:,} random starts in {len(cases)} cases reach the predicted plane "
        f"(without noise to {clean:.0e}); off the origin {shifted:,} of {offset['starts']:,}; "
        f"{luck['at_saddle']:,} of {luck['starts']:,} starts with w0.n = 0 end in a saddle; noise "
        f"shrinks |w| as sqrt(1 - mu / 2 lambda), to {gap:.0e}",
        holds,
    )


def _draw(path: Path, numbers: dict[str, Any], size: Size) -> None:
    with drawing.style():
        figure = drawing.new_figure(13.2, 4.9)
        flow, pace, noise = figure.subplots(1, 3, width_ratios=(1.1, 1, 1))
        _draw_flow(flow)
        _draw_pace(pace)
        _draw_noise(noise, numbers["noise"])
        cases = numbers["cases"]
        arrived, count = (sum(case[k] for case in cases) for k in ("arrived", "starts"))
        luck = numbers["bad_luck"]
        drawing.headline(
            figure,
            "With the eikonal term gradient descent finds the plane, from almost every start",
            below=f"{arrived:,} of {count:,} random starts end at the plane that the theory "
            f"predicts; {luck['at_saddle']:,} of {luck['starts']:,} without any part along its "
            "normal n end in a saddle",
            remark=f"{POINTS} points of a random plane in {list(size.dimensions)} dimensions, "
            f"noise {list(NOISES)}, 2 lambda above and below the eigenvalues of the data; double "
            "precision",
        )
        figure.tight_layout(rect=drawing.between(figure), w_pad=2)
    drawing.save(figure, path)


def _draw_flow(axes: Any) -> None:
    """Paths of w in two dimensions: data along x, so n is the y axis."""
    strength = STRENGTHS["above"]
    generator = torch.Generator().manual_seed(0)
    points = torch.zeros(POINTS, 2, dtype=torch.float64)
    points[:, 0] = torch.randn(POINTS, generator=generator, dtype=torch.float64)
    w = starts(60, 2, generator=generator)
    w = torch.cat([w, torch.tensor([[1.9, 0.0], [-1.9, 0.0]], dtype=torch.float64)])
    path = [w]
    for _ in range(400):
        path.append(descend(points, path[-1], strength=strength, steps=1).w)
    paths = torch.stack(path).numpy()
    for index in range(len(w)):
        lucky = index < len(w) - 2
        axes.plot(*paths[:, index].T, color=BLUE if lucky else ORANGE, lw=0.9, alpha=0.7)
        axes.plot(*paths[0, index], ".", color=BLUE if lucky else ORANGE, ms=4)
    axes.plot([0, 0], [1, -1], "o", color=GREEN, ms=9, label="+n and -n: the plane")
    saddle = float(paths[-1, -2, 0])
    axes.plot([saddle, -saddle], [0, 0], "X", color=ORANGE, ms=8, label="saddles, for w.n = 0")
    axes.set(aspect="equal", xlim=(-2.1, 2.1), ylim=(-2.1, 2.6))
    dress(axes, title="where w goes (data along x, n along y)", x="w, along the plane", y="w.n")
    axes.legend(frameon=False, fontsize=8, loc="upper center", ncols=2)


def _draw_pace(axes: Any) -> None:
    """Distance to +-n over steps, for starts in three dimensions."""
    generator = torch.Generator().manual_seed(2)
    points, n = plane_points(3, 0.0, generator=generator)
    w = starts(200, 3, generator=generator)
    for strength, colour in ((STRENGTHS["above"], BLUE), (STRENGTHS["below"], ORANGE)):
        path, now = [], w
        for _ in range(50):
            path.append(distance(now, n))
            now = descend(points, now, strength=strength, steps=10).w
        low, middle, high = np.quantile(torch.stack(path).numpy(), (0, 0.5, 1), axis=1)
        at = 10 * np.arange(len(middle))
        label = (
            f"2λ = {2 * strength:g}: eigenvalues near 1 are {'below' if strength > 1 else 'above'}"
        )
        axes.semilogy(at, middle, color=colour, lw=1.6, label=label)
        axes.fill_between(at, np.maximum(low, 1e-17), high, color=colour, alpha=0.15, lw=0)
    dress(axes, title="200 starts: median, best and worst", x="step", y="distance to +n or -n")
    axes.set_ylim(1e-17, 10)
    axes.legend(frameon=False, fontsize=8, loc="upper right")


def _draw_noise(axes: Any, curve: dict[str, list[float]]) -> None:
    x = np.linspace(0, max(curve["share"]), 300)
    axes.plot(x, np.sqrt(np.maximum(1 - x, 0)), color=INK, lw=1.2, label="theory: √(1 - μ/2λ)")
    axes.plot(curve["share"], curve["norm"], "o", color=BLUE, ms=5, label="gradient descent")
    axes.axvline(1, color=FAINT, lw=0.8)
    dress(axes, title="noise off the plane shrinks the gradient", x="μ / 2λ (noise)", y="|w|")
