"""The volume-rendering sum against closed forms.

Mildenhall et al. 2020 (NeRF), arXiv:2003.08934, eq. 3, after Max 1995: density and colour constant
on each cell. Shown: on six media the sum is exact where cells match the medium, and converges as
h^2 (sampled at midpoints) or h (at the cells' first edges) where density varies. Beside it the
wrong rule, which also takes T as constant in a cell: first order everywhere, and its weights add
up to more than 1. Delta tracking (Woodcock et al. 1965), which knows no cells, as an oracle.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from rayfield.core import drawing
from rayfield.core.drawing import BLUE, FAINT, GREEN, INK, ORANGE, dress
from rayfield.math import quadrature
from rayfield.studies.media import Medium, all_media, free_paths
from rayfield.studies.study import FIGURE, Findings, Report, Verdict

FLOOR = 1e-13  # errors below are rounding
WeightsFn = Callable[[Float[Tensor, "P N"], Float[Tensor, "P N"]], Float[Tensor, "P N"]]


@dataclass(frozen=True)
class Size:
    """Cell counts 2^2 ... 2^`doublings`; free paths of the oracle for each medium."""

    doublings: int = 10
    paths: int = 1 << 20


FULL = Size(14, 1 << 24)


def frozen_weights(
    sigma: Float[Tensor, "P N"], delta: Float[Tensor, "P N"]
) -> Float[Tensor, "P N"]:
    """The wrong rule, T_i sigma_i delta_i: T is taken as constant in a cell."""
    return quadrature.transmittance(sigma, delta)[..., :-1] * sigma * delta


RULES: dict[str, tuple[WeightsFn, float, str]] = {
    "midpoint": (quadrature.weights, 0.5, BLUE),
    "first edge": (quadrature.weights, 0.0, GREEN),
    "wrong rule": (frozen_weights, 0.5, ORANGE),
}


def estimate(medium: Medium, cells: int, *, rule: WeightsFn, place: float) -> Float[Tensor, " P"]:
    """The sum over equal cells, each sampled at its part `place` in [0, 1)."""
    edges = torch.linspace(medium.start, medium.end, cells + 1, dtype=torch.float64)
    delta = (edges[1:] - edges[:-1])[None]
    t = edges[None, :-1] + place * delta
    sigma = medium.sigma(t)
    return (rule(sigma, delta.expand_as(sigma)) * medium.value(t)).sum(dim=-1)


def error(medium: Medium, cells: int, *, rule: WeightsFn, place: float) -> float:
    """Root mean square over the medium's rays of sum minus closed form."""
    found = estimate(medium, cells, rule=rule, place=place) - medium.exact
    return float(found.square().mean().sqrt())


