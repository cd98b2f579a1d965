"""How many photos, and from where: what a field shows beyond them.

Mildenhall et al. 2020 (NeRF), arXiv:2003.08934, Table 2, rows 5, 6 and 9: 31.01, 29.79 and 27.78
dB with 100, 50 and 25 photos. Shown beside it: photos from a sector of 60 degrees or from one half
of the camera sphere only, and how quality falls as a view leaves them. All photos not learned from
are compared with what the field shows in their place.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np

from rayfield.core import drawing
from rayfield.core.drawing import BLUE, ORANGE, PURPLE, dress
from rayfield.data.scene import Frame, Scene
from rayfield.studies import sphere
from rayfield.studies.sphere import directions, in_sector, nearest_degrees, spread
from rayfield.studies.study import FIGURE, Findings, Report, Verdict, part
from rayfield.studies.views import held_out_photos, learn, load, mean, score, subset

NEAR, FAR = 15.0, 60.0  # degrees: well covered, and far from every photo


@dataclass(frozen=True)
class Size:
    """Training steps of each field, and the numbers of photos tried beside all of them."""

    steps: int = 500
    counts: tuple[int, ...] = (6, 24)
    downscale: int = 2
    every: int = 1  # of the photos not learned from, which are compared


FULL = Size(steps=4000, counts=(3, 6, 9, 12, 24, 36, 48), downscale=1)


class Case(NamedTuple):
    """Which photos are learned from."""

    name: str
    title: str
    photos: tuple[Frame, ...]


class View(NamedTuple):
    """A photo that was not learned from: its place, the angle to the nearest that was, dB."""

    name: str
    split: str
    degrees: float
    psnr: float


def cases(scene: Scene, counts: Sequence[int]) -> list[Case]:
    """Photos spread all around, growing in number; then a half and a sixth of the circle.

    One of the numbers is that of the sixth.
    """
    frames = scene.split("train")
    points = directions(scene, frames)
    sectors = [
        Case(f"sector-{degrees:.0f}", f"{len(chosen)} photos from {name}", chosen)
        for degrees, name in ((180.0, "one half"), (60.0, "a sector of 60°"))
        if (chosen := tuple(frames[i] for i in in_sector(points, degrees)))
    ]
    tried = {*counts, *(len(case.photos) for case in sectors[1:])}
    found = []
    for count in sorted(c for c in tried if c < len(frames)):
        chosen = tuple(frames[i] for i in spread(points, count))
        found.append(Case(f"spread-{count}", f"{count} photos all around", chosen))
    found.append(Case(f"spread-{len(frames)}", f"all {len(frames)} photos", frames))
    return found + sectors


def run(folder: Path, *, full: bool, report: Report, data: Path | None) -> Findings:
    """See the module; `data` is a folder of photos taken from all around, z up."""
    return examine(folder, FULL if full else Size(), report, data=data)


def examine(folder: Path, size: Size, report: Report, *, data: Path | None = None) -> Findings:
    """The study at a given size."""
    scene = load(data, downscale=size.downscale)
    held_out_photos(scene)
    tried = cases(scene, size.counts)
    found: dict[str, list[View]] = {}
    for index, case in enumerate(tried):
        start = index / len(tried)
        share = part(report, start, start + 0.7 / len(tried))
        names = {f.name for f in case.photos}
        photos = subset(scene, names)
        field = learn(folder / case.name, photos, steps=size.steps, report=share)
        unseen = [f for f in scene.frames if f.name not in names][:: size.every]
        angles = nearest_degrees(directions(scene, unseen), directions(scene, case.photos))
        share = part(report, start + 0.7 / len(tried), (index + 1) / len(tried))
        found[case.name] = []
        for done, (frame, angle) in enumerate(zip(unseen, angles.tolist(), strict=True)):
            value = score(field.render, photos, frame).psnr
            found[case.name].append(View(frame.name, frame.split, angle, value))
            share(done / len(unseen), f"{case.title}: comparing")
    numbers = summarise(tried, found)
    numbers["steps"] = size.steps
    _draw(folder / FIGURE, scene, tried, found=found, numbers=numbers)
    return Findings(numbers, judge(numbers))


def summarise(tried: Sequence[Case], found: dict[str, list[View]]) -> dict[str, Any]:
    """Every case's figures: over the test photos, and near and far from what it learned from."""
    rows = []
    for case in tried:
        views = found[case.name]
        near, far = (
            [v.psnr for v in views if low <= v.degrees < high]
            for low, high in ((0, NEAR), (FAR, 181))
        )
        rows.append(
            {
                "case": case.name,
                "photos": len(case.photos),
                "test_psnr": mean([v.psnr for v in views if v.split == "test"]),
                "near_psnr": mean(near) if near else None,
                "far_psnr": mean(far) if far else None,
                "views": [v._asdict() for v in views],
            }
        )
    return {"cases": rows, "near_degrees": NEAR, "far_degrees": FAR}


