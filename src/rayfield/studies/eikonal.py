"""What the eikonal term does: curves from their points with and without it.

Gropp et al. 2020, arXiv:2002.10099: fitting f = 0 at points alone says nothing of f elsewhere, and
f = 0 everywhere fits as well; with the term (|grad f| - 1)^2 the network finds something close to
a signed distance, also from points without normals and of curves with a gap. Shown: a circle, a
square without its right side and a letter, in the plane z = 0 of a softplus network that starts as
a random function; losses |f|, + |grad f - n|, + lambda (|grad f| - 1)^2 (their eq. 1, lambda 0.1).
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Generator, Tensor

from rayfield.core import drawing
from rayfield.core.drawing import INK, ORANGE
from rayfield.fields.geometric import GeometricMLP
from rayfield.studies.outlines import Outline, around, circle, letter, open_square
from rayfield.studies.study import FIGURE, Findings, Report, Verdict
from rayfield.train.optim import Adam

SHAPES = {"circle": circle, "square without a side": open_square, "letter": letter}
LOSSES = {  # eikonal term, normals
    "points": (False, False),
    "points and normals": (False, True),
    "points, eikonal": (True, False),
    "points, normals, eikonal": (True, True),
}
LAMBDA, TAU = 0.1, 1.0  # weights of the eikonal term and of the normals, Gropp et al.
POINTS, CELLS = 200, 96
BETA = 100.0
RATE = 2e-3
NEAR_ONE = 0.2  # mean deviation of the slope that still counts as a distance
ON_CURVE = 0.03  # mean distance of the points to the zero set that still counts as found
FLAT = 0.5  # mean slope below which f has collapsed


@dataclass(frozen=True)
class Size:
    """Steps and seeds of each case; width and depth of the network."""

    steps: int = 500
    seeds: int = 2
    width: int = 64
    layers: int = 4


FULL = Size(10_000, 5, 128, 6)


def run(folder: Path, *, full: bool, report: Report, data: Path | None) -> Findings:
    """See the module; takes no data. Cases that `folder` holds are not computed again."""
    return examine(folder, FULL if full else Size(), report)


def examine(folder: Path, size: Size, report: Report) -> Findings:
    """The study at a given size."""
    cases: list[dict[str, Any]] = []
    fields: dict[tuple[str, str], np.ndarray] = {}
    total = len(SHAPES) * len(LOSSES) * size.seeds
    for shape in SHAPES:
        for loss in LOSSES:
            for seed in range(size.seeds):
                report(len(cases) / total, f"{shape}: {loss}, seed {seed}")
                numbers, field = _case(folder, shape, loss, seed=seed, size=size)
                cases.append(numbers)
                fields.setdefault((shape, loss), field)
    numbers = {"size": asdict(size), "cases": cases}
    _draw(folder / FIGURE, numbers, fields)
    return Findings(numbers, judge(numbers))


def learn(outline: Outline, loss: str, *, size: Size, generator: Generator) -> GeometricMLP:
    """A network trained on a curve's points with one of LOSSES."""
    network = GeometricMLP(size.width, size.layers, beta=BETA, generator=generator)
    *_, weight, bias = network.parameters()
    with torch.no_grad():  # no sphere: the last layer is as random as the others
        weight.normal_(0, (2 / size.width) ** 0.5, generator=generator)
        bias.zero_()
    group = {"params": list(network.parameters()), "lr": RATE, "betas": (0.9, 0.999), "eps": 1e-8}
    optimiser = Adam([group])
    for step in range(size.steps):
        _energy(network, outline, loss, generator=generator).backward()
        optimiser.step(0.1 ** (step / size.steps))
    return network


def _energy(
    network: GeometricMLP, outline: Outline, loss: str, *, generator: Generator
) -> Float[Tensor, ""]:
    eikonal, normals = LOSSES[loss]
    value, slope = _in_plane(network, outline.points)
    total = value.abs().mean()
    if normals:
        total = total + TAU * (slope - outline.normals).norm(dim=1).mean()
    if eikonal:
        _, slope = _in_plane(network, around(outline, POINTS, generator=generator))
        total = total + LAMBDA * (slope.norm(dim=1) - 1).square().mean()
    return total


def _in_plane(
    network: GeometricMLP, points: Float[Tensor, "N 2"]
) -> tuple[Float[Tensor, " N"], Float[Tensor, "N 2"]]:
    """Value and slope at points of the plane z = 0."""
    flat = torch.cat([points, torch.zeros(len(points), 1)], dim=1)
    value, gradient = network.value_and_gradient(flat)
    return value, gradient[:, :2]


