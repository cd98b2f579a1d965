"""The space a field lives in: the box of a subject, all of space contracted, or NDC.

A field is asked at points of its own space and its density is per unit of length there. Everything
that depends on which space that is lies here: where rays are sampled, how they run through it, and
how densities and distances return to the scene.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Generator, Tensor

from rayfield.core.types import Rays
from rayfield.math import ndc
from rayfield.math.rays import contract
from rayfield.render import samplers
from rayfield.render.volume import Cells, contracted, straight

Kind = Literal["box", "contracted", "ndc"]


@dataclass(frozen=True)
class Space:
    """One of three spaces.

    "box": the scene as it is, between `near` and `far` of its rays. "contracted": mip-NeRF 360
    (Barron et al. 2022, arXiv:2111.12077), eq. 10, sampled at equal steps of 1 / (1 + t). "ndc":
    normalised device coordinates of the frustum `forward` (as in `SceneTraits`), sampled at equal
    steps of t', which are steps of disparity. `infinite`: see `volume.straight`.
    """

    kind: Kind
    forward: tuple[float, ...] = ()
    infinite: bool = False

    def sees(self, rays: Rays) -> Bool[Tensor, " R"]:
        """Which rays can meet anything: they have a length and, in NDC, lead away."""
        found = rays.near < rays.far
        if self.kind != "ndc":
            return found
        return found & ndc.leads_away(rays.directions, self._frustum(rays.origins))

    def enter(self, rays: Rays) -> Rays:
        """The rays in terms of the parameter that is sampled: t, or t' from 0 to 1 in NDC."""
        if self.kind != "ndc":
            return rays
        f = self._frustum(rays.origins)
        origins, directions = ndc.warp_rays(rays.origins, rays.directions, f)
        near, far = ndc.start(rays.origins, f), torch.ones_like(rays.far)
        return Rays(origins, directions, near, far, rays.image)

    def places(
        self, entered: Rays, n: int, *, generator: Generator | None
    ) -> Float[Tensor, "R {n}"]:
        """The first `n` places on every ray, evenly over what it can meet."""
        if self.kind == "contracted":
            return samplers.disparity(entered.near, entered.far, n, shift=1.0, generator=generator)
        return samplers.stratified(entered.near, entered.far, n, generator=generator)

    def cells(self, entered: Rays, t: Float[Tensor, "R N"]) -> Cells:
        """The cells that begin at `t`, and where to ask the field for them."""
        cut = contracted if self.kind == "contracted" else straight
        return cut(entered, t, infinite=self.infinite)

    def warp(self, points: Float[Tensor, "N 3"]) -> Float[Tensor, "N 3"]:
        """Scene points to the field's space."""
        if self.kind == "ndc":
            return ndc.warp(points, self._frustum(points))
        return contract(points) if self.kind == "contracted" else points

    def stretch(self, points: Float[Tensor, "N 3"]) -> Float[Tensor, " N"]:
        """Length in the field's space of a unit of length at scene points.

        It depends on the direction outside the box: contracted, the mean over all (geometric);
        in NDC, that away from the reference camera.
        """
        if self.kind == "ndc":
            return ndc.stretch(points, self._frustum(points))
        if self.kind == "box":
            return torch.ones_like(points[:, 0])
        r = points.norm(dim=-1).clamp_min(1.0)
        return ((2 - 1 / r) ** 2 / r**4) ** (1 / 3)

    def distance(self, t: Float[Tensor, " R"], rays: Rays) -> Float[Tensor, " R"]:
        """Lengths along the (scene's) rays for values of the sampled parameter."""
        if self.kind != "ndc":
            return t
        f = self._frustum(rays.origins)
        return ndc.distance(t, rays.origins, rays.directions, f=f)

    def _frustum(self, like: Tensor) -> ndc.Frustum:
        return ndc.frustum(self.forward, like=like)