def judge(numbers: dict[str, Any]) -> Verdict:
    """More photos are better, and views far from a sector's photos lose more than 3 dB."""
    rows = {row["case"]: row for row in numbers["cases"]}
    spread_ = [row for name, row in rows.items() if name.startswith("spread")]
    values = [row["test_psnr"] for row in spread_]
    series = ", ".join(f"{row['test_psnr']:.1f}" for row in spread_)
    counts = ", ".join(str(row["photos"]) for row in spread_)
    found = f"{series} dB with {counts} photos all around"
    holds = all(a < b for a, b in itertools.pairwise(values))
    sector = rows.get("sector-60")
    if sector and sector["near_psnr"] is not None and sector["far_psnr"] is not None:
        found += (
            f"; from a sector of 60 degrees {sector['near_psnr']:.1f} dB within {NEAR:.0f} degrees "
            f"of its photos, {sector['far_psnr']:.1f} dB beyond {FAR:.0f}"
        )
        holds &= sector["near_psnr"] - sector["far_psnr"] > 3
    return Verdict(
        "fewer photos, worse views (NeRF Table 2: 31.01, 29.79, 27.78 dB with 100, 50, 25); and a "
        "field knows only what its photos saw",
        found,
        holds,
    )


def contrasted(tried: Sequence[Case]) -> list[Case]:
    """The last three cases, and that of photos all around with as many as the very last."""
    count = len(tried[-1].photos)
    around = [case for case in tried if case.name.startswith("spread")]
    like = min(around, key=lambda case: abs(len(case.photos) - count))
    names = {like.name, *(case.name for case in tried[-3:])}
    return [case for case in tried if case.name in names]


def _draw(
    path: Path, scene: Scene, tried: Sequence[Case], *, found: dict[str, list[View]], numbers: Any
) -> None:
    shown = contrasted(tried)
    everything = [v.psnr for views in found.values() for v in views]
    low, high = np.floor(np.quantile(everything, 0.05)), np.ceil(max(everything))
    scale = mpl.colors.Normalize(low, high)
    frames = {f.name: f for f in scene.frames}
    lens = scene.frames[0].camera
    with drawing.style():
        figure = drawing.new_figure(11.6, 6.8)
        above = figure.add_gridspec(
            1, 5, width_ratios=(1, 1, 1, 1, 0.05), left=0.01, right=0.94, top=0.86, bottom=0.5
        )
        for index, case in enumerate(shown):
            axes = figure.add_subplot(above[0, index])
            places = directions(scene, [frames[v.name] for v in found[case.name]])
            values = [v.psnr for v in found[case.name]]
            photos = directions(scene, case.photos)
            sphere.draw(axes, places, photos, values=values, scale=scale, labels=index == 0)
            axes.set_title(case.title, fontsize=10)
        bar = figure.colorbar(
            mpl.cm.ScalarMappable(scale, "viridis"), cax=figure.add_subplot(above[0, 4])
        )
        bar.set_label("PSNR, dB", fontsize=8)
        bar.ax.tick_params(labelsize=7)
        below = figure.add_gridspec(
            1, 2, left=0.06, right=0.985, top=0.41, bottom=0.11, wspace=0.14
        )
        _draw_counts(figure.add_subplot(below[0]), numbers)
        _draw_angles(figure.add_subplot(below[1]), tried, found)
        drawing.headline(
            figure,
            "A field knows only what its photos saw",
            below="the cameras seen from above: dots are photos that were not learned from, "
            "coloured by how well the field shows them; crosses are those it learned from",
            remark=f"{scene.root.name}: {len(tried)} fields of the fast method, "
            f"{numbers['steps']:,} steps each, photos of {lens.width} x {lens.height}",
        )
    drawing.save(figure, path)


def _draw_counts(axes: Any, numbers: dict[str, Any]) -> None:
    rows = [row for row in numbers["cases"] if row["case"].startswith("spread")]
    x, y = [row["photos"] for row in rows], [row["test_psnr"] for row in rows]
    axes.plot(x, y, "o-", color=BLUE, ms=4, lw=1.5, label="all around")
    for row, colour in zip(_sectors(numbers), (ORANGE, PURPLE), strict=False):
        label = "one half" if row["case"] == "sector-180" else "60° sector"
        axes.plot(row["photos"], row["test_psnr"], "s", color=colour, ms=6, label=label)
    dress(axes, title="the same test views", x="photos learned from", y="mean PSNR, dB")
    axes.set(xscale="log")
    axes.set_xticks(x, map(str, x))
    axes.minorticks_off()


def _sectors(numbers: dict[str, Any]) -> list[dict[str, Any]]:
    return [row for row in numbers["cases"] if row["case"].startswith("sector")]


def _draw_angles(axes: Any, tried: Sequence[Case], found: dict[str, list[View]]) -> None:
    for case, colour in zip(reversed(tried[-3:]), (PURPLE, ORANGE, BLUE), strict=False):
        views = found[case.name]
        x, y = [v.degrees for v in views], [v.psnr for v in views]
        axes.plot(x, y, "o", color=colour, ms=3.5, alpha=0.8, lw=0, label=case.title)
    dress(
        axes, title="views that leave the photos", x="angle to the nearest photo, degrees",
        y="PSNR, dB",
    )  # fmt: skip
