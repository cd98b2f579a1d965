"""Networks that learn raw points without normals: the part of a method's contract that they share.

They start as a ball: which side of the points is inside comes from nowhere else (Atzmon & Lipman
2020, arXiv:1911.10414, Sec. 4).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

from jaxtyping import Float
from torch import Generator, Tensor

from rayfield.fields.coordinate import Pace, batch_size, lr_factor
from rayfield.fields.geometric import GeometricMLP, Start

__all__ = ["Ball", "ball", "batch_size", "lr_factor", "param_groups", "surface"]

SurfaceFn = Callable[[Float[Tensor, "N 3"]], Float[Tensor, " N"]]


@runtime_checkable
class Ball(Protocol):
    """What building needs of a method's Config, as `GeometricMLP` and its `Start` take it; `skip`:
    the layer before which the point joins again, 0: never."""

    @property
    def layers(self) -> int: ...
    @property
    def width(self) -> int: ...
    @property
    def skip(self) -> int: ...
    @property
    def slope(self) -> float: ...
    @property
    def deviation(self) -> float: ...
    @property
    def radius(self) -> float: ...


def ball(cfg: Ball, *, normed: bool = False, generator: Generator) -> GeometricMLP:
    """The untrained ReLU network: about `slope` |x| - `radius`."""
    return GeometricMLP(
        cfg.width,
        cfg.layers,
        skips=(cfg.skip,) if cfg.skip else (),
        beta=math.inf,
        start=Start(cfg.slope, cfg.deviation, cfg.radius, normed),
        generator=generator,
    )


def param_groups(model: GeometricMLP, cfg: Pace) -> list[dict[str, Any]]:
    """All parameters at one rate, with the constants of Adam that both papers' codes have."""
    params = list(model.parameters())
    return [{"params": params, "lr": cfg.rate, "betas": (0.9, 0.999), "eps": 1e-8}]


def surface(model: GeometricMLP) -> SurfaceFn:
    """Signed values of scene points: negative inside, zero on the surface."""
    return lambda points: model(points)
