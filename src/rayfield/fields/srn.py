"""Scene Representation Networks: a ray marcher that learns its own step lengths.

Sitzmann, Zollhoefer, Wetzstein 2019, arXiv:1906.01618, Sec. 3 and Algorithm 1. A scene is a
function from points to features; a recurrent cell reads the feature where a ray has come to and
says how far to go on; the feature of the last point becomes the ray's colour.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor, nn

from rayfield.core.types import Rays
from rayfield.fields.conditioned import HyperMLP, NormMLP, PointFn, linear

CLAMP = 10.0  # largest gradient let through a hidden state

State = tuple[Float[Tensor, "R H"], Float[Tensor, "R H"]]  # hidden state, cell
StepFn = Callable[[Tensor, State | None], tuple[Tensor, State | None]]


class Stepper(nn.Module):
    """An LSTM cell on features (Hochreiter & Schmidhuber 1997), and a linear layer to a length.

    Gates in the order input, forget, cell, output. Input weights start Kaiming-normal, recurrent
    ones orthogonal, biases 0 but 1 for the forget gate. The gradient that reaches each hidden
    state is clamped to +-CLAMP, so that ten steps cannot blow it up.
    """

    def __init__(self, features: int, hidden: int, *, generator: Generator | None = None) -> None:
        super().__init__()
        self.input = nn.Parameter(torch.empty(4 * hidden, features))
        self.recurrent = nn.Parameter(torch.empty(4 * hidden, hidden))
        self.bias = nn.Parameter(torch.zeros(4 * hidden))
        self.length = linear(hidden, 1, generator=generator)
        nn.init.kaiming_normal_(self.input, generator=generator)
        nn.init.orthogonal_(self.recurrent, generator=generator)
        with torch.no_grad():
            self.bias[hidden : 2 * hidden] = 1.0

    def forward(
        self, features: Float[Tensor, "R F"], state: State | None
    ) -> tuple[Float[Tensor, " R"], State]:
        """How far to go from points with these features, and what to remember.

        `state` None is where a ray starts: hidden state and cell are zero.
        """
        if state is None:
            zero = features.new_zeros(len(features), self.recurrent.shape[1])
            state = (zero, zero)
        hidden, cell = state
        gates = torch.addmm(self.bias, features, self.input.T)
        gates = torch.addmm(gates, hidden, self.recurrent.T)
        enter, keep, new, leave = gates.chunk(4, dim=-1)
        cell = torch.sigmoid(keep) * cell + torch.sigmoid(enter) * torch.tanh(new)
        hidden = torch.sigmoid(leave) * torch.tanh(cell)
        if hidden.requires_grad:
            hidden.register_hook(_clamped)
        return self.length(hidden)[:, 0], (hidden, cell)


def start_depth(rays: Rays, *, least: float) -> Float[Tensor, " R"]:
    """Where marching starts: sqrt(3) before the point nearest to the centre, `least` at least.

    That is outside the cube [-1, 1]^3 for rays from outside, and smooth over a picture.
    """
    nearest = -(rays.origins * rays.directions).sum(-1)
    return (nearest - math.sqrt(3)).clamp_min(least)


def march(
    field: PointFn,
    step: StepFn,
    origins: Float[Tensor, "R 3"],
    *,
    directions: Float[Tensor, "R 3"],
    start: Float[Tensor, " R"],
    steps: int,
) -> Float[Tensor, " R"]:
    """Lengths along rays after `steps` steps from `start` (Algorithm 1); they may be negative.

    `field` gives the features of points; `step(features, state)` the next length and state.
    """
    depth, state = start, None
    for _ in range(steps):
        length, state = step(field(origins + depth[:, None] * directions), state)
        depth = depth + length
    return depth


class SceneNetworks(nn.Module):
    """Scene function (or the hypernetwork of a class), stepper, pixel generator, and codes.

    `codes` has a row for every scene, none without a hypernetwork; `photos` says how many photos
    each scene has, in the order of their numbers.
    """

    def __init__(
        self,
        phi: NormMLP | HyperMLP,
        stepper: Stepper,
        pixel: NormMLP,
        *,
        codes: Float[Tensor, "S C"],
        photos: tuple[int, ...],
    ) -> None:
        super().__init__()
        self.phi, self.stepper, self.pixel = phi, stepper, pixel
        self.codes = nn.Parameter(codes)
        self.scene_of_photo: Tensor
        counts = torch.tensor(photos, dtype=torch.int64)
        self.register_buffer("scene_of_photo", torch.arange(len(photos)).repeat_interleave(counts))

    def scenes(self, image: Int[Tensor, " R"]) -> Int[Tensor, " R"]:
        """The scenes of photos; -1 for rays of no photo, and where there are no codes."""
        if len(self.scene_of_photo) == 0:
            return torch.full_like(image, -1)
        return torch.where(image < 0, -1, self.scene_of_photo[image])

    def scene_function(self, scene: int) -> PointFn:
        """Points to features; scene -1 is the mean of all codes."""
        if isinstance(self.phi, NormMLP):
            return self.phi
        return self.phi.conditioned(self.codes.mean(0) if scene < 0 else self.codes[scene])

    def forward(
        self, rays: Rays, *, start: Float[Tensor, " R"], steps: int
    ) -> tuple[Float[Tensor, "R 3"], Float[Tensor, " R"]]:
        """Colours in [-1, 1] (not clipped) and depths of rays that are marched from `start`."""
        scenes = self.scenes(rays.image)
        color, depth = torch.zeros_like(rays.origins), torch.zeros_like(start)
        for scene in scenes.unique().tolist():
            own = (scenes == scene).nonzero()[:, 0]
            origins, directions = rays.origins[own], rays.directions[own]
            field = self.scene_function(scene)
            length = march(
                field, self.stepper, origins, directions=directions, start=start[own], steps=steps
            )
            seen = self.pixel(field(origins + length[:, None] * directions))
            color, depth = color.index_copy(0, own, seen), depth.index_copy(0, own, length)
        return color, depth


def _clamped(gradient: Tensor) -> Tensor:
    return gradient.clamp(-CLAMP, CLAMP)
