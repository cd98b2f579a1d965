"""How well solid shapes are told: intersection over union on fresh points, and pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from rayfield.app.drawing import shape_figures
from rayfield.data.shape_batches import Observation, near_points, uniform_points
from rayfield.data.solids import PointFn, Solid
from rayfield.objectives.pointwise import iou

TESTED = 2**18  # points of each kind, of a single shape
TESTED_EACH = 2**15  # of each shape of a class
NEAR = 0.016  # deviation of points near the surface: 0.01 of the longest side
SEED = 2**32 - 1  # no training step has this stream


class Subject(NamedTuple):
    """A shape that was not learned from, what is seen of it, and what it is taken for."""

    name: str
    solid: Solid
    seen: Tensor
    value: PointFn


def of_single(value: PointFn, solid: Solid, *, figure: Path, up: str) -> dict[str, Any]:
    """IoU of the only shape, everywhere and near the surface; draws `figure`, `up` being up."""
    generator = torch.Generator().manual_seed(SEED)
    uniform = uniform_points(TESTED, generator=generator)
    near = near_points(solid, TESTED, spread=NEAR, generator=generator)
    shape_figures.single(figure, value, solid, up=up)
    return {
        "iou_uniform": overlap(value, solid, uniform),
        "iou_near_surface": overlap(value, solid, near),
        "protocol": f"{TESTED:,} points each: in the cube of side 1.1 (the longest side is 1), "
        "and off the surface by a Gaussian of 0.01",
    }


def of_class(
    subjects: Sequence[Subject],
    kind: Observation,
    *,
    figure: Path,
    up: str,
    progress: Callable[[float], None],
) -> dict[str, Any]:
    """IoU of every shape, their mean, the worst and the median; draws three of them."""
    scored = []
    for number, one in enumerate(subjects):
        generator = torch.Generator().manual_seed(SEED - number)
        points = uniform_points(TESTED_EACH, generator=generator)
        scored.append((overlap(one.value, one.solid, points), number))
        progress((number + 1) / len(subjects))
    scored.sort()
    rows = []
    places = {"best": len(scored) - 1, "worst": 0, "median": len(scored) // 2}
    titles = {place: title for title, place in places.items()}  # of one or two, no row twice
    for place, title in sorted(titles.items()):
        close, number = scored[place]
        one = subjects[number]
        label = f"{title}: {one.name}"
        rows.append(shape_figures.Row(label, one.seen, one.value, one.solid, close))
    shape_figures.reconstructions(figure, rows, kind=kind, up=up)
    values = [close for close, _ in scored]
    return {
        "iou": sum(values) / len(values),
        "iou_worst": values[0],
        "iou_median": values[len(values) // 2],
        "shapes": [{"name": subjects[n].name, "iou": close} for close, n in scored],
        "protocol": f"{len(values)} shapes not learned from, seen as {kind}; {TESTED_EACH:,} "
        "points each in the cube of side 1.1 (the longest side is 1)",
    }


def overlap(value: PointFn, solid: Solid, points: Float[Tensor, "N 3"]) -> float:
    """IoU of where `value` is negative and what is inside, over points."""
    return float(iou((value(points) < 0).float(), solid.inside(points)))
