"""What the command line asks of a method (docs/extending.md)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from rayfield.core.types import Mesh, PointCloud, Rays, Rendered

Vector = Float[Tensor, "3"]
PointFn = Callable[[Float[Tensor, "N 3"]], Float[Tensor, " N"]]
ColorFn = Callable[[Float[Tensor, "N 3"], Float[Tensor, "N 3"]], Float[Tensor, "N 3"]]


@runtime_checkable
class Method(Protocol):
    """What every method file offers."""

    Config: type
    PRESETS: dict[str, Any]

    def adapt(self, cfg: Any, traits: Any) -> Any: ...
    def build(self, cfg: Any, *, generator: torch.Generator) -> nn.Module: ...
    def loss(
        self, model: Any, batch: Any, cfg: Any, step: int, *, generator: torch.Generator
    ) -> dict[str, Tensor]: ...
    def batch_size(self, model: Any, cfg: Any) -> int: ...
    def param_groups(self, model: Any, cfg: Any) -> list[dict[str, Any]]: ...
    def lr_factor(self, cfg: Any, step: int, progress: float) -> float: ...


@runtime_checkable
class RayMethod(Method, Protocol):
    """A method that learns from photos: its fields are seen along rays."""

    def render(self, model: Any, rays: Rays, cfg: Any, *, background: Vector) -> Rendered: ...


@runtime_checkable
class DenseMethod(Method, Protocol):
    """A method whose fields have a density, and so surfaces and normals."""

    def render(self, model: Any, rays: Rays, cfg: Any, *, background: Vector) -> Rendered: ...
    def density(self, model: Any) -> PointFn: ...
    def color(self, model: Any) -> ColorFn: ...


@runtime_checkable
class SurfaceMethod(Method, Protocol):
    """A method whose fields have a signed distance, negative inside, of scene points."""

    def render(self, model: Any, rays: Rays, cfg: Any, *, background: Vector) -> Rendered: ...
    def surface(self, model: Any) -> PointFn: ...
    def color(self, model: Any) -> ColorFn: ...


@runtime_checkable
class MeshMethod(Method, Protocol):
    """A method that keeps a mesh: it is exported as it is."""

    def mesh(self, model: Any) -> Mesh: ...


@runtime_checkable
class PointMethod(Method, Protocol):
    """A method that keeps points: they are exported as they are, with RGB bytes [N 3]."""

    def cloud(self, model: Any) -> tuple[PointCloud, Tensor]: ...


def within_cube(value: PointFn) -> PointFn:
    """The same function, zero outside the cube [-1, 1]^3, where nothing was learned."""
    return lambda points: torch.where((points.abs() <= 1).all(-1), value(points), 0.0)
