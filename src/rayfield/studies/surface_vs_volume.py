"""One exact signed distance, seen by sphere tracing and by volume rendering.

IDR (Yariv et al. 2020, arXiv:2003.09852) shows the first point that is not outside; NeuS, VolSDF
and UNISURF (`math.density`) show what light of a fuzzy surface there is. On hard surfaces both must
give one picture. Shown: how far they are apart as the surface grows sharp and as samples are added;
what a view costs each; and where each fails: sphere tracing on distances that grow too fast, volume
rendering on a sheet thinner than its cells.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float
from scipy.ndimage import maximum_filter, minimum_filter
from torch import Tensor

from rayfield.core.types import Camera, Rays, SceneTraits
from rayfield.data.pixels import camera_rays
from rayfield.data.synthetic import look_at_origin
from rayfield.math import csg, density, quadrature, sdf
from rayfield.math.calculus import central_gradient
from rayfield.render import surface
from rayfield.render.surface import DistanceFn, Tracing
from rayfield.studies import surface_vs_volume_figure
from rayfield.studies.study import FIGURE, Findings, Report, Verdict

TRAITS = SceneTraits(bounded=True, alpha=True, images=1, near=0.01)
TRACING = Tracing(steps=60, samples=200)
PLATE = 0.01  # thickness of the sheet
STRETCH = 1.7  # of the distance on which sphere tracing fails
SHARPNESSES = [10.0, 30.0, 100.0, 1e3, 1e4]
HARDEST = SHARPNESSES[-1]
JUMP = 10.0  # of depth within 3x3 pixels, over their number along a side: a silhouette
GREY = 0.93  # background
BLOCK = 1 << 8  # rays at a time: their samples stay in the processor's cache
# values at the edges of cells, their lengths, sharpness -> weights of the cells
Rule = Callable[[Float[Tensor, "R E"], Float[Tensor, "R N"], float], Float[Tensor, "R N"]]


class Size(NamedTuple):
    """Pixels along a side of the view; samples where many are taken; and from few to many."""

    side: int = 96
    samples: int = 512
    counts: tuple[int, ...] = (32, 64, 128, 256, 512)


class View(NamedTuple):
    """Colours and depth of a view's pixels, queries a ray, and seconds of the processor."""

    color: Float[Tensor, "R 3"]
    depth: Float[Tensor, " R"]
    queries: float
    seconds: float


def shape(points: Float[Tensor, "*B 3"]) -> Float[Tensor, "*B"]:
    """A ball, a ring about it, and a thin sheet on edge: an exact distance outside."""
    ball = sdf.sphere(points - points.new_tensor([0.0, 0.0, 0.15]), 0.42)
    ring = sdf.torus(points - points.new_tensor([0.0, 0.0, 0.1]), 0.72, 0.09)
    sheet = sdf.box(points - points.new_tensor([0.0, 0.0, -0.55]), (0.7, 0.7, PLATE / 2))
    return csg.union(csg.union(ball, ring), sheet)


def paint(points: Float[Tensor, "N 3"]) -> Float[Tensor, "N 3"]:
    """Colours that change gently from place to place, with light from above."""
    normal = torch.nn.functional.normalize(central_gradient(shape, points, 1e-4), dim=-1)
    light = 0.45 + 0.55 * (normal @ points.new_tensor([0.37, -0.46, 0.81])).clamp(min=0)
    waves = torch.sin(points * points.new_tensor([4.0, 3.0, 5.0]))
    return (0.6 + 0.25 * waves) * light[:, None]


def view_rays(side: int) -> Rays:
    """The rays of the study's camera."""
    pose = look_at_origin(torch.tensor([2.1, -2.6, 1.5], dtype=torch.float64).numpy())
    focal = 1.9 * side
    camera = Camera(side, side, focal, focal, side / 2, side / 2, pose)
    origins, directions, near, far, image = camera_rays(camera, TRAITS)
    return Rays(origins.double(), directions.double(), near.double(), far.double(), image)


def traced(distance: DistanceFn, rays: Rays, tracing: Tracing = TRACING) -> View:
    """The view by sphere tracing."""
    started = time.process_time()
    background = torch.full((3,), GREY, dtype=torch.float64)
    seen = surface.render(
        distance, lambda p, d: paint(p), rays, background=background, tracing=tracing
    )
    queries = float(seen.samples.double().mean())
    return View(seen.color, seen.depth, queries, time.process_time() - started)


def neus(edges: Tensor, delta: Tensor, sharpness: float) -> Tensor:
    """Weights of NeuS, the slope from the values at both ends of a cell."""
    slope = edges.diff(dim=-1) / delta
    middle = quadrature.midpoints(edges)
    return quadrature.alpha_weights(density.neus_alpha(middle, slope, delta, sharpness=sharpness))


def volsdf(edges: Tensor, delta: Tensor, sharpness: float) -> Tensor:
    """Weights of VolSDF, beta = 1/sharpness, the value in the middle of a cell."""
    sigma = density.laplace_density(quadrature.midpoints(edges), 1 / sharpness)
    return quadrature.weights(sigma, delta)


def unisurf(edges: Tensor, delta: Tensor, sharpness: float) -> Tensor:
    """Weights of UNISURF, the value in the middle of a cell."""
    return quadrature.alpha_weights(density.occupancy(quadrature.midpoints(edges), sharpness))


RULES: dict[str, Rule] = {"NeuS": neus, "VolSDF": volsdf, "UNISURF": unisurf}


