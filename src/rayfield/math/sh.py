"""Real spherical harmonics as polynomials in a unit direction.

Orthonormal on the sphere; value l^2 + l + m holds order m of band l; signs with the
Condon-Shortley phase (band 1 is -y, z, -x), as radiance fields have them (Sloan 2008, app. A2).
Instant-NGP's "degree 4" (Mueller et al. 2022, sec. 5.4) is bands 0 to 3: 16 values.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

MAX_BANDS = 4


def harmonics(
    directions: Float[Tensor, "*B 3"], *, bands: int = MAX_BANDS
) -> Float[Tensor, "*B C"]:
    """The first `bands`^2 harmonics (bands 1 to 4) of unit directions."""
    if not 1 <= bands <= MAX_BANDS:
        raise ValueError(f"bands must be 1 to {MAX_BANDS}, got {bands}")
    x, y, z = directions.unbind(dim=-1)
    xx, yy, zz = x * x, y * y, z * z
    values = [
        torch.full_like(x, 0.28209479177387814),
        -0.4886025119029199 * y,
        0.4886025119029199 * z,
        -0.4886025119029199 * x,
        1.0925484305920792 * x * y,
        -1.0925484305920792 * y * z,
        0.31539156525252005 * (2 * zz - xx - yy),
        -1.0925484305920792 * x * z,
        0.5462742152960396 * (xx - yy),
        -0.5900435899266435 * y * (3 * xx - yy),
        2.890611442640554 * x * y * z,
        -0.4570457994644658 * y * (4 * zz - xx - yy),
        0.3731763325901154 * z * (2 * zz - 3 * xx - 3 * yy),
        -0.4570457994644658 * x * (4 * zz - xx - yy),
        1.445305721320277 * z * (xx - yy),
        -0.5900435899266435 * x * (xx - 3 * yy),
    ]
    return torch.stack(values[: bands**2], dim=-1)