def order(cells: list[int], errors: list[float]) -> float | None:
    """Minus the slope of log error over log cells, finer half; None where the sum is exact."""
    kept = [(n, e) for n, e in zip(cells, errors, strict=True) if e > FLOOR][-len(cells) // 2 :]
    if len(kept) < 3:
        return None
    n, e = np.log(np.array(kept)).T
    return float(-np.polyfit(n, e, 1)[0])


def run(folder: Path, *, full: bool, report: Report, data: Path | None) -> Findings:
    """See the module; takes no data, and computes everything anew."""
    return examine(folder, FULL if full else Size(), report)


def examine(folder: Path, size: Size, report: Report) -> Findings:
    """The study at a given size."""
    cells = [2**k for k in range(2, size.doublings + 1)]
    media = all_media()
    numbers: dict[str, Any] = {"cells": cells, "paths": size.paths, "media": {}}
    walks = []
    for index, medium in enumerate(media):
        report(index / len(media), medium.name)
        errors = {
            name: [error(medium, n, rule=rule, place=place) for n in cells]
            for name, (rule, place, _) in RULES.items()
        }
        generator = torch.Generator().manual_seed(index)
        paths = free_paths(medium, size.paths, generator=generator)
        walks.append(paths)
        exact = float(medium.exact.mean())
        deviation = float(paths.std()) / math.sqrt(len(paths))
        numbers["media"][medium.name] = {
            "asks": medium.asks,
            "exact": exact,
            "errors": errors,
            "orders": {name: order(cells, e) for name, e in errors.items()},
            "monte_carlo": float(paths.mean()),
            "monte_carlo_sigmas": (float(paths.mean()) - exact) / deviation,
        }
    thickness = np.geomspace(0.02, 4, 60).tolist()
    numbers["weight_sums"] = {
        "optical_depth_per_cell": thickness,
        **{name: [weight_sum(rule, x) for x in thickness] for name, (rule, _, _) in RULES.items()},
    }
    _draw(folder / FIGURE, numbers, media, walks=walks)
    return Findings(numbers, judge(numbers))


def weight_sum(rule: WeightsFn, thickness: float, *, total: float = 20.0) -> float:
    """The sum of weights through an opaque slab, cut into cells of that optical depth."""
    cells = math.ceil(total / thickness)
    sigma = torch.full((1, cells), thickness, dtype=torch.float64)
    return float(rule(sigma, torch.ones_like(sigma)).sum())


def judge(numbers: dict[str, Any]) -> Verdict:
    """Orders 2 and 1 within 0.1, exact slabs, the wrong rule above 1, the oracle within 4 sigma."""
    media = numbers["media"]
    smooth = [media[name]["orders"] for name in SMOOTH]
    second, first = ([o[rule] for o in smooth] for rule in ("midpoint", "first edge"))
    wrong = [m["orders"]["wrong rule"] for name, m in media.items() if name != BALL]
    exact = max(max(media[name]["errors"]["midpoint"]) for name in EXACT)
    highest = max(numbers["weight_sums"]["wrong rule"])
    right = max(numbers["weight_sums"]["midpoint"])
    far = max(abs(m["monte_carlo_sigmas"]) for m in media.values())
    holds = (
        all(o is not None and abs(o - 2) < 0.1 for o in second)
        and all(o is not None and abs(o - 1) < 0.1 for o in [*first, *wrong])
        and exact < FLOOR
        and highest > 1 >= right - FLOOR
        and far < 4
    )
    return Verdict(
        "with density and colour constant on cells, sum T_i (1 - exp(-sigma_i delta_i)) c_i is "
        "exact (Max 1995; NeRF eq. 3); T is not constant in a cell",
        f"slabs exact to {exact:.0e}; where density varies, order {_span(second)} at midpoints, "
        f"{_span(first)} at first edges; T constant in a cell: order {_span(wrong)} even on slabs, "
        f"weights add up to {highest:.2f}; free paths agree within {far:.1f} standard errors",
        holds,
    )


SMOOTH = ("linear ramp", "exponential fog", "Gaussian cloud")
EXACT = ("slab", "two slabs and a gap")
BALL = "ball, cells across its border"


def _span(orders: list[float | None]) -> str:
    known = [o for o in orders if o is not None] or [math.nan]
    low, high = f"{min(known):.2f}", f"{max(known):.2f}"
    return low if low == high else f"{low} to {high}"


def _draw(
    path: Path, numbers: dict[str, Any], media: tuple[Medium, ...], *, walks: list[Tensor]
) -> None:
    with drawing.style():
        figure = drawing.new_figure(13.2, 6.6)
        grid = figure.subplots(2, 4)
        for axes, medium in zip([*grid[0, :3], *grid[1, :3]], media, strict=True):
            _draw_medium(axes, numbers["cells"], numbers["media"][medium.name], medium.name)
        grid[0, 0].legend(frameon=False, fontsize=8, loc="center right")
        _draw_sums(grid[0, 3], numbers["weight_sums"])
        _draw_walks(grid[1, 3], media, walks)
        drawing.headline(
            figure,
            "The sum that renders a ray is exact on slabs and second order in smooth fog",
            below="error against closed forms as a ray is cut into more cells of length h: density "
            "taken at midpoints, at first edges, and by a wrong rule (T constant in a cell)",
            remark=f"up to {numbers['cells'][-1]:,} cells, {numbers['paths']:,} free paths a "
            "medium, double precision; errors below 1e-16 are drawn there",
        )
        figure.tight_layout(rect=drawing.between(figure), h_pad=1.6)
    drawing.save(figure, path)


def _draw_medium(axes: Any, cells: list[int], found: dict[str, Any], name: str) -> None:
    for rule, (_, _, colour) in RULES.items():
        errors = np.maximum(found["errors"][rule], 1e-16)
        dashes = "--" if rule == "first edge" else "-"
        label = rule if name == "slab" else None
        axes.loglog(cells, errors, dashes, color=colour, lw=1.6, label=label)
        text, drop = _power(found["orders"][rule]), -5 if rule == "first edge" else 3
        if rule == "midpoint" or text != _power(found["orders"]["midpoint"]):
            axes.annotate(
                text, (cells[-1], errors[-1]), xytext=(4, drop), textcoords="offset points",
                color=colour, fontsize=8, va="center",
            )  # fmt: skip
    dress(axes, title=f"{name}: {found['asks']}", x="cells", y="error")
    axes.set(ylim=(3e-17, 3), xlim=(cells[0], cells[-1] * 2.6))


def _power(slope: float | None) -> str:
    """How an error falls with the cells' length h, to the nearest whole power."""
    if slope is None:
        return "exact"
    return {1: "h", 2: "h²"}.get(round(slope), f"h^{slope:.1f}")


def _draw_sums(axes: Any, sums: dict[str, list[float]]) -> None:
    x = sums["optical_depth_per_cell"]
    axes.axhline(1, color=FAINT, lw=0.8)
    axes.semilogx(x, sums["wrong rule"], color=ORANGE, lw=1.6, label="wrong rule")
    axes.semilogx(x, sums["midpoint"], color=BLUE, lw=1.6, label="right rule")
    axes.set_ylim(0, None)
    dress(
        axes, title="an opaque slab: sum of all weights", x="optical depth of a cell",
        y="sum of weights",
    )  # fmt: skip


def _draw_walks(axes: Any, media: tuple[Medium, ...], walks: list[Tensor]) -> None:
    """Errors of the running means, in units of one path's standard deviation."""
    counts = np.unique(np.geomspace(16, min(map(len, walks)), 40).astype(int))
    squares = np.zeros(len(counts))
    for medium, paths in zip(media, walks, strict=True):
        means = (paths.cumsum(0)[counts - 1] / torch.from_numpy(counts)).numpy()
        squares += ((means - float(medium.exact.mean())) / float(paths.std())) ** 2
    axes.loglog(counts, np.sqrt(squares / len(media)), color=INK, lw=1.4, label="free paths")
    axes.loglog(counts, counts**-0.5, "--", color=FAINT, lw=1.2, label="1/√n")
    dress(
        axes, title="random light paths agree", x="paths a medium",
        y="error (standard deviations of a path)",
    )  # fmt: skip
