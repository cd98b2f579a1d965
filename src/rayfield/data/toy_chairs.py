"""Chairs of our own making, as grids of cells: a class to learn where there is no other."""

from __future__ import annotations

import torch
from jaxtyping import Bool
from torch import Generator, Tensor

SIDE = 32


def toy_chairs(count: int, *, generator: Generator) -> Bool[Tensor, "S 32 32 32"]:
    """Seat, four legs and a back, some with arms, of random sizes; z is up, the back at low y.

    Each is 32 cells high and alike to its left and right.
    """
    grids = torch.zeros(count, SIDE, SIDE, SIDE, dtype=torch.bool)
    for grid in grids:

        def draw(low: int, high: int) -> int:
            return int(torch.randint(low, high + 1, (1,), generator=generator))

        half, deep = draw(6, 11), draw(6, 11)
        seat, thick, leg, back = draw(10, 17), draw(2, 4), draw(2, 3), draw(2, 4)
        x, y = (16 - half, 16 + half), (16 - deep, 16 + deep)
        grid[x[0] : x[1], y[0] : y[1], seat : seat + thick] = True
        for a in (x[0], x[1] - leg):
            for b in (y[0], y[1] - leg):
                grid[a : a + leg, b : b + leg, :seat] = True
        gap = draw(0, 1) * draw(2, 5)
        grid[x[0] : x[1], y[0] : y[0] + back, seat + thick + gap :] = True
        for a in (x[0], x[1] - leg):
            grid[a : a + leg, y[0] : y[0] + back, seat:] = True
        if draw(0, 2) == 0:
            top = seat + thick + draw(4, 6)
            for a in (x[0], x[1] - leg):
                grid[a : a + leg, y[0] : y[1], top : top + 2] = True
                grid[a : a + leg, y[1] - leg : y[1], seat:top] = True
    return grids