def rendered(rule: Rule, rays: Rays, *, sharpness: float, samples: int) -> View:
    """The view by volume rendering: equal cells on every ray, coloured in their middles."""
    started = time.process_time()
    parts = [
        _block(rule, Rays(*block), sharpness, samples)
        for block in zip(*(x.split(BLOCK) for x in rays), strict=True)
    ]
    color, depth = (torch.cat(x) for x in zip(*parts, strict=True))
    return View(color, depth, float(samples), time.process_time() - started)


def _block(rule: Rule, rays: Rays, sharpness: float, samples: int) -> tuple[Tensor, Tensor]:
    part = torch.linspace(0, 1, samples + 1, dtype=torch.float64)
    t = torch.lerp(rays.near[:, None], rays.far[:, None], part)
    points = rays.origins[:, None] + t[..., None] * rays.directions[:, None]
    delta = t.diff(dim=-1).clamp(min=1e-12)
    w = rule(shape(points), delta, sharpness)
    middle = quadrature.midpoints(t)
    live = w > 1e-5
    rgb = torch.zeros(*w.shape, 3, dtype=torch.float64)
    places = rays.origins[:, None] + middle[..., None] * rays.directions[:, None]
    rgb[live] = paint(places[live])
    color = quadrature.composite(w, rgb, torch.full((3,), GREY, dtype=torch.float64))
    return color, quadrature.expected_depth(w, middle) * (quadrature.opacity(w) > 0.5)


def inner(depth: Float[Tensor, " R"], side: int) -> Bool[Tensor, " R"]:
    """Pixels whose neighbours are all at about their depth: away from silhouettes."""
    image = depth.view(side, side).numpy()
    flat = maximum_filter(image, 3) - minimum_filter(image, 3) < JUMP / side
    return torch.from_numpy(flat & (image > 0)).flatten()


def run(folder: Path, *, full: bool, report: Report, data: Path | None) -> Findings:
    """See the module; takes no data, and computes everything anew."""
    return examine(
        folder, Size(256, 2048, (*Size().counts, 1024, 2048)) if full else Size(), report
    )


def examine(folder: Path, size: Size, report: Report) -> Findings:
    """The study at a given size."""
    rays = view_rays(size.side)
    exact = traced(shape, rays)
    kept = inner(exact.depth, size.side)

    def apart(view: View) -> float:
        return float((view.color - exact.color)[kept].abs().mean()) * 255

    numbers: dict[str, Any] = {"side": size.side, "samples": size.samples, "counts": size.counts}
    numbers |= {"sharpness": SHARPNESSES, "by_sharpness": {}, "by_samples": {}}
    views = {"traced": exact}
    for index, (name, rule) in enumerate(RULES.items()):
        report(index / len(RULES), name)
        soft = [rendered(rule, rays, sharpness=s, samples=size.samples) for s in SHARPNESSES]
        hard = [rendered(rule, rays, sharpness=HARDEST, samples=n) for n in size.counts]
        numbers["by_sharpness"][name] = [apart(view) for view in soft]
        numbers["by_samples"][name] = [apart(view) for view in hard]
        if name == "NeuS":
            views |= {"hard": soft[-1], "soft": soft[1], "coarse": hard[1]}
            numbers["seconds"] = {"volume": soft[-1].seconds}
    views["stretched"] = traced(lambda p: STRETCH * shape(p), rays, Tracing(samples=32))
    mended = traced(lambda p: STRETCH * shape(p), rays, TRACING._replace(slack=STRETCH))
    seen = exact.depth > 0
    numbers["seconds"] |= {"traced": exact.seconds}
    numbers["queries"] = {"traced": exact.queries, "volume": float(size.samples)}
    numbers["missed"] = {
        "stretched": _share(seen & (views["stretched"].depth == 0), seen),
        "mended": _share(seen & (mended.depth == 0), seen),
        "coarse": _share(seen & (views["coarse"].depth == 0), seen),
    }
    surface_vs_volume_figure.draw(folder / FIGURE, numbers, views=views, side=size.side)
    return Findings(numbers, judge(numbers))


def _share(some: Tensor, of: Tensor) -> float:
    return float(some.sum() / of.sum())


def judge(numbers: dict[str, Any]) -> Verdict:
    """All models within 1/255 of the traced picture where hard, and farther where soft."""
    hard = {name: found[-1] for name, found in numbers["by_sharpness"].items()}
    soft = {name: found[0] for name, found in numbers["by_sharpness"].items()}
    missed, queries = numbers["missed"], numbers["queries"]
    holds = (
        max(hard.values()) < 1
        and min(soft.values()) > 5
        and missed["mended"] < 0.001 < 0.01 < missed["stretched"]
    )
    listed = ", ".join(f"{name} {value:.2f}" for name, value in hard.items())
    return Verdict(
        "as surfaces grow hard, volume rendering tends to the first point on the ray (UNISURF, "
        "section 3.2; NeuS, section 3.1)",
        f"mean difference inside silhouettes, of 255 levels: {listed} (at sharpness 10: "
        f"{min(soft.values()):.0f} to {max(soft.values()):.0f}); {queries['traced']:.0f} queries a "
        f"ray against {queries['volume']:.0f}, {numbers['seconds']['traced']:.1f} s of CPU against "
        f"{numbers['seconds']['volume']:.1f}; on a distance {STRETCH:.1f} times too long tracing "
        f"misses {missed['stretched']:.0%} of the subject, mended {missed['mended']:.1%}",
        holds,
    )
