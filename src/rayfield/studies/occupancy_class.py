"""Shapes that were never seen, from few noisy points and from coarse voxels.

Mescheder et al. 2019 (Occupancy Networks), arXiv:1812.03828, Sec. 4.2 and 4.4: a function of space
learned over a class completes 300 noisy points to a solid, and refines coarse voxels. Here on
chairs made for it, or on the user's class of shapes, with codes that are volumes (preset `local`),
as vectors learn far more slowly; every eighth is held out.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from rayfield.core.drawing import bytes_of
from rayfield.core.rows import Cell, write_rows
from rayfield.data.shape_batches import ShapesSampler, observe, uniform_points
from rayfield.data.shape_class import Shapes, load_shapes
from rayfield.data.shape_views import picture, points_picture, values_on_grid
from rayfield.data.solids import GridSolid, PointFn, Solid
from rayfield.data.toy_chairs import toy_chairs
from rayfield.methods import occupancy_network
from rayfield.objectives.pointwise import iou
from rayfield.studies.study import FIGURE, Findings, Report, Verdict, part
from rayfield.studies.trial import trial
from rayfield.studies.views import mean

SEED = 2**32 - 1  # no training step has this stream
CHUNK = 2**14
COLUMNS = 5


@dataclass(frozen=True)
class Size:
    """Seconds of training from points and from voxels, channels of the volumes that codes are, and
    of the test and figure."""

    points_seconds: float = 330.0
    voxel_seconds: float = 120.0
    volume: int = 16
    coarse: int = 16  # cells a side of the voxels seen
    tested: int = 2**14  # points of each shape
    toys: int = 400
    side: int = 240
    detail: int = 64


FULL = Size(points_seconds=3600.0, voxel_seconds=1800.0, tested=100_000)


class Told(NamedTuple):
    """A shape held out: what is seen of it, what that was taken for, and the IoU, by kind."""

    solid: Solid
    seen: dict[str, Tensor]
    codes: dict[str, Tensor]
    iou: dict[str, float]


def run(folder: Path, *, full: bool, report: Report, data: Path | None) -> Findings:
    """See the module; `data` is a class of shapes: voxel grids (.npz) or a folder of meshes."""
    return examine(folder, FULL if full else Size(), report, data=data)


def examine(folder: Path, size: Size, report: Report, *, data: Path | None = None) -> Findings:
    """The study at a given size."""
    report(0.0, "shapes")
    shapes = load_shapes(data or _toys(folder / "toys.npz", size))
    models = {
        kind: _learned(folder / kind, shapes, size, kind=kind, report=part(report, *span))
        for kind, span in (("points", (0.02, 0.65)), ("voxels", (0.65, 0.9)))
    }
    told = []
    for number, index in enumerate(shapes.test):
        report(0.9 + 0.09 * number / len(shapes.test), "held-out shapes")
        told.append(_tell(models, shapes.solids[index], size, seed=index))
    values = {kind: [one.iou[kind] for one in told] for kind in ("points", "voxels", "coarse")}
    numbers: dict[str, Any] = {
        "shapes": len(shapes.train),
        "held_out": len(told),
        "seconds": {"points": size.points_seconds, "voxels": size.voxel_seconds},
        "coarse": size.coarse,
        "iou": {kind: mean(v) for kind, v in values.items()},
        "iou_worst": {kind: min(v) for kind, v in values.items()},
        "each": values,
    }
    _draw(folder / FIGURE, models, told, size, numbers)
    return Findings(numbers, judge(numbers))


def judge(numbers: dict[str, Any]) -> Verdict:
    """Points are completed to at least half an overlap, voxels are refined."""
    found, worst = numbers["iou"], numbers["iou_worst"]
    return Verdict(
        "a class learned as occupancy completes 300 noisy points of an unseen shape to a solid, "
        "and tells it from coarse voxels better than those do (Occupancy Networks Sec. 4.2, 4.4)",
        f"IoU on {numbers['held_out']} shapes held out of {numbers['shapes']} learned from: "
        f"{found['points']:.3f} from points (worst {worst['points']:.3f}), {found['voxels']:.3f} "
        f"from {numbers['coarse']}^3 voxels (worst {worst['voxels']:.3f}), which by themselves "
        f"have {found['coarse']:.3f}",
        found["points"] > 0.5 and found["voxels"] > found["coarse"],
    )


def _toys(path: Path, size: Size) -> Path:
    """Chairs of our own, made unless they are there."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        grids = toy_chairs(size.toys, generator=torch.Generator().manual_seed(0))
        bits = np.packbits(grids.flatten(1).numpy(), axis=1)
        temporary = path.with_name(f".{path.name}.tmp.npz")
        np.savez(temporary, bits=bits)
        temporary.replace(path)
    return path


