"""Fields that show nothing: noticed early, and begun anew with other weights.

A field whose density is zero wherever it is sampled gets no gradient and stays empty for ever; one
that is opaque and saturated, all white or all black. Either shows one colour, whatever the photos.
"""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from rayfield.core.check import RayfieldError
from rayfield.core.types import RayBatch, Rays, Rendered
from rayfield.train.progress import State
from rayfield.train.recorder import Optimiser
from rayfield.train.run import Run

LOOKS = (100, 200, 300, 400, 500)  # steps after a beginning
RAYS = 256
RESTARTS = 3
SEEDS = 2**63
ONE_COLOUR = 1e-4  # standard deviation; what has any gradient shows more by the first look
MANY_COLOURS = 0.01
BEHIND = 0.5  # grey: few subjects have its colour


class CollapseError(RayfieldError):
    """The field shows nothing, however it begins."""


@runtime_checkable
class Dense(Protocol):
    """The part of a method with a density that looking and beginning anew need."""

    def build(self, cfg: Any, *, generator: torch.Generator) -> nn.Module:
        """The untrained model."""

    def render(self, model: Any, rays: Rays, cfg: Any, *, background: Tensor) -> Rendered:
        """What rays see."""

    def density(self, model: Any) -> Any:
        """Density of scene points."""


def is_blank(seen: Float[Tensor, "R 3"], photos: Float[Tensor, "R 3"]) -> bool:
    """Whether rays see one colour where photos do not: standard deviations of the channels."""
    spread, wanted = (colors.std(dim=0).max().item() for colors in (seen, photos))
    return spread < ONE_COLOUR and wanted > MANY_COLOURS


class Watch:
    """Looks at a field some times soon after it began; `look` says whether it had to begin anew.

    Methods without a density, and batches that are not of photos, are let be.
    """

    def __init__(
        self,
        method: Any,
        model: nn.Module,
        cfg: Any,
        *,
        sampler: Any,
        optimiser: Optimiser,
        run: Run,
    ) -> None:
        self._method = method if isinstance(method, Dense) else None
        self._model, self._cfg, self._sampler = model, cfg, sampler
        self._optimiser, self._run = optimiser, run

    def look(self, state: State) -> bool:
        """Give a field that shows nothing the weights of the next seed; its steps count from here.

        All follows from `state`, so that a resumed training does the same. Raises CollapseError
        if it has begun anew too often.
        """
        if self._method is None or state.age not in LOOKS or not self._is_blank(state.step):
            return False
        if state.restarts >= RESTARTS:
            first = self._run.record["seed"]
            seeds = ", ".join(str((first + n) % SEEDS) for n in range(RESTARTS + 1))
            raise CollapseError(
                f"{self._run.path}: the field shows one colour everywhere, with the weights of "
                f"each of the seeds {seeds}; try a lower learning rate with --set, or the method "
                "instant, or look for what is wrong with the photos: rayfield check DATA"
            )
        state.restarts += 1
        state.born, state.backoff, state.good, state.bad = state.step, 1.0, 0, 0
        generator = torch.Generator().manual_seed(self.seed(state))
        self._model.load_state_dict(self._method.build(self._cfg, generator=generator).state_dict())
        self._optimiser.reset()
        return True

    def seed(self, state: State) -> int:
        """The seed of the present weights."""
        return (self._run.record["seed"] + state.restarts) % SEEDS

    @torch.no_grad()
    def _is_blank(self, step: int) -> bool:
        assert self._method is not None
        batch = self._sampler.sample(RAYS, generator=torch.Generator().manual_seed(step))
        if not isinstance(batch, RayBatch):
            return False
        alpha = batch.rgba[:, 3:]
        photos = batch.rgba[:, :3] * alpha + BEHIND * (1 - alpha)
        background = torch.full((3,), BEHIND).to(photos)
        seen = self._method.render(self._model, batch.rays, self._cfg, background=background)
        return is_blank(seen.color, photos)
