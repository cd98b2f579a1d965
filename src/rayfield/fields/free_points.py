"""Points that are free to move, each with a radius, an opacity and a colour."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Generator, Tensor, nn

from rayfield.core.types import PointCloud


class FreePoints(nn.Module):
    """Parameters `places` [P 3], `sizes` [P] (logarithms of radii), `solid` [P] (opacity logits),
    `shade` [P 3] (colour logits). The places start evenly over the ball of `reach`.
    """

    def __init__(
        self, count: int, *, reach: float, radius: float, opacity: float, generator: Generator
    ) -> None:
        super().__init__()
        direction = torch.randn(count, 3, generator=generator)
        direction = torch.nn.functional.normalize(direction, dim=1)
        length = reach * torch.rand(count, 1, generator=generator) ** (1 / 3)
        self.places = nn.Parameter(direction * length)
        self.sizes = nn.Parameter(torch.full((count,), math.log(radius)))
        self.solid = nn.Parameter(torch.full((count,), math.log(opacity / (1 - opacity))))
        self.shade = nn.Parameter(torch.zeros(count, 3))

    def radii(self) -> Float[Tensor, " P"]:
        """Standard deviations of the points' footprints, scene units."""
        return self.sizes.exp()

    def opacities(self) -> Float[Tensor, " P"]:
        """Opacity of each point at its middle, in [0, 1]."""
        return self.solid.sigmoid()

    def colors(self) -> Float[Tensor, "P 3"]:
        """RGB in [0, 1]."""
        return self.shade.sigmoid()

    @torch.no_grad()
    def cloud(self, *, least: float = 0.0) -> tuple[PointCloud, Tensor]:
        """The points whose opacity is at least `least`, and their RGB as bytes."""
        kept = self.opacities() >= least
        colors = (self.colors()[kept] * 255).round().to(torch.uint8)
        return PointCloud(self.places[kept].double().numpy(), None), colors

    @torch.no_grad()
    def respawn(self, *, least: float, fewest: int, generator: Generator) -> int:
        """Put points that hardly show next to ones that do; how many.

        Each takes the place (moved by a radius), size and colour of a random one with an opacity of
        0.5 or more, and both get the opacity that together covers what the one did, as in 3D
        Gaussian Splatting as Markov Chain Monte Carlo (Kheradmand et al. 2024, arXiv:2404.09591,
        eq. 9, without the correction of sizes). Fewer than `fewest` such ones: nothing is done.
        """
        opacity = self.opacities()
        dead, alive = ((opacity < least).nonzero()[:, 0], (opacity >= 0.5).nonzero()[:, 0])
        if len(alive) < fewest or not len(dead):
            return 0
        chosen = alive[torch.randint(len(alive), (len(dead),), generator=generator)]
        away = torch.randn(len(dead), 3, generator=generator)
        self.places[dead] = self.places[chosen] + away * self.radii()[chosen][:, None]
        self.sizes[dead], self.shade[dead] = self.sizes[chosen], self.shade[chosen]
        shared = torch.bincount(chosen, minlength=len(opacity)) + 1
        each = -torch.expm1(torch.log1p(-opacity.clamp(max=0.999)) / shared)
        self.solid.copy_(torch.where(shared > 1, torch.logit(each), self.solid))
        self.solid[dead] = self.solid[chosen]
        return len(dead)
