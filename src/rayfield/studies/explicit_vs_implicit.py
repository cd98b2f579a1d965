"""Explicit against implicit: one shape held by a mesh, voxels, points, a network and a hash grid.

What lectures on neural fields start from: a mesh takes little memory and is hard to optimise, for
its topology is fixed; voxels are easy to optimise and take much memory; a network takes little and
has no fixed topology (Mescheder et al. 2019, arXiv:1812.03828, Sec. 1; Park et al. 2019,
arXiv:1901.05103, Sec. 1). All are fitted for the same CPU time to the same target, explicit ones to
points of its surface, implicit ones to occupancy; then to a torus, all but the lattice's and the
networks' start being spheres.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import torch

from rayfield.core.types import Mesh
from rayfield.geometry.marching import extract
from rayfield.geometry.mesh import euler_number
from rayfield.studies import explicit_figure as figure
from rayfield.studies.mesh_sequence import sequence, write_film
from rayfield.studies.representations import Net, Target, explicit, follow, networks, target_of
from rayfield.studies.shapes import kept
from rayfield.studies.study import Findings, Report, Verdict, part

SECONDS, FULL = 6.0, 100.0  # CPU time of training of each representation
STEPS, FULL_STEPS = 150, 400  # of the mesh in the sequence
GOAL = 0.95  # IoU
RESOLUTION = 96  # of the targets
NETS = {"network": Net(), "hash grid": Net((32,), levels=6, rate=1e-2)}
EXPLICIT = ("mesh", "voxels", "points")
ON_TORUS = ("mesh", "voxels", "network")
NAMES = {"shape": (*EXPLICIT, *NETS), "torus": ON_TORUS}


def run(folder: Path, *, full: bool, report: Report, data: Path | None) -> Findings:
    """Fit all, draw, and judge. `data`: another closed mesh in place of the built-in one."""
    seconds, steps = (FULL, FULL_STEPS) if full else (SECONDS, STEPS)
    targets = {"shape": target_of(data or kept(folder / "shape.ply", shape))}
    targets["torus"] = target_of(kept(folder / "torus.ply", torus))
    whole = len(NAMES["shape"]) + len(NAMES["torus"]) + 1
    found: dict[str, Any] = {}
    done = 0
    for name, target in targets.items():
        found[name] = {}
        for kind in NAMES[name]:
            told = part(report, done / whole, (done + 1) / whole)
            found[name][kind] = fitted(folder / name, kind, target, seconds=seconds, report=told)
            done += 1
    frames = sequence(targets["shape"].mesh, steps, part(report, done / whole, 1.0))
    write_film(folder / "mesh.gif", frames)
    figure.draw(folder, found, frames, goal=GOAL, targets={k: t.mesh for k, t in targets.items()})
    numbers = {
        "seconds": seconds, **found, "sequence": [[f.step, f.iou] for f in frames],
        "euler_numbers": {k: euler_number(t.mesh) for k, t in targets.items()},
    }  # fmt: skip
    return Findings(numbers, judged(found, euler_number(targets["torus"].mesh)))


def fitted(
    folder: Path, kind: str, target: Target, *, seconds: float, report: Report
) -> dict[str, Any]:
    """One representation, fitted and measured, or what was found of it before."""
    folder.mkdir(parents=True, exist_ok=True)
    generator = torch.Generator().manual_seed(0)
    if kind in NETS:
        fit = networks(NETS[kind], target, generator)
    else:
        fit = explicit(kind, target, generator)
    name = kind.replace(" ", "-")
    found = follow(folder, name, fit, target=target, seconds=seconds, report=report)
    return found | {"to_goal": reached(found["curve"])}


def reached(curve: list[dict[str, int | float]]) -> dict[str, int | float] | None:
    """The first measurement with an IoU of GOAL or more."""
    return next((point for point in curve if point["iou"] >= GOAL), None)


def judged(found: dict[str, Any], torus: int) -> Verdict:
    """Whether memory, ease and topology are as claimed."""
    shape, ring = found["shape"], found["torus"]
    small = all(10 * shape[kind]["bytes"] < shape["voxels"]["bytes"] for kind in ("mesh", "points"))
    small &= 5 * shape["network"]["bytes"] < shape["voxels"]["bytes"]
    easy = all(shape[kind]["to_goal"] for kind in ("voxels", *NETS))
    fixed = ring["mesh"]["euler_number"] != torus
    free = all(ring[kind]["euler_number"] == torus for kind in ("voxels", "network"))
    times = ", ".join(f"{kind} {_told(shape[kind])}" for kind in shape if shape[kind]["curve"])
    kilobytes = [f"{kind} {one['bytes'] / 1000:.0f}" for kind, one in shape.items()]
    euler = [f"{kind} {one['euler_number']}" for kind, one in ring.items()]
    return Verdict(
        "a mesh takes little memory and keeps its topology; voxels are easy to optimise and take "
        "much memory; a network takes little and has any topology (Mescheder et al. 2019, Sec. 1)",
        f"kB: {', '.join(kilobytes)}; "
        f"IoU {GOAL}: {times}; Euler number on the torus ({torus}): "
        f"{', '.join(euler)}",
        bool(small and easy and fixed and free),
    )


def _told(found: dict[str, Any]) -> str:
    if found["to_goal"] is None:
        return f"never (last {found['curve'][-1]['iou']:.3f})"
    return f"after {found['to_goal']['seconds']:.1f} CPU s, {found['to_goal']['step']:.0f} steps"


def shape() -> Mesh:
    """A ball with bumps and dents, of one piece and without handles."""

    def value(x: torch.Tensor) -> torch.Tensor:
        return (
            x.norm(dim=1) - 0.55 - 0.16 * torch.sin(4 * x + torch.tensor([0.3, 1.1, 2.0])).prod(1)
        )

    return _mesh(value)


def torus() -> Mesh:
    """A torus about the z axis."""

    def value(x: torch.Tensor) -> torch.Tensor:
        return torch.hypot(torch.hypot(x[:, 0], x[:, 1]) - 0.55, x[:, 2]) - 0.24

    return _mesh(value)


_mesh = partial(
    extract, level=0.0, inside="below", box_min=(-1.0, -1.0, -1.0), box_max=(1.0, 1.0, 1.0),
    resolution=RESOLUTION,
)  # fmt: skip
