"""ReLU networks have every flat-faced surface as their zero set: four of them, computed.

Atzmon et al. 2019, arXiv:1905.11911: every watertight piecewise-linear surface is the zero set of a
multilayer perceptron with ReLU. Shown: the networks of a cube, an L-shaped prism, a star of eight
points and a small triangle mesh (of the demo scene, or of the user's file, simplified), computed by
`methods/polytope_net.py`, not trained: their layers, units and weights, and |f| on the surface and
signs off it at many points. Beside it the trap: pieces that only touch leave a sheet inside.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from rayfield.core import drawing
from rayfield.core.drawing import ORANGE
from rayfield.core.types import Mesh
from rayfield.data.demo import demo_photos
from rayfield.data.solid import prepared, read_solid
from rayfield.fields.piecewise_linear import PiecewiseLinear, network_of
from rayfield.geometry import solids
from rayfield.geometry.exactness import exactness
from rayfield.geometry.mesh import components, select_faces
from rayfield.geometry.meshio import read_mesh
from rayfield.geometry.polyhedron import polyhedron
from rayfield.math.min_max import MinMax
from rayfield.methods.polytope_net import Config, construct, surface
from rayfield.studies.solid_pictures import cut, draw_cut, picture
from rayfield.studies.study import FIGURE, Findings, Report, Verdict, part

EXACT = 1e-9  # |f| on the surface, in parts of its longest side
CUT = 0.013  # height of the cut that is drawn: through no corner
CELLS = 220  # of the cut, a side
LONGEST = 1.6  # side of every solid here, in its units
RING = 28  # its number among the parts of the demo scene
EXPLAINED = (
    "How: the inside is filled with convex\npieces that overlap; f is the minimum over\n"
    "pieces of the maximum over their planes,\nand a tournament of ReLU units finds both.\n\n"
    "Pieces that only touch (below) leave a\nsheet inside where f is zero, too."
)


@dataclass(frozen=True)
class Size:
    """Points on the surface, and as many off it; faces of the triangle mesh."""

    points: int = 1 << 18
    faces: int = 120


FULL = Size(1 << 21, 200)


def run(folder: Path, *, full: bool, report: Report, data: Path | None) -> Findings:
    """See the module; `data` is a closed mesh to simplify. What `folder` holds is kept."""
    return examine(folder, FULL if full else Size(), report, data=data)


def examine(folder: Path, size: Size, report: Report, *, data: Path | None = None) -> Findings:
    """The study at a given size."""
    shapes = {
        "cube": solids.cube(),
        "L-shaped prism": solids.l_prism(),
        "star of eight points": solids.star(),
    }
    if data is not None:
        shapes[data.stem] = read_solid(data, size.faces).mesh
    else:
        shapes["ring of the demo scene"] = ring(size.faces)
    found, cuts = [], []
    for index, (name, mesh) in enumerate(shapes.items()):
        stage = part(report, index / len(shapes), (index + 1) / len(shapes))
        numbers, cut = _shape(folder, name, mesh, size=size, report=stage)
        found.append(numbers)
        cuts.append(cut)
    numbers = {"points": size.points, "shapes": found, "trap": trap()}
    _draw(folder / FIGURE, numbers, list(shapes.values()), cuts=cuts)
    return Findings(numbers, judge(numbers))


def ring(faces: int) -> Mesh:
    """The ring of the demo scene, of genus 1, simplified to so many faces."""
    file = demo_photos() / "mesh.ply"
    whole = read_mesh(file)
    return prepared(file, select_faces(whole, components(whole) == RING), faces).mesh


def _shape(
    folder: Path, name: str, mesh: Mesh, *, size: Size, report: Report
) -> tuple[dict[str, Any], Float[np.ndarray, "S S"]]:
    """The numbers and the cut of a shape, computed unless `folder` holds them."""
    digest = hashlib.sha256(mesh.vertices.tobytes() + mesh.faces.tobytes()).hexdigest()[:12]
    file = folder / f"{digest}-{size.points}.npz"
    if file.exists():
        with np.load(file, allow_pickle=False) as archive:
            return json.loads(str(archive["numbers"])), archive["cut"]
    generator = torch.Generator().manual_seed(0)
    solid = polyhedron(mesh)
    network, cfg = construct(Config(), solid, generator=generator, report=part(report, 0, 0.5))
    found = exactness(
        surface(network),
        mesh,
        size.points,
        generator=generator,
        report=lambda done: report(0.5 + done / 2, f"{name}: verifying"),
    )
    numbers = {
        "name": name,
        "faces": len(mesh.faces),
        "planes": len(solid.planes),
        "layers": len(cfg.units) - 1,
        "widest": max(cfg.units),
        "units": sum(cfg.units[1:-1]),
        "weights": sum(cfg.weights),
        **found._asdict(),
    }
    numbers["surface_error"] /= LONGEST
    across = cut(network, CUT, CELLS)
    folder.mkdir(parents=True, exist_ok=True)
    temporary = file.with_suffix(".tmp.npz")
    np.savez(temporary, allow_pickle=False, numbers=np.array(json.dumps(numbers)), cut=across)
    temporary.replace(file)
    return numbers, across


def touching() -> PiecewiseLinear:
    """The L-shaped prism as the two boxes that fill it but only touch, at x = 0."""
    bounds = [(-0.8, 0.0, -0.8, 0.8), (0.0, 0.8, -0.8, 0.0)]
    forms: list[tuple[float, ...]] = []
    groups = []
    for x0, x1, y0, y1 in bounds:
        groups.append(tuple(range(len(forms), len(forms) + 6)))
        forms += [(-1, 0, 0, x0), (1, 0, 0, -x1), (0, -1, 0, y0), (0, 1, 0, -y1)]
        forms += [(0, 0, -1, -0.8), (0, 0, 1, -0.8)]
    return network_of(MinMax(torch.tensor(forms, dtype=torch.float64), tuple(groups)))


def trap() -> float:
    """The largest |f| of the touching boxes on the face that they share, which is inside."""
    points = torch.zeros(1000, 3, dtype=torch.float64)
    points[:, 1:] = torch.rand(1000, 2, generator=torch.Generator().manual_seed(0)) * 1.5 - 0.75
    points[:, 1] = (points[:, 1] - 0.8) / 2
    with torch.no_grad():
        return float(touching()(points).abs().max())


def judge(numbers: dict[str, Any]) -> Verdict:
    """|f| below EXACT on the surface and no wrong sign, for every shape; the trap is one."""
    shapes = numbers["shapes"]
    worst = max(shape["surface_error"] for shape in shapes)
    wrong = sum(shape["sign_errors"] + shape["far_errors"] for shape in shapes)
    asked = sum(shape["volume_points"] + shape["far_points"] for shape in shapes)
    on = sum(shape["surface_points"] for shape in shapes)
    sizes = ", ".join(f"{s['name']} {s['layers']} layers, {s['weights']:,} weights" for s in shapes)
    return Verdict(
        "every watertight surface of flat faces is the zero set of a ReLU network (Atzmon et al. "
        "2019)",
        f"|f| at most {worst:.0e} of the longest side at {on:,} points of the surfaces, "
        f"{wrong} wrong signs at {asked:,} off them ({sizes}); pieces that only touch leave "
        f"|f| <= {numbers['trap']:.0e} inside",
        worst < EXACT and wrong == 0 and numbers["trap"] < EXACT,
    )


def _draw(
    path: Path, numbers: dict[str, Any], meshes: list[Mesh], *, cuts: list[np.ndarray]
) -> None:
    shapes = numbers["shapes"]
    with drawing.style():
        figure = drawing.new_figure(13.2, 6.4)
        grid = figure.subplots(2, 5)
        for column, (shape, mesh, across) in enumerate(zip(shapes, meshes, cuts, strict=True)):
            drawing.show(grid[0, column], picture(mesh, 320))
            grid[0, column].set_title(f"{shape['name']}\n{shape['faces']} triangles", fontsize=9)
            error = shape["surface_error"]
            draw_cut(
                grid[1, column],
                across,
                f"{shape['layers']} layers, {shape['weights']:,} weights\n"
                f"|f| on the surface ≤ {error:.0e}\n{shape['sign_errors']} wrong signs",
            )
        grid[0, 4].set_axis_off()
        grid[0, 4].text(0, 0.5, EXPLAINED, fontsize=9, va="center", linespacing=1.6)
        draw_cut(
            grid[1, 4], cut(touching(), CUT, CELLS + 1), "the trap: two boxes\nthat only touch"
        )
        grid[1, 4].plot([0, 0], [-0.8, 0], color=ORANGE, lw=2.5)
        grid[1, 4].text(-0.05, -0.92, "f = 0 inside", color=ORANGE, fontsize=9, ha="center")
        drawing.headline(
            figure,
            "Four surfaces, each exactly the zero set of a ReLU network",
            below="above: the surface; below: the network's value in a cut through the middle, its "
            "zero set as the thick line, inside violet, outside orange",
            remark=f"computed, not trained; {numbers['points']:,} points on each surface and as "
            "many off it, in double precision; |f| in parts of the longest side",
        )
        figure.tight_layout(rect=drawing.between(figure), h_pad=1)
    drawing.save(figure, path)