def _case(
    folder: Path, shape: str, loss: str, *, seed: int, size: Size
) -> tuple[dict[str, Any], Float[np.ndarray, "2 S S"]]:
    """The numbers of a case, and its value and slope over [-1, 1]^2; kept in `folder`."""
    name = "-".join([*f"{shape} {loss}".replace(",", "").split(), str(seed)])
    file = folder / f"{name}-{size.steps}-{size.width}-{size.layers}.npz"
    if file.exists():
        with np.load(file, allow_pickle=False) as archive:
            return json.loads(str(archive["numbers"])), archive["field"]
    outline = SHAPES[shape](POINTS)
    network = learn(outline, loss, size=size, generator=torch.Generator().manual_seed(seed))
    value, slope = (x.detach() for x in _in_plane(network, _grid()))
    steep = slope.norm(dim=1)
    field = torch.stack([value, steep]).reshape(2, CELLS, CELLS).numpy()
    at_points = _in_plane(network, outline.points)[0].detach().abs().mean()
    numbers = {
        "shape": shape,
        "loss": loss,
        "seed": seed,
        "value_at_points": float(at_points),
        "slope": float(steep.mean()),
        "slope_deviation": float((steep - 1).abs().mean()),
        "points_to_zero_set": _to_zero_set(field[0], outline),
    }
    folder.mkdir(parents=True, exist_ok=True)
    temporary = file.with_suffix(".tmp.npz")
    np.savez(temporary, allow_pickle=False, numbers=np.array(json.dumps(numbers)), field=field)
    temporary.replace(file)
    return numbers, field


def _grid() -> Float[Tensor, "N 2"]:
    line = torch.linspace(-1, 1, CELLS)
    y, x = torch.meshgrid(line, line, indexing="ij")
    return torch.stack([x, y], dim=2).reshape(-1, 2)


def _to_zero_set(value: Float[np.ndarray, "S S"], outline: Outline) -> float | None:
    """Mean distance from the points to where the value changes its sign; None if nowhere."""
    places = []
    line = np.linspace(-1, 1, CELLS)
    for axis in (0, 1):
        a, b = (value, value.T)[axis][:, :-1], (value, value.T)[axis][:, 1:]
        row, k = np.nonzero(a * b < 0)
        share = a[row, k] / (a[row, k] - b[row, k])
        along = line[k] + share * (line[1] - line[0])
        places.append(np.stack([along, line[row]][:: 1 - 2 * axis], axis=1))
    crossings = torch.from_numpy(np.concatenate(places)).float()
    if not len(crossings):
        return None
    return float(torch.cdist(outline.points, crossings).amin(dim=1).mean())


def judge(numbers: dict[str, Any]) -> Verdict:
    """With the term the slope is near 1 and the points are found; without term and normals the
    function collapses."""
    cases = numbers["cases"]

    def of(loss: str, key: str) -> list[float]:
        return [c[key] for c in cases if c["loss"] == loss and c[key] is not None]

    names = list(LOSSES)
    flat, with_term = of(names[0], "slope"), names[2:]
    off = [x for name in with_term for x in of(name, "slope_deviation")]
    found = [x for name in with_term for x in of(name, "points_to_zero_set")]
    bare = of(names[1], "slope_deviation")
    holds = (
        max(off) < NEAR_ONE
        and len(found) == len(off)
        and max(found) < ON_CURVE
        and max(flat) < FLAT
    )
    return Verdict(
        "the eikonal term makes a network that fits points close to a signed distance; without it "
        "f = 0 everywhere fits as well (Gropp et al. 2020)",
        f"mean |grad f| over the square: {min(flat):.2f} to {max(flat):.2f} from points alone; "
        f"with the term within {np.mean(off):.2f} of 1 on average ({max(off):.2f} at worst), "
        f"the points {max(found, default=np.nan):.3f} from the zero set at worst; normals without "
        f"the term {np.mean(bare):.2f}",
        holds,
    )


def _draw(path: Path, numbers: dict[str, Any], fields: dict[tuple[str, str], np.ndarray]) -> None:
    with drawing.style():
        figure = drawing.new_figure(13.2, 6.2)
        grid = figure.subplots(len(SHAPES), 2 * len(LOSSES))
        for row, shape in enumerate(SHAPES):
            points = SHAPES[shape](POINTS).points.numpy()
            for column, loss in enumerate(LOSSES):
                value, steep = fields[shape, loss]
                left, right = grid[row, 2 * column : 2 * column + 2]
                _panel(left, value, points, levels=np.linspace(-0.6, 0.6, 25), colors="PuOr_r")
                _panel(right, steep, None, levels=np.linspace(0, 2, 21), colors="RdBu_r")
                if row == 0:
                    left.set_title(f"{loss}:\nf, zero set", fontsize=8.5, loc="left")
                    right.set_title("\n|grad f| (1: white)", fontsize=8.5, loc="left")
        size = numbers["size"]
        drawing.headline(
            figure,
            "The eikonal term keeps the slope at 1, and so the curve between its points",
            below="value (zero set: black) and slope (blue: too flat) of a network that learned "
            "points of a curve (orange) by four losses; without normals either side may be inside",
            remark=f"{size['layers']} layers of {size['width']} softplus units, random start, "
            f"{POINTS} points, {size['steps']:,} steps, seed 0 of {size['seeds']}",
        )
        figure.tight_layout(rect=drawing.between(figure), w_pad=0.4)
    drawing.save(figure, path)


def _panel(
    axes: Any, values: np.ndarray, points: np.ndarray | None, *, levels: np.ndarray, colors: str
) -> None:
    line = np.linspace(-1, 1, CELLS)
    axes.contourf(line, line, values, levels, cmap=colors, extend="both")
    if points is not None:
        axes.plot(*points.T, ".", color=ORANGE, ms=2)
        if values.min() < 0 < values.max():
            axes.contour(line, line, values, [0.0], colors=[INK], linewidths=1.6)
    axes.set(aspect="equal", xticks=[], yticks=[])
    for side in axes.spines.values():
        side.set_visible(False)
