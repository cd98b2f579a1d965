"""The fields that surfaces of photos are learned in, of either make, at their start."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from torch import Generator

from rayfield.fields.hashgrid import HashGrid
from rayfield.fields.surface import SurfaceField
from rayfield.fields.surface_network import SurfaceNetwork

BASE = 16  # the coarsest resolution of grids

AnySurface = SurfaceField | SurfaceNetwork


@runtime_checkable
class Sizes(Protocol):
    """Without `layers`, `levels` of a grid with tables of `entries`, up to `finest`, and small
    networks; else networks of so many, and `color_layers`. `width` of the networks; `radius` of the
    sphere to start from, in half sides of the field's cube."""

    @property
    def layers(self) -> int: ...
    @property
    def color_layers(self) -> int: ...
    @property
    def levels(self) -> int: ...
    @property
    def entries(self) -> int: ...
    @property
    def finest(self) -> int: ...
    @property
    def width(self) -> int: ...
    @property
    def radius(self) -> float: ...


def grid(sizes: Sizes, generator: Generator) -> HashGrid:
    """A hash grid of these sizes."""
    return HashGrid(
        levels=sizes.levels, features=4, entries=sizes.entries, base=BASE, finest=sizes.finest,
        generator=generator,
    )  # fmt: skip


def sphere(sizes: Sizes, *, generator: Generator) -> AnySurface:
    """The untrained field: a sphere about the middle of its cube."""
    radius = 0.5 * sizes.radius
    if sizes.layers:
        return SurfaceNetwork(
            sizes.width, sizes.layers, sizes.color_layers, radius=radius, generator=generator
        )
    return SurfaceField(grid(sizes, generator), sizes.width, radius=radius, generator=generator)
