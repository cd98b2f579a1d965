"""Lenses: where they put what comes from a direction, and the way back.

* perspective: OpenCV's rational model on the plane z = 1, with the coefficients (k1, k2, p1, p2,
  k3, k4, k5, k6) and one of r^8 more, which nerfstudio and Metashape have.
* fisheye: OpenCV's fisheye model (Kannala and Brandt 2006): the distance from the picture's middle
  is theta (1 + k1 theta^2 + k2 theta^4 + k3 theta^6 + k4 theta^8), theta the angle to the axis.

Both are inverted only as far out as they are one-to-one; beyond there is NaN.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

NEWTON_STEPS = 40
PATH_CHECKS = 8
BLOCK = 8192  # points; keeps Newton's many small operations in cache
LARGEST = 1e12  # of a coefficient; beyond, roots are not to be found


def padded(distortion: tuple[float, ...]) -> Float[Tensor, " 9"]:
    """All nine coefficients of a perspective lens; missing ones are zero."""
    return torch.tensor((*distortion, *([0.0] * (9 - len(distortion)))), dtype=torch.float64)


def _radial(r2: Tensor, k: Tensor) -> tuple[Tensor, Tensor]:
    """The radial factor and its derivative in r^2."""
    k1, k2, _, _, k3, k4, k5, k6, k7 = k.unbind()
    top = 1 + r2 * (k1 + r2 * (k2 + r2 * (k3 + r2 * k7)))
    bottom = 1 + r2 * (k4 + r2 * (k5 + r2 * k6))
    d_top = k1 + r2 * (2 * k2 + r2 * (3 * k3 + r2 * 4 * k7))
    d_bottom = k4 + r2 * (2 * k5 + r2 * 3 * k6)
    return top / bottom, (d_top * bottom - top * d_bottom) / bottom**2


def distort(points: Float[Tensor, "N 2"], k: Float[Tensor, " 9"]) -> Float[Tensor, "N 2"]:
    """Where a perspective lens puts points of the plane z = 1 (in the same plane)."""
    x, y = points.unbind(-1)
    p1, p2 = k[2], k[3]
    r2 = x * x + y * y
    radial, _ = _radial(r2, k)
    return torch.stack(
        [
            x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x),
            y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y,
        ],
        dim=-1,
    )


def _jacobian(points: Tensor, k: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Entries (xx, xy, yy) of the symmetric Jacobian of `distort`."""
    x, y = points.unbind(-1)
    p1, p2 = k[2], k[3]
    radial, slope = _radial(x * x + y * y, k)
    xy = 2 * x * y * slope + 2 * p1 * x + 2 * p2 * y
    xx = radial + 2 * x * x * slope + 2 * p1 * y + 6 * p2 * x
    yy = radial + 2 * y * y * slope + 6 * p1 * y + 2 * p2 * x
    return xx, xy, yy


def _on_first_branch(points: Tensor, k: Tensor) -> Bool[Tensor, " N"]:
    """Whether the lens is one-to-one all the way from the axis out to the points."""
    ok = torch.ones(len(points), dtype=torch.bool)
    for fraction in torch.linspace(1.0 / PATH_CHECKS, 1.0, PATH_CHECKS).tolist():
        xx, xy, yy = _jacobian(points * fraction, k)
        ok &= (xx * yy - xy * xy > 0) & (xx + yy > 0)
    return ok


def undistort(points: Float[Tensor, "N 2"], k: Float[Tensor, " 9"]) -> Float[Tensor, "N 2"]:
    """The inverse of `distort`, by damped Newton steps in double precision, bounded in number.

    NaN where the lens model has no inverse (strong distortion folds the picture over).
    """
    if len(points) == 0:
        return points
    blocks = [_newton(block, k.double()) for block in points.double().split(BLOCK)]
    return torch.cat(blocks).to(points.dtype)


