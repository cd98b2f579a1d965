"""Signed distances from points with normals: what is known of a shape that is seen in part.

Park et al. 2019 (DeepSDF), Sec. 6.3: of a point seen, two samples a little off the surface along
its normal have distances of that length. What lies between the points and where they are seen from
is free; here, as nothing is known of the sensor, samples farther out along the normals are at least
as far as no other point is nearer.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from scipy.spatial import cKDTree
from torch import Generator, Tensor

OFF = 0.02  # of the two samples
FREE = (0.05, 0.2)  # of those farther out
COUNT = 2**13


def samples_of(
    points: Float[Tensor, "N 3"], normals: Float[Tensor, "N 3"], *, generator: Generator
) -> Float[Tensor, "M 4"]:
    """Points and signed distances: a third of each sign next to the surface, a third free."""
    each = COUNT // 3
    pick = torch.randint(len(points), (3, each), generator=generator)
    unit = torch.nn.functional.normalize(normals, dim=1)
    low, high = FREE
    off = torch.full((3, each), OFF)
    off[1] = -OFF
    off[2] = low + (high - low) * torch.rand(each, generator=generator)
    moved = points[pick] + off[..., None] * unit[pick]
    tree = cKDTree(points.numpy())
    near = torch.from_numpy(tree.query(moved[2].numpy())[0]).float()
    distance = torch.stack([off[0], off[1], torch.minimum(off[2], near)])
    return torch.cat([moved, distance[..., None]], dim=-1).flatten(0, 1)
