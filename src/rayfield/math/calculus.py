"""Derivatives of functions of points, and the geometry of level sets that follows from them.

A function takes points and returns a value for each that depends on that point alone. Level sets
are those of functions that are negative inside; unit normals then look outwards, and a sphere has
positive curvatures.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Bool, Float
from torch import Tensor

Scalars = Callable[[Float[Tensor, "*B D"]], Float[Tensor, "*B"]]
Vectors = Callable[[Float[Tensor, "*B D"]], Float[Tensor, "*B D"]]


def central_gradient(
    function: Callable[[Float[Tensor, "M 3"]], Float[Tensor, " M"]],
    points: Float[Tensor, "N 3"],
    step: float,
) -> Float[Tensor, "N 3"]:
    """Gradient by central differences over 2 `step`: exact for quadratic functions."""
    sides = step * torch.cat([torch.eye(3), -torch.eye(3)]).to(points)
    around = (points[:, None] + sides).reshape(-1, 3)
    ahead, behind = function(around).view(-1, 2, 3).unbind(1)
    return (ahead - behind) / (2 * step)


def central_hessian(
    function: Callable[[Float[Tensor, "M 3"]], Float[Tensor, " M"]],
    points: Float[Tensor, "N 3"],
    step: float,
) -> Float[Tensor, "N 3 3"]:
    """Second derivatives by central differences over `step`, 19 values a point: exact for cubics.

    Rounding of the values grows by 4 / `step`^2: in single precision take no small steps.
    """
    axes = step * torch.eye(3).to(points)
    pairs = [(0, 1), (1, 2), (2, 0)]
    around = [torch.zeros_like(axes[:1]), axes, -axes]
    around += [
        torch.stack([s * axes[i] + t * axes[j] for s in (1, -1) for t in (1, -1)]) for i, j in pairs
    ]
    sides = torch.cat(around)
    values = function((points[:, None] + sides).reshape(-1, 3)).view(-1, len(sides))
    found = torch.empty(len(points), 3, 3).to(values)
    for k in range(3):
        found[:, k, k] = values[:, 1 + k] + values[:, 4 + k] - 2 * values[:, 0]
    for k, (i, j) in enumerate(pairs):
        a, b, c, d = values[:, 7 + 4 * k : 11 + 4 * k].unbind(1)
        found[:, i, j] = found[:, j, i] = (a - b - c + d) / 4
    return found / step**2


def value_and_gradient(
    function: Scalars, points: Float[Tensor, "*B D"], *, create_graph: bool = False
) -> tuple[Float[Tensor, "*B"], Float[Tensor, "*B D"]]:
    """Values and gradients by automatic differentiation.

    With `create_graph` both can be differentiated further, by the function's parameters and by
    points that require it; without, they are constants.
    """
    with torch.enable_grad():
        x = points if points.requires_grad else points.detach().requires_grad_()
        values = function(x)
        slope = _derivative(values, x, create_graph)
    return (values, slope) if create_graph else (values.detach(), slope)


def gradient(
    function: Scalars, points: Float[Tensor, "*B D"], *, create_graph: bool = False
) -> Float[Tensor, "*B D"]:
    """Gradients by automatic differentiation, see `value_and_gradient`."""
    return value_and_gradient(function, points, create_graph=create_graph)[1]


def jacobian(
    function: Vectors, points: Float[Tensor, "*B D"], *, create_graph: bool = False
) -> Float[Tensor, "*B D D"]:
    """Row i: the gradient of component i."""
    with torch.enable_grad():
        x = points if points.requires_grad else points.detach().requires_grad_()
        rows = function(x).unbind(-1)
        found = [_derivative(row, x, create_graph, again=True) for row in rows]
    return torch.stack(found, dim=-2)


def divergence(
    function: Vectors, points: Float[Tensor, "*B D"], *, create_graph: bool = False
) -> Float[Tensor, "*B"]:
    """Sum of the derivatives of each component along its own axis."""
    rows = jacobian(function, points, create_graph=create_graph)
    return rows.diagonal(dim1=-2, dim2=-1).sum(-1)


def hessian(
    function: Scalars, points: Float[Tensor, "*B D"], *, create_graph: bool = False
) -> Float[Tensor, "*B D D"]:
    """Second derivatives."""
    return jacobian(
        lambda x: gradient(function, x, create_graph=True), points, create_graph=create_graph
    )


def laplacian(
    function: Scalars, points: Float[Tensor, "*B D"], *, create_graph: bool = False
) -> Float[Tensor, "*B"]:
    """Sum of the second derivatives along the axes."""
    return hessian(function, points, create_graph=create_graph).diagonal(dim1=-2, dim2=-1).sum(-1)


def unit_normal(
    function: Scalars, points: Float[Tensor, "*B D"], *, least: float = 1e-6
) -> tuple[Float[Tensor, "*B D"], Bool[Tensor, "*B"]]:
    """Outward unit normals of the level sets through the points, and where there is one.

    Where the gradient is shorter than `least` (singular points, centres) the normal is 0.
    """
    slope = gradient(function, points)
    size = slope.norm(dim=-1, keepdim=True)
    regular = size >= least
    return torch.where(regular, slope / size.clamp(min=least), 0.0), regular[..., 0]


def mean_curvature(function: Scalars, points: Float[Tensor, "*B D"]) -> Float[Tensor, "*B"]:
    """Half of the divergence of the unit normal: 1 / R on a sphere. NaN where there is no normal.

    In the plane this is half of the curvature of the level curve.
    """
    return mean_curvature_of(gradient(function, points), hessian(function, points))


def mean_curvature_of(
    slope: Float[Tensor, "*B D"], second: Float[Tensor, "*B D D"]
) -> Float[Tensor, "*B"]:
    """The mean curvature that a gradient and a Hessian tell of."""
    size = slope.norm(dim=-1)
    along = (slope[..., None, :] @ second @ slope[..., None])[..., 0, 0]
    trace = second.diagonal(dim1=-2, dim2=-1).sum(-1)
    return (trace * size**2 - along) / (2 * size**3)


def gaussian_curvature(function: Scalars, points: Float[Tensor, "*B 3"]) -> Float[Tensor, "*B"]:
    """g^T adj(H) g / |g|^4 of gradient g and Hessian H: 1 / R^2 on a sphere. NaN without normal."""
    return gaussian_curvature_of(gradient(function, points), hessian(function, points))


def gaussian_curvature_of(
    slope: Float[Tensor, "*B 3"], second: Float[Tensor, "*B 3 3"]
) -> Float[Tensor, "*B"]:
    """The Gaussian curvature that a gradient and a Hessian tell of."""
    a, b, c = second.unbind(-1)
    cross = torch.linalg.cross
    adjugate = torch.stack([cross(b, c), cross(c, a), cross(a, b)], dim=-2)
    found = (slope[..., None, :] @ adjugate @ slope[..., None])[..., 0, 0]
    return found / slope.norm(dim=-1) ** 4


def closest_point(distance: Scalars, points: Float[Tensor, "*B D"]) -> Float[Tensor, "*B D"]:
    """The nearest point of the surface, x - d grad d: for exact signed distances alone."""
    value, slope = value_and_gradient(distance, points)
    return points - value[..., None] * slope


def project(
    function: Scalars, points: Float[Tensor, "*B D"], *, steps: int = 5, reach: float = float("inf")
) -> Float[Tensor, "*B D"]:
    """Points moved to the zero set by Newton's method, x - f grad f / |grad f|^2.

    A step is at most `reach` long; where the gradient vanishes points stay. One step is enough for
    an exact signed distance off its medial axis.
    """
    for _ in range(steps):
        value, slope = value_and_gradient(function, points)
        size = slope.norm(dim=-1)
        step = (value / size.clamp(min=1e-30)).clamp(-reach, reach)
        unit = slope / size.clamp(min=1e-30)[..., None]
        points = points - torch.where(size > 0, step, 0.0)[..., None] * unit
    return points


def eikonal_residual(
    function: Scalars, points: Float[Tensor, "*B D"], *, create_graph: bool = False
) -> Float[Tensor, "*B"]:
    """(|grad f| - 1)^2: 0 for a signed distance off its medial axis."""
    return (gradient(function, points, create_graph=create_graph).norm(dim=-1) - 1) ** 2


def foot_spread(
    distance: Scalars, points: Float[Tensor, "*B D"], *, reach: float
) -> Float[Tensor, "*B"]:
    """How far apart the nearest surface points are when seen from around a point.

    The medial axis is where a point has more than one nearest surface point. From x +- `reach`
    along each axis this compares the two nearest points, and takes the longest of these lengths.
    Off the axis that is about 2 `reach` / |1 - curvature * distance| or less, and falls with
    `reach`; within `reach` of the axis (along some coordinate) it does not fall below the
    distance of the two points that compete. So `foot_spread(...) > several reach` maps the axis.
    Exact distances only.
    """
    spread = torch.zeros(points.shape[:-1]).to(points)
    for unit in reach * torch.eye(points.shape[-1]).to(points):
        ahead, behind = (closest_point(distance, points + side * unit) for side in (1, -1))
        spread = torch.maximum(spread, (ahead - behind).norm(dim=-1))
    return spread


def _derivative(
    values: Float[Tensor, "*B"], x: Float[Tensor, "*B D"], create_graph: bool, again: bool = False
) -> Float[Tensor, "*B D"]:
    """Of each value by its own point; 0 where it does not depend on it."""
    if not values.requires_grad:
        return torch.zeros_like(x)
    (found,) = torch.autograd.grad(
        values.sum(),
        x,
        create_graph=create_graph,
        retain_graph=create_graph or again,
        allow_unused=True,
    )
    return torch.zeros_like(x) if found is None else found