def _newton(target: Tensor, k: Tensor) -> Tensor:
    """`undistort` for one block; a step that does not reduce a point's error is halved."""
    x = target.clone()
    error = distort(x, k) - target
    size = error.norm(dim=-1)
    damping = torch.ones_like(size)
    tolerance = 1e-12 * (1 + target.norm(dim=-1))
    for _ in range(NEWTON_STEPS):
        if bool((size <= tolerance).all()):
            break
        xx, xy, yy = _jacobian(x, k)
        det = xx * yy - xy * xy
        det = torch.where(det.abs() < 1e-12, 1e-12, det)
        ex, ey = error.unbind(-1)
        step = torch.stack([yy * ex - xy * ey, xx * ey - xy * ex], dim=-1) / det[:, None]
        trial = x - damping[:, None] * step
        trial_error = distort(trial, k) - target
        trial_size = trial_error.norm(dim=-1)
        better = trial_size < size
        x = torch.where(better[:, None], trial, x)
        error = torch.where(better[:, None], trial_error, error)
        size = torch.where(better, trial_size, size)
        damping = torch.where(better, (2 * damping).clamp_max(1.0), 0.5 * damping)
    good = (size <= 1e4 * tolerance) & _on_first_branch(x, k)
    return torch.where(good[:, None], x, float("nan"))


def _powers(angle: Tensor, k: tuple[float, ...]) -> tuple[Tensor, Tensor]:
    """The fisheye's radius at angles on its first branch, and its derivative."""
    k1, k2, k3, k4 = (*k, *([0.0] * (4 - len(k))))
    u = angle * angle
    radius = angle * (1 + u * (k1 + u * (k2 + u * (k3 + u * k4))))
    return radius, 1 + u * (3 * k1 + u * (5 * k2 + u * (7 * k3 + u * 9 * k4)))


def widest_angle(k: tuple[float, ...]) -> float:
    """The angle to the axis up to which a fisheye is one-to-one, in (0, pi]."""
    bounded = np.clip((*k, *([0.0] * (4 - len(k)))), -LARGEST, LARGEST)
    k1, k2, k3, k4 = np.where(np.abs(bounded) < 1 / LARGEST**2, 0.0, bounded)
    roots = np.roots([9 * k4, 7 * k3, 5 * k2, 3 * k1, 1.0])  # where the derivative vanishes
    real = roots.real[(np.abs(roots.imag) < 1e-9 * np.abs(roots)) & (roots.real > 0)]
    return min(math.pi, float(np.sqrt(real.min()))) if len(real) else math.pi


def fisheye_radius(angle: Float[Tensor, " N"], k: tuple[float, ...]) -> Float[Tensor, " N"]:
    """How far from the middle, in focal lengths, a fisheye puts what is at an angle to the axis.

    From the widest angle on it grows by the angle alone, so that what cannot be seen stays out.
    """
    widest = widest_angle(k)
    return _powers(angle.clamp_max(widest), k)[0] + (angle - widest).clamp_min(0.0)


def fisheye_angle(radius: Float[Tensor, " N"], k: tuple[float, ...]) -> Float[Tensor, " N"]:
    """The inverse of `fisheye_radius`, by Newton steps kept in a bracket; NaN where there is none.

    In double precision; radii are 0 or greater.
    """
    target = radius.double()
    low, high = torch.zeros_like(target), torch.full_like(target, widest_angle(k))
    seen = target <= _powers(high, k)[0]
    angle = torch.minimum(target, high)
    for _ in range(2 * NEWTON_STEPS):
        value, slope = _powers(angle, k)
        error = value - target
        if bool((error.abs() <= 1e-14 * (1 + target)).logical_or(~seen).all()):
            break
        low, high = torch.where(error < 0, angle, low), torch.where(error < 0, high, angle)
        step = angle - error / slope
        angle = torch.where((step > low) & (step < high), step, (low + high) / 2)
    found = seen & ((_powers(angle, k)[0] - target).abs() <= 1e-8 * (1 + target))
    return torch.where(found, angle, float("nan")).to(radius.dtype)
