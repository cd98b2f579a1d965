"""How blurred a surface is while it grows, and what depends on that."""

from __future__ import annotations

import math
from typing import NamedTuple


class Width(NamedTuple):
    """How far light gets into a surface at first, about, in radii of the ball that it lies in.

    A `learned` factor may be on it. Colour is the same from all sides down to the first width of
    `matte`, and depends on direction in full from the second one on.
    """

    first: float
    learned: bool = False
    matte: tuple[float, float] | None = None

    def shine(self, width: float) -> float:
        """How much colour depends on direction at a width, in [0, 1]; linear in its logarithm."""
        if self.matte is None:
            return 1.0
        first, last = self.matte
        done = math.log(first / width) / math.log(first / last)
        return min(1.0, max(0.0, done))
