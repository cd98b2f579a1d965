"""Results in words: what the command line prints, and the values behind it."""

from __future__ import annotations

import shlex
from typing import Any

from rayfield.app.field import TrainedField
from rayfield.train.log import read_log
from rayfield.train.run import Run


def of_training(field: TrainedField) -> tuple[dict[str, Any], str]:
    """How a training went, and which commands come next."""
    run = field.run
    log = [row for row in read_log(run.log) if "terms" in row]
    last = log[-1] if log else {}
    values = {
        "run": run.path.as_posix(),
        "method": run.record["method"],
        "step": field.step,
        "seconds": last.get("seconds"),
        "wall_seconds": last.get("wall_seconds"),
        "terms": last.get("terms"),
        "train_psnr": last.get("psnr"),
        "figures": run.figures.as_posix(),
    }
    where = shlex.quote(str(run.path))
    text = "\n".join(
        (
            f"run:      {run.path}",
            f"pictures: {run.figures} (sharpening, curves, cameras)",
            f"next:     rayfield eval {where}",
            f"          rayfield render {where}",
            f"          rayfield export {where} -o scene.glb",
        )
    )
    return values, text


def of_evaluation(found: dict[str, Any], run: Run) -> str:
    """A table of the views, worst first, and the means."""
    views = sorted(found["views"], key=lambda view: float(view["psnr"]))
    lines = [f"{'view':24} {'PSNR':>7} {'SSIM':>7}"]
    lines += [_row(view["name"], view) for view in views]
    lines.append(_row(f"mean of {len(views)} {found['split']} views", found))
    lines.append(f"protocol: {'; '.join(f'{k}: {v}' for k, v in found['protocol'].items())}")
    lines.append(f"pictures: {run.figures / 'evaluation.png'}   values: {run.metrics}")
    return "\n".join(lines)


def _row(name: str, values: dict[str, Any]) -> str:
    similar = "" if values["ssim"] is None else f"{values['ssim']:.4f}"
    return f"{name[-24:]:24} {float(values['psnr']):7.2f} {similar:>7}"


def of_mesh(found: dict[str, Any]) -> str:
    """A mesh and whether it can be trusted."""
    closed = "closed" if found["boundary_edges"] == 0 else f"{found['boundary_edges']} open edges"
    size = " x ".join(
        f"{high - low:.3g}" for low, high in zip(found["box_min"], found["box_max"], strict=True)
    )
    return (
        f"{found['file']}: {found['vertices']:,} vertices, {found['faces']:,} faces, {closed}, "
        f"{found['components']} components, {size} units, density {found['threshold']:.3g}"
    )
