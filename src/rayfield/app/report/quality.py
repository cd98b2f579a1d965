"""How good it is: measures by protocol, and views beside their photos."""

from __future__ import annotations

import shlex
from typing import Any

from rayfield.app.report.charts import bars
from rayfield.app.report.embed import encoded, image, reencoded
from rayfield.app.report.facts import Facts, is_number
from rayfield.app.report.looking import Look
from rayfield.app.report.making import Made
from rayfield.app.report.markup import NOTHING, Markup, joined, rows_of, sentences, tag

PARTS = ("photo", "rendered", "error")
NAMES = {
    "psnr": "PSNR, dB",
    "ssim": "SSIM",
    "psnr_masked": "PSNR inside masks, dB",
    "silhouette_iou": "IoU of silhouettes",
    "iou": "IoU",
}
PICKED = ("worst", "median", "best")


def section(facts: Facts, made: Made, step: int | None) -> Markup:
    """The newest measures, and the views they came from."""
    measured, remark = measures(facts, made, step)
    if measured is None:
        command = f"rayfield eval {shlex.quote(str(facts.run.path))}"
        return sentences([f"nothing was measured yet: {command}"])
    parts = [tag("p", remark, {"class": "hint"}) if remark else NOTHING]
    table = rows_of((*_numbers(measured), *_reference(measured), *_protocol(measured)))
    chart = _views(measured)
    parts.append(tag("div", joined((table, chart)), {"class": "columns"}) if chart else table)
    parts.append(_looks(made.looks) if made.measured is not None else _kept(facts, measured))
    return joined(parts)


def measures(facts: Facts, made: Made, step: int | None) -> tuple[dict[str, Any] | None, str]:
    """The measures to show, and what should be known of them."""
    if made.measured is not None:
        return made.measured, str(made.measured["remark"])
    found = facts.metrics
    if found is None:
        return None, ""
    at = found.get("step")
    if step is not None and at != step and is_number(at):
        return found, f"measured at step {at:,}, of which {step:,} are done now: measure it again"
    return found, ""


def headline(measured: dict[str, Any] | None) -> list[tuple[str, str]]:
    """The figures that come first: values and what they are."""
    if measured is None:
        return []
    found = []
    views = measured.get("views")
    count = f", {len(views)} views" if isinstance(views, list) and views else ""
    for key, name, digits in (
        ("psnr", f"PSNR, dB{count}", 2),
        ("ssim", "SSIM", 3),
        ("iou", "IoU", 3),
        ("chamfer_l1_onet", "Chamfer distance", 4),
        ("p2s_data_to_surface", "distance from data to surface", 5),
    ):
        value = measured.get(key)
        if is_number(value) or value == "inf":
            found.append((f"{float(value):.{digits}f}", name))
    return found[:2]


def _numbers(measured: dict[str, Any]) -> list[tuple[object, object]]:
    rows: list[tuple[object, object]] = []
    for key, value in measured.items():
        if key in ("step",) or isinstance(value, dict | list) or value is None:
            continue
        if is_number(value) or value == "inf":
            shown = f"{float(value):.4f}" if not isinstance(value, int) else f"{value:,}"
            rows.append((NAMES.get(key, key.replace("_", " ")), shown))
    return rows


def _reference(measured: dict[str, Any]) -> list[tuple[object, object]]:
    found = measured.get("reference")
    if not isinstance(found, dict):
        return []
    rows: list[tuple[object, object]] = [("beside", tag("code", found.get("file", "")))]
    rows += [(k.replace("_", " "), f"{v:.5f}") for k, v in found.items() if isinstance(v, float)]
    return rows


def _protocol(measured: dict[str, Any]) -> list[tuple[object, object]]:
    found = measured.get("protocol")
    if isinstance(found, dict):
        text: object = joined(
            (tag("div", f"{name}: {_plain(value)}") for name, value in found.items())
        )
    else:
        text = found
    return [("protocol", None if text is None else tag("div", text, {"class": "hint"}))]


def _plain(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(_plain(one) for one in value)
    return str(value)


def _views(measured: dict[str, Any]) -> Markup:
    """A bar for every view, worst first."""
    rows = measured.get("views") or measured.get("shapes") or measured.get("scenes")
    if not isinstance(rows, list) or len(rows) < 2:
        return NOTHING
    key, unit = ("psnr", "dB") if "psnr" in rows[0] else ("iou", "IoU")
    values = [(float(r[key]), str(r.get("name"))) for r in rows if is_number(r.get(key))]
    if not values:
        return NOTHING
    values.sort()
    marked = (0, len(values) // 2, len(values) - 1)
    chart = bars(
        [value for value, _ in values],
        [name for _, name in values],
        unit=unit,
        marked=marked,
        label=f"{unit} of every view",
    )
    what = "PSNR of every view, dB" if key == "psnr" else "IoU of every shape"
    return tag("figure", joined((chart, tag("figcaption", f"{what}: worst, median, best marked"))))


def _looks(looks: list[Look]) -> Markup:
    rows = []
    for look in looks:
        pictures = (look.photo, look.rendered, look.error)
        shown = [
            image(encoded(p), f"{look.name}: {n}") for p, n in zip(pictures, PARTS, strict=True)
        ]
        rows.append(_row(f"{look.title}: {look.name}, {look.psnr:.2f} dB", shown, look.limit))
    return joined(rows)


def _kept(facts: Facts, measured: dict[str, Any]) -> Markup:
    """The pictures that `eval` left, whichever there are."""
    rows = []
    views = measured.get("views")
    order = sorted(views, key=lambda v: float(v["psnr"])) if isinstance(views, list) else []
    chosen = {"worst": 0, "median": len(order) // 2, "best": len(order) - 1}
    for title in PICKED:
        files = [facts.run.figures / f"evaluation-{title}-{part}.png" for part in PARTS]
        data = [reencoded(file) for file in files]
        shown = [
            image(d, f"{title} view: {n}")
            for d, n in zip(data, PARTS, strict=True)
            if d is not None
        ]
        label = title
        if order:
            view = order[chosen[title]]
            label = f"{title}: {view.get('name')}, {float(view['psnr']):.2f} dB"
        if len(shown) == len(PARTS):
            rows.append(_row(label, shown))
    if rows:
        return joined(rows)
    whole = reencoded(facts.run.figures / "evaluation.png", 1400)
    if whole is None:
        return NOTHING
    return tag("figure", image(whole, "what was learned beside the data"), {"class": "wide"})


def _row(label: str, shown: list[Markup], limit: float | None = None) -> Markup:
    scale = "" if limit is None else f", black 0 to white {limit:.2f}"
    captions = (*PARTS[:2], f"error{scale}")
    cells = [
        tag("figure", joined((picture, tag("figcaption", caption))))
        for picture, caption in zip(shown, captions, strict=True)
    ]
    return joined((tag("h3", label), tag("div", joined(cells), {"class": "three"})))
