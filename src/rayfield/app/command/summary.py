"""Results in words: what the command line prints, and the values behind it."""

from __future__ import annotations

import shlex
from typing import Any

from rayfield.app.catalogue import find_method
from rayfield.app.learned.opened import Learned
from rayfield.app.learned.trained_picture import TrainedPicture
from rayfield.train.log import read_log
from rayfield.train.run import Run


def of_training(field: Learned) -> tuple[dict[str, Any], str]:
    """How a training went, and which commands come next."""
    run, page = field.run, field.run.path / "report.html"
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
        "report": page.as_posix() if page.is_file() else None,
    }
    where = shlex.quote(str(run.path))
    ends = {"export": f"{where} -o scene.glb"}
    answered = [
        verb
        for verb in find_method(run.record["method"]).offers
        if verb != "export" or not isinstance(field, TrainedPicture)  # it has no surface
    ]
    verbs = [f"{verb} {ends.get(verb, where)}" for verb in answered]
    text = "\n".join(
        (
            f"run:      {run.path}",
            f"pictures: {run.figures}",
            *([f"report:   {page}"] if values["report"] else []),
            *(f"{'' if i else 'next:':9} rayfield {verb}" for i, verb in enumerate(verbs)),
        )
    )
    return values, text


def of_evaluation(found: dict[str, Any], run: Run) -> str:
    """A table of the views, worst first, and the means."""
    views = sorted(found["views"], key=lambda view: float(view["psnr"]))
    lines = [f"{'view':24} {'PSNR':>7} {'SSIM':>7}"]
    lines += [_row(view["name"], view) for view in views]
    return "\n".join([*lines, *_ending(found, run)])


def of_class(found: dict[str, Any], run: Run) -> str:
    """A table of the scenes, worst first, and the means; each view is in the values."""
    scenes = sorted(found["scenes"], key=lambda scene: float(scene["psnr"]))
    lines = [f"{'scene':24} {'PSNR':>7} {'SSIM':>7}"]
    lines += [_row(scene["name"], scene) for scene in scenes]
    return "\n".join([*lines, *_ending(found, run)])


def of_values(found: dict[str, Any], run: Run) -> str:
    """The measures of one picture or shape, a line each."""
    measures = {k: v for k, v in found.items() if k not in ("split", "step", "protocol")}
    lines = [f"{name:18} {value:.4f}" for name, value in measures.items() if value is not None]
    lines.append(f"protocol: {found['protocol']}")
    return "\n".join([*lines, f"values: {run.metrics}"])


def of_surface(found: dict[str, Any], run: Run) -> str:
    """A surface beside the data and the reference, and whether its mesh can be trusted."""
    mesh = found["mesh"]
    closed = "closed" if mesh["boundary_edges"] == 0 else f"{mesh['boundary_edges']} open edges"
    lines = [f"{k:22} {v:.5f}" for k, v in found.items() if isinstance(v, float)]
    lines += _beside(found)
    lines.append(f"mesh: {mesh['faces']:,} faces, {closed}, {mesh['components']} components")
    return "\n".join([*lines, f"protocol: {found['protocol']}", f"values: {run.metrics}"])


def _beside(found: dict[str, Any]) -> list[str]:
    """The measures against a reference, if there was one."""
    if "reference" not in found:
        return []
    true = {k: v for k, v in found["reference"].items() if isinstance(v, float)}
    return [f"beside {found['reference']['file']}:", *(f"{k:22} {v:.5f}" for k, v in true.items())]


def of_solid(found: dict[str, Any], run: Run) -> str:
    """How exact a network is, and how large."""
    return "\n".join(
        (
            f"on the surface   |f| <= {found['surface_error']:.1e} of its longest side "
            f"({found['surface_points']:,} points)",
            f"inside, outside  {found['sign_errors']} wrong signs of {found['volume_points']:,}; "
            f"far outside {found['far_errors']} of {found['far_points']:,}",
            f"slope            1 within {found['slope_error']:.1e}",
            f"network          {found['layers']} layers, the widest {found['widest']:,}; "
            f"{found['units']:,} units, {found['weights']:,} weights",
            f"protocol: {found['protocol']}",
            f"values: {run.metrics}",
        )
    )


def of_shapes(found: dict[str, Any], run: Run) -> str:
    """IoU of one shape, or of those of a class that were held out, worst first."""
    lines = [f"{one['name'][-24:]:24} {one['iou']:.4f}" for one in found.get("shapes", [])]
    keys = [key for key in found if key.startswith("iou")]
    lines += [f"{key.replace('_', ' '):24} {found[key]:.4f}" for key in keys]
    lines.append(f"protocol: {found['protocol']}")
    return "\n".join(
        [*lines, f"pictures: {run.figures / 'evaluation.png'}   values: {run.metrics}"]
    )


def _row(name: str, values: dict[str, Any]) -> str:
    similar = "" if values["ssim"] is None else f"{values['ssim']:.4f}"
    return f"{name[-24:]:24} {float(values['psnr']):7.2f} {similar:>7}"


def _ending(found: dict[str, Any], run: Run) -> list[str]:
    """The means over all views, how they were measured, and where more is to be seen."""
    outline, masked = found.get("silhouette_iou"), found.get("psnr_masked")
    return [
        _row(f"mean of {found['protocol']['images']} {found['split']} views", found),
        *([] if masked is None else [f"PSNR inside masks {float(masked):.2f}"]),
        *([] if outline is None else [f"IoU of silhouettes {outline:.4f}"]),
        *_beside(found),
        f"protocol: {'; '.join(f'{k}: {v}' for k, v in found['protocol'].items())}",
        f"pictures: {run.figures / 'evaluation.png'}   values: {run.metrics}",
    ]


def of_mesh(found: dict[str, Any]) -> str:
    """A mesh and whether it can be trusted, or points."""
    if "points" in found:
        return f"{found['file']}: {found['points']:,} points"
    open_edges = found["boundary_edges"]
    closed = "closed" if open_edges == 0 else f"{open_edges:,} open edges"
    low, high = found["box_min"], found["box_max"]
    size = " x ".join(f"{b - a:.3g}" for a, b in zip(low, high, strict=True))
    level = f", at level {found['threshold']:.3g}" if "threshold" in found else ""
    corners = " to ".join(f"({', '.join(f'{x:.4g}' for x in corner)})" for corner in (low, high))
    crossing = found["self_intersections"]
    lines = [
        f"{found['file']}: {found['vertices']:,} vertices, {found['faces']:,} faces, {closed}, "
        f"{found['components']} components, {size} units{level}",
        f"quality: {open_edges:,} boundary edges, Euler number {found['euler_number']}, "
        f"{found['components']} components, {crossing:,} pairs of faces cross",
        f"box: {corners} in the {found['frame']}'s frame",
    ]
    if "beside" in found:
        lines.append(f"beside it: {', '.join(found['beside'])}")
    return "\n".join([*lines, *(f"note: {note}" for note in found.get("notes", ()))])
