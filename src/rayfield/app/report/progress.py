"""How it learned: curves, and one view as it sharpened."""

from __future__ import annotations

import numpy as np

from rayfield.app.report.charts import Series, lines
from rayfield.app.report.embed import image, reencoded
from rayfield.app.report.facts import Facts, is_number
from rayfield.app.report.markup import NOTHING, Markup, joined, tag

TERMS = 6  # loss terms that are drawn


def section(facts: Facts) -> Markup:
    """Curves and the strip; nothing where there is neither."""
    charts = [_losses(facts), _quality(facts), _pace(facts)]
    shown = [chart for chart in charts if chart]
    curves = tag("div", joined(shown), {"class": "columns"}) if shown else NOTHING
    return joined((curves, _strip(facts)))


def _figure(chart: Markup, caption: str) -> Markup:
    return tag("figure", joined((chart, tag("figcaption", caption)))) if chart else NOTHING


def _losses(facts: Facts) -> Markup:
    rows = facts.rows
    names = list(dict.fromkeys(name for row in rows for name in row["terms"]))[:TERMS]
    series = []
    for name in names:
        found = [(row["seconds"], row["terms"].get(name)) for row in rows]
        points = np.array([(x, y) for x, y in found if is_number(y)], dtype=float).reshape(-1, 2)
        series.append(Series(name.replace("_", " "), points[:, 0], points[:, 1], noisy=True))
    return _figure(lines(series, x="seconds of training", log=True), "loss terms")


def _quality(facts: Facts) -> Markup:
    batch = [(row["seconds"], row["psnr"]) for row in facts.rows if is_number(row.get("psnr"))]
    views = [(frame.seconds, frame.psnr) for frame in facts.frames if frame.psnr is not None]
    series = []
    for name, points, noisy in (("training batch", batch, True), ("the view below", views, False)):
        xy = np.array(points, dtype=float).reshape(-1, 2)
        series.append(Series(name, xy[:, 0], xy[:, 1], noisy=noisy, dots=not noisy))
    return _figure(lines(series, x="seconds of training"), "PSNR, dB")


def _pace(facts: Facts) -> Markup:
    """How fast it went, where nothing else is told of quality."""
    if any(is_number(row.get("psnr")) for row in facts.rows) or facts.frames:
        return NOTHING
    rows = [row for row in facts.rows if is_number(row.get("rays_per_second"))]
    xy = np.array([(r["seconds"], r["rays_per_second"]) for r in rows], dtype=float).reshape(-1, 2)
    series = [Series("samples of the data", xy[:, 0], xy[:, 1], noisy=True)]
    return _figure(lines(series, x="seconds of training"), "samples a second")


def _strip(facts: Facts) -> Markup:
    cells = []
    for frame in facts.frames:
        data = reencoded(frame.file, 256)
        if data is not None:
            picture = image(data, f"after {frame.label}", pixelated=True)
            cells.append(tag("figure", joined((picture, tag("figcaption", frame.label)))))
    target = reencoded(facts.run.figures / "preview-photo.png", 256)
    if cells and target is not None:
        last = joined(
            (image(target, "the photo", pixelated=True), tag("figcaption", "as it should be"))
        )
        cells.append(tag("figure", last, {"class": "goal"}))
    if not cells:
        return NOTHING
    title = "as it sharpened" if facts.view is None else f"as it sharpened: {facts.view}"
    return joined((tag("h3", title), tag("div", joined(cells), {"class": "strip"})))
