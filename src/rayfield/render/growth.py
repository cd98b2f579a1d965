"""From a blurred sphere to a sharp surface: how `Subject`s start and grow, and the part of a
method's contract that NeuS, VolSDF and UNISURF share.

Sharpening while finer levels are added is Neuralangelo's coarse to fine (Li et al. 2023,
arXiv:2306.03092, Sec. 3.2), with the width of the surface tied to it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Generator, Tensor

from rayfield.core.check import UsageError
from rayfield.core.types import SceneTraits
from rayfield.fields.radiance import RadianceField
from rayfield.fields.surfaces import AnySurface, Sizes, grid, sphere
from rayfield.render.dense import Dense, PlacesFn
from rayfield.render.subject import Subject
from rayfield.render.width import Width

FIRST_LEVELS = 2  # how many are on at the start
BACKDROP_WIDTH = 64
FEWEST_PHOTOS = 3
GROWN, SHARPENED = 0.5, 0.7  # parts of the steps until all levels are on, the width is `sharp`
MATTE = 0.4, 0.55  # parts until and from which colour depends on direction not at all, and in full
ADAM = {"betas": (0.9, 0.99), "eps": 1e-15}


@runtime_checkable
class Plan(Sizes, Protocol):
    """Sizes of a subject and its backdrop, and how they grow; lengths in radii of the ball.

    `rays` a step of networks; `occupancy` cells a side; the surface's width falls from `blurred` to
    `sharp` over most of `steps`, and is looked for within `reach` widths. With `exposure`, each of
    the `images` has its own.
    """

    @property
    def rays(self) -> int: ...
    @property
    def occupancy(self) -> int: ...
    @property
    def blurred(self) -> float: ...
    @property
    def sharp(self) -> float: ...
    @property
    def steps(self) -> int: ...
    @property
    def reach(self) -> float: ...
    @property
    def ball(self) -> float: ...
    @property
    def backdrop(self) -> bool: ...
    @property
    def exposure(self) -> bool: ...
    @property
    def images(self) -> int: ...


@runtime_checkable
class Pace(Protocol):
    """How the learning rate rises over `warmup` steps and falls to a part `final_rate`."""

    @property
    def warmup(self) -> int: ...
    @property
    def final_rate(self) -> float: ...


def check_photos(traits: SceneTraits) -> None:
    """Raise UsageError where there are too few photos for a surface."""
    if traits.images < FEWEST_PHOTOS:
        raise UsageError(
            f"a surface takes {FEWEST_PHOTOS} training photos or more, and there are "
            f"{traits.images} beside those held out for test; add photos from other sides"
        )


def adapt(cfg: Any, traits: SceneTraits) -> Any:
    """Settings that follow from the scene. Raises UsageError for less than three photos."""
    check_photos(traits)
    ball, backdrop = (1.0, False) if traits.bounded else (traits.ball, True)
    return replace(cfg, alpha=traits.alpha, backdrop=backdrop, ball=ball, images=traits.images)


def blurred_sphere(
    plan: Plan, places: PlacesFn, *, learned: bool = False, generator: Generator
) -> Subject:
    """The untrained subject; `places` where networks are asked along rays; `learned`: with a factor
    on its width that is."""
    field, backdrop = sphere(plan, generator=generator), None
    if plan.backdrop:
        backdrop = RadianceField(grid(plan, generator), BACKDROP_WIDTH, generator=generator)
    return Subject(
        field,
        cells=plan.occupancy,
        ball=plan.ball,
        width=Width(plan.blurred, learned, _matte(plan)),
        backdrop=backdrop,
        dense=Dense(places, plan.rays) if plan.layers else None,
        photos=plan.images if plan.exposure else 0,
    )


def progress(plan: Plan, width: float) -> float:
    """How far a width is on its way, in [0, 1]."""
    log = torch.log(torch.tensor([plan.blurred, width, plan.sharp], dtype=torch.float64))
    return float(((log[0] - log[1]) / (log[0] - log[2])).clamp(0, 1))


@torch.no_grad()
def advance(model: Subject, plan: Plan, step: int, *, generator: Generator) -> None:
    """Bring width, levels, shell and backdrop to what they are at a step."""
    done = min(1.0, step / plan.steps)
    more = (plan.levels - FIRST_LEVELS + 1) * min(1.0, done / GROWN)
    model.field.activate(min(plan.levels, FIRST_LEVELS + int(more)))
    model.set_width(_width(plan, done))
    model.refresh(step, reach=plan.reach, generator=generator)


def _width(plan: Plan, done: float) -> float:
    """That of the surface after a part of the steps."""
    return plan.blurred * (plan.sharp / plan.blurred) ** min(1.0, done / SHARPENED)


def _matte(plan: Plan) -> tuple[float, float] | None:
    """The widths between which colour begins to depend on direction, where it does not at once.

    Before a backdrop nothing says that a subject is smaller than the sphere that it starts as, on
    which colours that differ from every side can show any photo. With one colour for all sides only
    the true shape can. Networks that keep their width are left as published.
    """
    if not plan.backdrop or plan.blurred <= plan.sharp:
        return None
    first, last = (_width(plan, done) for done in MATTE)
    return first, last


def batch_size(model: Subject, cfg: Plan) -> int:
    """Rays that give about as many samples as are wanted."""
    return int(model.rays)


def base_groups(model: Subject | AnySurface, rate: float) -> list[dict[str, Any]]:
    """Tables and matrices, and their rate."""
    tables = {"params": model.tables(), "lr": rate, "sparse": True}
    return [group | ADAM for group in (tables, {"params": model.matrices(), "lr": rate})]


def groups(
    model: Subject, rate: float, *, factor_rate: float = 0.0, exposure_rate: float = 0.0
) -> list[dict[str, Any]]:
    """Parameters and their rates; `factor_rate`: that of a factor on the width, `exposure_rate`:
    that of the photos' exposures, if there are any."""
    found = base_groups(model, rate)
    for parameter, own in ((model.log_factor, factor_rate), (model.log_gains, exposure_rate)):
        if parameter is not None and own:
            found.append({"params": [parameter], "lr": own} | ADAM)
    return found


def lr_factor(cfg: Pace, step: int, progress: float) -> float:
    """Linear warm-up, then exponential decay to `final_rate`."""
    return min(1.0, (step + 1) / cfg.warmup) * cfg.final_rate**progress


def surface(model: Subject) -> Callable[[Tensor], Tensor]:
    """Signed distances of scene points, about: negative inside, zero on the surface."""
    return model.distance()


def color(model: Subject) -> Callable[[Tensor, Tensor], Tensor]:
    """RGB of scene points [N, 3] seen along unit directions [N, 3]."""
    return model.color()
