"""Where to look along rays, for methods that ask their field at a fixed number of places.

Mildenhall et al. 2020 (NeRF), arXiv:2003.08934, Sec. 4 and 5.2. All functions return places `t`
in ascending order, without gradient.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from rayfield.core.check import RayfieldError
from rayfield.math import stepfun
from rayfield.math.quadrature import midpoints


def stratified(
    near: Float[Tensor, " R"],
    far: Float[Tensor, " R"],
    n: int,
    *,
    generator: Generator | None = None,
) -> Float[Tensor, "R {n}"]:
    """`n` places from `near` to `far` at equal distances, or one drawn from around each.

    With a generator every place is drawn from between the midpoints to its neighbours, so that the
    first and last have half the room of the others (the released code; the paper draws from n
    equal bins). Raises RayfieldError unless near < far.
    """
    _check(near, far)
    s = torch.linspace(0, 1, n, dtype=near.dtype, device=near.device)
    return _jittered(near[:, None] * (1 - s) + far[:, None] * s, generator)


def disparity(
    near: Float[Tensor, " R"],
    far: Float[Tensor, " R"],
    n: int,
    *,
    shift: float = 0.0,
    generator: Generator | None = None,
) -> Float[Tensor, "R {n}"]:
    """As `stratified`, at equal steps of 1 / (t + shift): dense near the camera, sparse far off.

    `shift` is the distance up to which steps hardly grow; with 0, steps of disparity proper.
    """
    _check(near, far)
    s = torch.linspace(0, 1, n, dtype=near.dtype, device=near.device)
    inverse = (1 - s) / (near[:, None] + shift) + s / (far[:, None] + shift)
    return _jittered((1 / inverse - shift).clamp(near[:, None], far[:, None]), generator)


def fine(
    t: Float[Tensor, "R N"],
    w: Float[Tensor, "R N"],
    n: int,
    *,
    generator: Generator | None = None,
) -> Float[Tensor, "R K"]:
    """The places `t` and `n` more, drawn where the weights `w` found at `t` are; K = N + n.

    The bins lie between the midpoints of `t`, so that each holds one of its inner places; the
    first and last weight are left out, as in the released code. Needs N >= 3.
    """
    drawn = stepfun.sample(midpoints(t), w[:, 1:-1], n, generator=generator)
    return stepfun.merge(t, drawn)


def _jittered(t: Float[Tensor, "R N"], generator: Generator | None) -> Float[Tensor, "R N"]:
    """One place from around each, up to the middles between them; `t` itself without generator."""
    if generator is None:
        return t
    between = midpoints(t)
    lower = torch.cat([t[:, :1], between], dim=-1)
    upper = torch.cat([between, t[:, -1:]], dim=-1)
    return lower + (upper - lower) * torch.rand(t.shape, generator=generator).to(t)


def _check(near: Float[Tensor, " R"], far: Float[Tensor, " R"]) -> None:
    if bool((wrong := near >= far).any()):
        ray = int(wrong.nonzero()[0])
        where = f"near {float(near[ray]):g}, far {float(far[ray]):g}"
        raise RayfieldError(
            f"{int(wrong.sum())} of {len(near)} rays have no length (ray {ray}: {where}); "
            "leave out rays that miss the scene, and give near < far"
        )
