"""The lattice of nodes that marching cubes cuts: numbers, places, and values of its nodes.

Along each axis of a box with n cells lie n + 3 nodes: the box's two faces (0 and n + 2), where the
solid is made to end, and between them n + 1 nodes, the outer two of which lie WALL cells inside the
box. A cell and its lowest node have the same number.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Int, Int64
from torch import Tensor

from rayfield.core.check import RayfieldError
from rayfield.core.parts import in_parts

Field = Callable[[Float[Tensor, "N 3"]], Float[Tensor, " N"]]
Keys = Int64[np.ndarray, "..."]

CHUNK = 2**18  # points per call of the field
WALL = 1e-3  # thickness of the closing layer at the box, in cells


@dataclass(frozen=True)
class Lattice:
    """Places of the nodes along each axis, and nodes by number: the last axis fastest."""

    axes: tuple[Float[np.ndarray, " X"], Float[np.ndarray, " Y"], Float[np.ndarray, " Z"]]

    @classmethod
    def of_box(cls, low: Sequence[float], high: Sequence[float], cells: Sequence[int]) -> Lattice:
        """The lattice of a box with so many cells along each axis."""
        axes = []
        for a, b, n in zip(low, high, cells, strict=True):
            wall = WALL * (b - a) / n
            axes.append(np.array([a, *np.linspace(a + wall, b - wall, n + 1), b]))
        return cls((axes[0], axes[1], axes[2]))

    @property
    def last(self) -> Int64[np.ndarray, "3 1"]:
        """The last node along each axis that has a value of its own; the first is 1."""
        return np.array([[len(axis) - 2] for axis in self.axes])

    @property
    def strides(self) -> tuple[int, int, int]:
        """By how much the number grows with one step along each axis."""
        _, y, z = (len(axis) for axis in self.axes)
        return y * z, z, 1

    def number(self, place: Int[np.ndarray, " 3 *N"]) -> Int64[np.ndarray, "*N"]:
        """Numbers of nodes by their place along each axis."""
        x, y, z = place
        return (x * self.strides[0] + y * self.strides[1] + z).astype(np.int64)

    def place(self, number: Int64[np.ndarray, " N"]) -> Int64[np.ndarray, "3 N"]:
        """Place along each axis by number."""
        x, rest = np.divmod(number, self.strides[0])
        return np.stack([x, *np.divmod(rest, self.strides[1])])

    def on_border(self, place: Int[np.ndarray, " 3 *N"]) -> Bool[np.ndarray, "*N"]:
        """Whether beyond a node with a value there is the closing layer."""
        first, last = place == 1, np.moveaxis(place, 0, -1) == self.last[:, 0]
        return first.any(axis=0) | last.any(axis=-1)


def distinct(keys: Int64[np.ndarray, " N"]) -> Int64[np.ndarray, " M"]:
    """Sorted, each once: for many numbers much faster than the hashing of np.unique."""
    keys = np.sort(keys)
    return keys[np.append(True, keys[1:] != keys[:-1])] if len(keys) else keys


def without(
    keys: Int64[np.ndarray, " N"], others: Int64[np.ndarray, " M"]
) -> Int64[np.ndarray, " K"]:
    """Those of some numbers that are not among others, which are sorted."""
    if not len(others):
        return keys
    at = np.searchsorted(others, keys).clip(max=len(others) - 1)
    return keys[others[at] != keys]


class Probe:
    """A field asked in chunks: how far above the level it is, on the solid's side.

    `RayfieldError` as soon as it is not finite. `count` points were asked; their values range from
    `low` to `high`.
    """

    def __init__(
        self, field: Field, *, level: float, inside: str, where: str, tell: Callable[[int], None]
    ) -> None:
        self.field, self.level, self.where, self.tell = field, np.float32(level), where, tell
        self.sign = 1 if inside == "above" else -1
        self.count, self.low, self.high = 0, np.inf, -np.inf

    def __call__(self, points: Float32[Tensor, "N 3"]) -> Float32[np.ndarray, " N"]:
        """Values above 0 are inside."""
        found = np.empty(len(points), np.float32)

        def ask(part: slice) -> None:
            with torch.no_grad():
                values = self.field(points[part]).float().cpu().numpy()
            low, high = float(values.min()), float(values.max())  # NaN if any value is
            if not np.isfinite([low, high]).all():
                bad = int((~np.isfinite(values)).sum())
                raise RayfieldError(
                    f"the field is not finite at {bad} of {len(values)} points {self.where}"
                )
            self.low, self.high = min(low, self.low), max(high, self.high)
            found[part] = self.sign * (values - self.level)
            self.count += len(values)
            self.tell(self.count)

        if len(points):
            in_parts(ask, len(points), CHUNK)
        return found


class Known:
    """Values of the nodes asked so far, sorted by number."""

    def __init__(self) -> None:
        self.keys, self.values = np.empty(0, np.int64), np.empty(0, np.float32)

    def take(self, keys: Int64[np.ndarray, "*N"]) -> Float32[np.ndarray, "*N"]:
        """Values of known nodes."""
        return self.values[np.searchsorted(self.keys, keys)]

    def add(self, keys: Int64[np.ndarray, " M"], values: Float32[np.ndarray, " M"]) -> None:
        """Learn values of nodes not known before."""
        keys = np.concatenate([self.keys, keys])
        order = np.argsort(keys, kind="stable")  # two sorted runs: merged in one pass
        self.keys, self.values = keys[order], np.concatenate([self.values, values])[order]
