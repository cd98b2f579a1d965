"""How large the next picture can be: by what the field has been seen to do, in levels."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from rayfield.app.viewer.messages import Look, Mode

COARSE = 160 * 120  # pixels of the first picture, if the field is quick enough
COARSEST, COARSE_MOST = 40 * 30, 320 * 240
COARSE_SECONDS = 0.07
TILE_SECONDS = 0.05
TILE_LEAST, TILE_MOST = 256, 2**16  # rays
FINER = 5.0  # times the pixels, from level to level
PATIENCE = 4.0  # seconds for a picture that has no other before it but the coarse one
GUESS = 100_000.0  # rays a second, before any was measured


@dataclass
class Pace:
    """How many rays a second the field answers, by mode; measured as it goes."""

    rates: dict[Mode, float] = field(default_factory=dict)

    def rate(self, mode: Mode) -> float:
        """Rays a second."""
        return self.rates.get(mode, self.rates.get("color", GUESS))

    def note(self, mode: Mode, rays: int, seconds: float) -> None:
        """That so many rays took so long; times of very few tell little."""
        rate = rays / max(seconds, 1e-6)
        weight = 0.3 * min(1.0, rays / COARSEST) if mode in self.rates else 1.0
        self.rates[mode] = (1 - weight) * self.rate(mode) + weight * rate

    def tile(self, mode: Mode) -> int:
        """Rays that take about TILE_SECONDS."""
        return int(min(max(self.rate(mode) * TILE_SECONDS, TILE_LEAST), TILE_MOST))

    def coarse(self, mode: Mode, seconds: float = COARSE_SECONDS) -> int:
        """Pixels of a first picture."""
        able = self.rate(mode) * seconds
        # quick fields take the usual size unless they can do far more
        wanted = COARSE if able >= 0.75 * COARSE else able
        return int(min(max(wanted, able / 2, COARSEST), COARSE_MOST))


def levels(look: Look, coarse: int, rate: float) -> list[tuple[int, int]]:
    """Sizes from about `coarse` pixels to all that the look asks for.

    Between them are others only if the last takes longer than PATIENCE, at `rate` rays a second:
    it is shown as it grows from its middle.
    """
    whole = look.width * look.height
    found = []
    pixels = float(min(coarse, whole))
    finer = FINER if whole > PATIENCE * rate else math.inf
    while pixels * min(finer, FINER) / 2 < whole:
        found.append(fitted(look, pixels))
        pixels *= finer
    return [*found, (look.width, look.height)]


def fitted(look: Look, pixels: float) -> tuple[int, int]:
    """A size of about so many pixels in the look's proportions, no larger than it."""
    scale = min(1.0, math.sqrt(pixels / (look.width * look.height)))
    return max(1, round(look.width * scale)), max(1, round(look.height * scale))