def _learned(folder: Path, shapes: Shapes, size: Size, *, kind: str, report: Report) -> nn.Module:
    cfg = _config(size, kind, len(shapes.train))
    sampler = ShapesSampler(shapes, cfg.wanted(cfg.learned))
    seconds = size.points_seconds if kind == "points" else size.voxel_seconds
    return trial(folder, occupancy_network, cfg, sampler=sampler, seconds=seconds, report=report)


def _config(size: Size, kind: str, learned: int) -> occupancy_network.Config:
    """Chairs are alike to their left and right."""
    return replace(
        occupancy_network.PRESETS["local"], encoder="points" if kind == "points" else "voxels",
        volume=size.volume, mirror="x", resolution=size.coarse, learned=learned,
    )  # fmt: skip


def _tell(models: dict[str, Any], solid: Solid, size: Size, *, seed: int) -> Told:
    """What the models take a shape for, beside the coarse voxels as they are."""
    generator = torch.Generator().manual_seed(SEED - seed)
    points = uniform_points(size.tested, generator=generator)
    inside = solid.inside(points)
    seen, codes, close = {}, {}, {}
    for kind, observation in (("points", "points"), ("voxels", "voxels")):
        seen[kind] = observe(
            solid,
            observation,  # type: ignore[arg-type]
            resolution=size.coarse,
            generator=generator,
        )
        with torch.no_grad():
            codes[kind] = models[kind].encode(seen[kind][None])[0]
        found = _value(models[kind], codes[kind])(points) < 0
        close[kind] = float(iou(found.float(), inside))
    close["coarse"] = float(iou(GridSolid(seen["voxels"]).inside(points).float(), inside))
    return Told(solid, seen, codes, close)


def _value(model: Any, code: Float[Tensor, " C"]) -> PointFn:
    field = occupancy_network.surface(model, code)

    @torch.no_grad()
    def value(points: Float[Tensor, "N 3"]) -> Float[Tensor, " N"]:
        return torch.cat([field(part) for part in points.split(CHUNK)])

    return value


def _draw(
    path: Path, models: dict[str, Any], told: list[Told], size: Size, numbers: dict[str, Any]
) -> None:
    """The worst, the median and the best from points, and shapes between two."""
    order = sorted(told, key=lambda one: one.iou["points"])
    rows = []
    for title, one in zip(
        ("worst", "median", "best"), (order[0], order[len(order) // 2], order[-1]), strict=True
    ):
        dots = points_picture(one.seen["points"], size=size.side)
        by = {kind: _value(model, one.codes[kind]) for kind, model in models.items()}
        rows.append(
            [
                Cell(_bytes(dots), f"{title}: 300 points"),
                _cell(by["points"], size, f"from them: IoU {one.iou['points']:.3f}"),
                _cell(one.solid.distance, size, "truth"),
                _cell(GridSolid(one.seen["voxels"]).distance, size, f"{size.coarse}^3 voxels"),
                _cell(by["voxels"], size, f"from them: IoU {one.iou['voxels']:.3f}"),
            ]
        )
    first, last = order[-1].codes["points"], order[len(order) // 2].codes["points"]
    rows.append(
        [
            _cell(_value(models["points"], torch.lerp(first, last, t)), size, f"between: {t:.2f}")
            for t in torch.linspace(0, 1, COLUMNS).tolist()
        ]
    )
    write_rows(
        path,
        rows,
        title="Shapes that were never seen, from points and from coarse voxels",
        below="below: the best one becomes the median one, by codes between theirs",
        remark=f"occupancy network; {numbers['shapes']} shapes learned from, "
        f"{numbers['held_out']} held out; mean IoU {numbers['iou']['points']:.3f} from points, "
        f"{numbers['iou']['voxels']:.3f} from voxels",
    )


def _cell(value: PointFn, size: Size, label: str) -> Cell:
    return Cell(_bytes(picture(values_on_grid(value, size.detail), size=size.side)), label)


def _bytes(grey: Float[Tensor, "H W"]) -> Any:
    return bytes_of(grey[..., None].expand(-1, -1, 3).numpy())[..., 0]
